use super::*;
use crate::daemon::fake::{Fake, Reply};
use stentor_core::engine::{AnswerData, EvalId};
use stentor_core::receiver::{Authorization, SecretRef};
use stentor_lang::model::{Duration, Timestamp};

const OK: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"1"},"value":[1,"2"]}]}}"#;

fn client(url: &str, http: HttpConfig, max_bytes: usize) -> Client {
    let options = Options {
        name: "main".into(),
        url: url.to_owned(),
        http,
        caps: Caps {
            series: 10,
            samples: 10,
        },
        max_bytes,
        timeout: LONG,
        concurrency: 2,
    };
    let inline = Inline([("token".to_owned(), "canary".to_owned())].into());
    Client::new(options, Arc::new(inline), Arc::default()).expect("a client")
}

fn query(time: QueryTime) -> Query {
    Query {
        eval: EvalId(1),
        datasource: "main".into(),
        expr: "up{a=\"b c\"} > 1".into(),
        parsed: None,
        rule: None,
        time,
        deadline: Timestamp::EPOCH,
        known_shape: None,
    }
}

fn instant() -> Query {
    query(QueryTime::Instant(Timestamp::from_millis(
        1_700_000_000_050,
    )))
}

/// The answer of a server with this script, in a word, and the number of requests it took.
async fn ask(replies: Vec<Reply>, within: Time) -> (String, usize) {
    let fake = Fake::start(replies).await;
    let answer = client(&fake.url(), HttpConfig::default(), 4096)
        .query(&instant(), within)
        .await;
    let shown = match answer {
        Ok(Answer {
            data: AnswerData::Vector { values, .. },
            ..
        }) => format!("{values:?}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => {
            assert!(!error.message.contains(&fake.url()), "{}", error.message);
            format!("{}: {}", error.kind.as_str(), error.message)
        }
    };
    (shown, fake.requests().len())
}

const LONG: Time = Time::from_secs(20);

#[track_caller]
fn assert_error((shown, requests): (String, usize), start: &str, expected_requests: usize) {
    assert!(shown.starts_with(start), "{shown}");
    assert_eq!(requests, expected_requests, "{shown}");
}

#[tokio::test]
async fn answers_come_through_and_requests_are_prometheus_own() {
    let fake = Fake::start([Reply::text(200, OK)]).await;
    let http = HttpConfig {
        authorization: Some(Authorization {
            scheme: "Bearer".to_owned(),
            credentials: SecretRef::Inline("token".to_owned()),
        }),
        ..HttpConfig::default()
    };
    let client = client(&format!("{}/prefix/?tenant=1", fake.url()), http, 4096);
    client.query(&instant(), LONG).await.expect("an answer");
    let range = query(QueryTime::Range {
        start: Timestamp::from_millis(1000),
        end: Timestamp::from_millis(61_500),
        step: Duration::from_secs(15),
    });
    let refused = client.query(&range, LONG).await.expect_err("a vector");
    assert_eq!(refused.kind, QueryErrorKind::Malformed);
    let requests = fake.requests();
    assert!(requests[0].starts_with("POST /prefix/api/v1/query?tenant=1 HTTP/1.1\r\n"));
    assert!(requests[0].contains("authorization: Bearer canary\r\n"));
    assert!(requests[0].contains("content-type: application/x-www-form-urlencoded\r\n"));
    assert!(requests[0].contains("accept-encoding: gzip\r\n"));
    assert!(requests[0].ends_with("\r\n\r\nquery=up%7Ba%3D%22b+c%22%7D+%3E+1&time=1700000000.050"));
    assert!(requests[1].starts_with("POST /prefix/api/v1/query_range?tenant=1 "));
    assert!(requests[1].ends_with("&start=1.000&end=61.500&step=15.000"));
}

#[tokio::test]
async fn a_passing_failure_is_asked_again_once() {
    let ok = || Reply::text(200, OK);
    for first in [
        Reply::text(503, "<html>starting</html>"),
        Reply::with_headers(429, "Retry-After: 0\r\n", b""),
        Reply::Cut(Vec::new()),
        Reply::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"stat".to_vec()),
        Reply::Cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sta".to_vec()),
    ] {
        let (shown, requests) = ask(vec![first, ok()], LONG).await;
        assert_eq!((shown.as_str(), requests), ("[2.0]", 2));
    }
    let twice = ask(vec![Reply::text(500, "a"), Reply::text(502, "b")], LONG).await;
    assert_error(twice, "refused: HTTP status 502: no query result: \"b\"", 2);
    let late = Reply::with_headers(503, "Retry-After: 60\r\n", b"busy");
    let asked = ask(vec![late, ok()], LONG).await;
    assert_error(
        asked,
        "refused: HTTP status 503: no query result: \"busy\"",
        1,
    );
}

#[tokio::test]
async fn what_cannot_pass_is_asked_once() {
    let error = r#"{"status":"error","errorType":"bad_data","error":"unexpected end"}"#;
    for (reply, start) in [
        (
            Reply::text(400, error),
            "refused: HTTP status 400: the data source refused the query: bad_data: unexpected end",
        ),
        (
            Reply::text(401, ""),
            "refused: HTTP status 401: no query result",
        ),
        (
            Reply::text(200, "<!DOCTYPE html>"),
            "malformed: the answer is no query result",
        ),
        (Reply::text(204, ""), "malformed: "),
        (
            Reply::with_headers(302, "Location: http://127.0.0.1:1/login\r\n", b""),
            "refused: HTTP status 302",
        ),
        (
            // Later than there is time.
            Reply::with_headers(503, "Retry-After: 18446744073709551615\r\n", b""),
            "refused: HTTP status 503",
        ),
        (
            Reply::text(200, &" ".repeat(5000)),
            "too_large: the answer has more than 4096 bytes",
        ),
        (
            Reply::Cut(format!("HTTP/1.1 200 OK\r\n\r\n{}", &OK[..60]).into_bytes()),
            "malformed: the answer is no query result: EOF",
        ),
    ] {
        assert_error(ask(vec![reply], LONG).await, start, 1);
    }
}

#[tokio::test]
async fn a_redirect_keeps_method_and_host() {
    let same = Reply::with_headers(308, "Location: /x/api/v1/query\r\n", b"");
    let (shown, requests) = ask(vec![same, Reply::text(200, OK)], LONG).await;
    assert_eq!((shown.as_str(), requests), ("[2.0]", 2));
    let other = Fake::start([Reply::text(200, OK)]).await;
    let away = format!("Location: {}/api/v1/query\r\n", other.url());
    let asked = ask(vec![Reply::with_headers(307, &away, b"")], LONG).await;
    assert_error(asked, "refused: HTTP status 307", 1);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn unpacked_bytes_are_counted() {
    // 5,000 spaces, packed by gzip.
    let packed: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x31, 0x01, 0x00,
        0x00, 0x00, 0xc2, 0xa0, 0x2a, 0xeb, 0x9f, 0xd2, 0x14, 0x7e, 0x40, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x6f, 0x03, 0x60, 0x2c, 0x0b, 0x87, 0x88, 0x13, 0x00, 0x00,
    ];
    let reply = Reply::with_headers(200, "Content-Encoding: gzip\r\n", packed);
    let (shown, _) = ask(vec![reply], LONG).await;
    assert!(
        shown.starts_with("too_large: the answer has more than 4096 bytes"),
        "{shown}"
    );
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let short = Time::from_millis(50);
    let asked = ask(vec![Reply::Hang], short).await;
    assert_error(asked, "timeout: no answer within 50 ms", 1);
    let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let asked = ask(vec![Reply::Raw(begun)], short).await;
    assert_error(asked, "timeout: no answer within 50 ms", 1);
}

#[tokio::test]
async fn nobody_there_is_a_connection_error() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let client = client(&format!("http://{closed}"), HttpConfig::default(), 10);
    let error = client.query(&instant(), LONG).await.expect_err("nobody");
    assert_eq!(error.kind, QueryErrorKind::Connection);
    assert!(error.message.contains("refused"), "{}", error.message);
}

#[test]
fn what_is_no_url_is_refused() {
    for url in ["", "127.0.0.1:9090", "ftp://a", "http://", "/api"] {
        assert!(endpoint(url, "query").is_err(), "{url}");
    }
}
