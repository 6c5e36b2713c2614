use expect_test::{Expect, expect};
use stentor_core::fixture::{Format, Options, read};
use stentor_lang::promql::ParseOptions;
use stentor_lang::promql::eval::EvalOptions;
use stentor_lang::promql::memory::MemoryStore;

use super::*;

const SCRIPT: &str = "load 1m
  up{job=\"api\", instance=\"a\"} 1 1 0 1
  up{job=\"api\", instance=\"b\"} 1 _ _ Inf
  small{job=\"db\"} 0.0000001
  hist {{schema:0 sum:5 count:4 z_bucket:1 buckets:[1 2]}}
";

/// Asks by handler, and shows the answer or its refusal.
#[track_caller]
fn check(handler: fn(&App, &Params) -> Answered, query: &str, expected: &Expect) {
    let mut store = MemoryStore::default();
    read(SCRIPT, Format::Script, &Options::default(), &mut store).expect("a script");
    let app = app(store);
    let shown = match handler(&app, &Params::of(query)) {
        Ok(body) => {
            let _: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            body
        }
        Err(refusal) => format!("{refusal:?}"),
    };
    expected.assert_eq(&shown);
}

fn values_of_job(app: &App, params: &Params) -> Answered {
    catalog::label_values(app, params, "job")
}

#[test]
fn instant_queries() {
    let check = |query: &str, expected: Expect| check(queries::instant, query, &expected);
    check(
        "query=up",
        expect![[
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"a","job":"api"},"value":[180,"1"]},{"metric":{"__name__":"up","instance":"b","job":"api"},"value":[180,"+Inf"]}]}}"#
        ]],
    );
    check(
        "query=up&time=61.5&limit=1",
        expect![[
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"a","job":"api"},"value":[61.500,"1"]}]},"warnings":["results truncated due to limit"]}"#
        ]],
    );
    check(
        "query=small&lookback_delta=1h",
        expect![[
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"small","job":"db"},"value":[180,"1e-07"]}]}}"#
        ]],
    );
    check(
        "query=hist&time=0",
        expect![[
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"hist"},"histogram":[0,{"count":"4","sum":"5","buckets":[[3,"-0","0","1"],[0,"0.5","1","1"],[0,"1","2","2"]]}]}]}}"#
        ]],
    );
    check(
        "query=1e300",
        expect![[
            r#"{"status":"success","data":{"resultType":"scalar","result":[180,"1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"]}}"#
        ]],
    );
    check(
        "query=%22a%5C%22b%22&time=1.5",
        expect![[r#"{"status":"success","data":{"resultType":"string","result":[1.500,"a\"b"]}}"#]],
    );
    check(
        "query=up%5B90s%5D",
        expect![[
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a","job":"api"},"values":[[120,"0"],[180,"1"]]},{"metric":{"__name__":"up","instance":"b","job":"api"},"values":[[180,"+Inf"]]}]}}"#
        ]],
    );
    check(
        "query=rate(up%7Bjob%3D%22api%22%7D%5B3m%5D)&time=180",
        expect![[
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"a","job":"api"},"value":[180,"0.008333333333333333"]}]},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:6)"]}"#
        ]],
    );
}

#[test]
fn refused_instant_queries() {
    let check = |query: &str, expected: Expect| check(queries::instant, query, &expected);
    check(
        "",
        expect![[
            r#"BadData("invalid parameter \"query\": unknown position: parse error: no expression found in input")"#
        ]],
    );
    check(
        "query=sum(",
        expect![[
            r#"BadData("invalid parameter \"query\": 1:4: parse error: unclosed left parenthesis")"#
        ]],
    );
    check(
        "query=up&time=noon",
        expect![[
            r#"BadData("invalid parameter \"time\": invalid time value for 'time': cannot parse \"noon\" to a valid timestamp")"#
        ]],
    );
    check(
        "query=up&limit=x",
        expect![[
            r#"BadData("invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax")"#
        ]],
    );
    check(
        "query=up&limit=-1",
        expect![[r#"BadData("invalid parameter \"limit\": limit must be non-negative")"#]],
    );
    check(
        "query=up&lookback_delta=x",
        expect![[
            r#"BadData("error parsing lookback delta duration: cannot parse \"x\" to a valid duration")"#
        ]],
    );
}

#[test]
fn range_queries() {
    let check = |query: &str, expected: Expect| check(queries::range, query, &expected);
    check(
        "query=up&start=0&end=180&step=90",
        expect![[
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a","job":"api"},"values":[[0,"1"],[90,"1"],[180,"1"]]},{"metric":{"__name__":"up","instance":"b","job":"api"},"values":[[0,"1"],[90,"1"],[180,"+Inf"]]}]}}"#
        ]],
    );
    check(
        "query=up&start=0&end=1970-01-01T00:01:00Z&step=1m&limit=1",
        expect![[
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a","job":"api"},"values":[[0,"1"],[60,"1"]]}]},"warnings":["results truncated due to limit"]}"#
        ]],
    );
    check(
        "query=1&start=0&end=1&step=1",
        expect![[
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1,"1"]]}]}}"#
        ]],
    );
    check(
        "query=up&end=180&step=90",
        expect![[
            r#"BadData("invalid parameter \"start\": cannot parse \"\" to a valid timestamp")"#
        ]],
    );
    check(
        "query=up&start=181&end=180&step=90",
        expect![[
            r#"BadData("invalid parameter \"end\": end timestamp must not be before start time")"#
        ]],
    );
    check(
        "query=up&start=0&end=180&step=0",
        expect![[
            r#"BadData("invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer")"#
        ]],
    );
    check(
        "query=up&start=0&end=180&step=x",
        expect![[
            r#"BadData("invalid parameter \"step\": cannot parse \"x\" to a valid duration")"#
        ]],
    );
    check(
        "query=up&start=0&end=11001&step=1",
        expect![[
            r#"BadData("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")"#
        ]],
    );
    check(
        "query=up%5B5m%5D&start=0&end=1&step=1",
        expect![[
            r#"BadData("invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector")"#
        ]],
    );
}

#[test]
fn series_and_labels() {
    check(
        catalog::series,
        "match[]=up&match[]=small",
        &expect![[
            r#"{"status":"success","data":[{"__name__":"small","job":"db"},{"__name__":"up","instance":"a","job":"api"},{"__name__":"up","instance":"b","job":"api"}]}"#
        ]],
    );
    check(
        catalog::series,
        "match[]=up&start=60&end=120",
        &expect![[r#"{"status":"success","data":[{"__name__":"up","instance":"a","job":"api"}]}"#]],
    );
    check(
        catalog::series,
        "match[]=up&limit=1",
        &expect![[
            r#"{"status":"success","data":[{"__name__":"up","instance":"a","job":"api"}],"warnings":["results truncated due to limit"]}"#
        ]],
    );
    check(
        catalog::series,
        "",
        &expect![[r#"BadData("no match[] parameter provided")"#]],
    );
    check(
        catalog::series,
        "match[]=up{",
        &expect![[
            r#"BadData("invalid parameter \"match[]\": 1:4: parse error: unexpected end of input inside braces")"#
        ]],
    );
    check(
        catalog::series,
        "match[]={a=~\".*\"}",
        &expect![[
            r#"BadData("invalid parameter \"match[]\": match[] must contain at least one non-empty matcher")"#
        ]],
    );
    check(
        catalog::labels,
        "",
        &expect![[r#"{"status":"success","data":["__name__","instance","job"]}"#]],
    );
    check(
        catalog::labels,
        "match[]=small",
        &expect![[r#"{"status":"success","data":["__name__","job"]}"#]],
    );
    check(
        values_of_job,
        "",
        &expect![[r#"{"status":"success","data":["api","db"]}"#]],
    );
    check(
        values_of_job,
        "match[]=up",
        &expect![[r#"{"status":"success","data":["api"]}"#]],
    );
    check(
        values_of_job,
        "limit=1&start=-292273086-05-16T16:47:06Z",
        &expect![[
            r#"{"status":"success","data":["api"],"warnings":["results truncated due to limit"]}"#
        ]],
    );
}

/// Over series whose present is their last sample, with room for one query.
fn app(store: MemoryStore) -> App {
    let last = store
        .iter()
        .filter_map(|(_, samples)| samples.times.last().copied());
    let now = Timestamp::from_millis(last.max().unwrap_or_default());
    let store = Arc::new(store);
    let series = move || Series {
        store: Arc::clone(&store),
        now,
    };
    let language = Language {
        syntax: ParseOptions::default(),
        options: EvalOptions::default(),
    };
    App {
        places: Arc::new(Semaphore::new(1)),
        ..App::new(series, language)
    }
}

fn empty_app() -> Arc<App> {
    Arc::new(app(MemoryStore::default()))
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_gives_its_place_back() {
    let app = empty_app();
    // It would take hours.
    let query =
        "query=sum_over_time(sum_over_time(vector(1)[400000s:1s])[400000s:1s])&timeout=50ms";
    let answer = work(&app, Params::of(query), queries::instant).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(app.places.acquire().await.is_ok());
}

/// The status line that the server answers a form with.
async fn status_of_form(length: usize) -> String {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let router = complete(routes(&empty_app()));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it");
    let head = format!(
        "POST /api/v1/query HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\nquery=1"
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let rest = vec![b'+'; length - "query=1".len()];
    // One that refuses it need not read it.
    let _ = stream.write_all(&rest).await;
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line).await;
    read.expect("an answer");
    server.abort();
    line
}

#[tokio::test]
async fn forms_are_as_long_as_the_limit_says() {
    assert!(status_of_form(MAX_BODY).await.contains(" 200 "));
    assert!(status_of_form(MAX_BODY + 1).await.contains(" 413 "));
}
