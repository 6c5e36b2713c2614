use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use stentor_lang::model::Duration;

use super::*;

/// What a fake server answers to a request: status, content type, body.
type Answer = (u16, &'static str, Vec<u8>);

/// A server that answers until the test ends, and keeps what was asked.
fn server(
    answer: impl Fn(&str, &str) -> Answer + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (head, body) = request(&mut stream);
            let path = head.split(' ').nth(1).expect("a path").to_owned();
            let form = reqwest::Url::parse(&format!("http://x/?{body}")).expect("a form");
            let form: Vec<String> = form
                .query_pairs()
                .map(|(k, v)| format!("{k}={v}"))
                .collect();
            let form = form.join(" ");
            log.lock().expect("the log").push(format!("{path} {form}"));
            let (status, kind, body) = answer(&path, &form);
            let head = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body);
        }
    });
    (url, asked)
}

/// The head of a request, and its body if that is a text.
fn request(stream: &mut std::net::TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = stream.read(&mut part).expect("a request");
        assert!(length > 0, "a request is cut");
        bytes.extend_from_slice(&part[..length]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        if bytes.len() >= end + 4 + length || length == 0 {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap_or_default();
            return (head, body);
        }
    }
}

fn options(url: &str, selectors: &[&str], hours: i64) -> Options {
    let need = |text: &&str| Need {
        matchers: stentor_lang::promql::parse_selector(text).expect("a selector"),
        text: (*text).to_owned(),
        before: Duration::from_mins(5),
        after: Duration::ZERO,
        fixed: Vec::new(),
    };
    Options {
        url: url.replace("://", "://user:canary@"),
        http: HttpConfig::default(),
        inline: Inline::default(),
        selectors: selectors.iter().map(need).collect(),
        start: Timestamp::from_millis(0),
        end: Timestamp::from_millis(hours * 3_600_000),
        read: Read::Api,
        cache: None,
        progress: false,
    }
}

/// All chunks in words.
fn read(options: Options) -> String {
    let url = client::plain(&options.url);
    let mut source = Source::live(options).expect("a source");
    let mut shown = String::new();
    for chunk in source.by_ref() {
        match chunk {
            Ok(chunk) => {
                writeln!(shown, "until {}", chunk.until.millis()).expect("a String takes all");
                for (labels, samples) in &chunk.series {
                    let (times, values) = (&samples.times, &samples.values);
                    writeln!(shown, "  {labels} {times:?} {values:?}").expect("a String takes all");
                }
            }
            Err(error) => writeln!(shown, "error: {error}").expect("a String takes all"),
        }
    }
    let told = source.told();
    let (how, requests, notes) = (&told.how, told.requests, &told.notes);
    write!(shown, "{how}, {requests} requests, notes {notes:?}").expect("a String takes all");
    shown.replace(&url, "http://SERVER")
}

fn matrix(points: &str) -> Answer {
    let series = if points.is_empty() {
        String::new()
    } else {
        format!(r#"{{"metric":{{"__name__":"a"}},"values":[{points}]}}"#)
    };
    let body =
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#);
    (200, "application/json", body.into_bytes())
}

#[track_caller]
fn check(answer: Answer, expected: &Expect) {
    let (url, _) = server(move |_, _| answer.clone());
    expected.assert_eq(&read(options(&url, &["a"], 1)));
}

#[test]
fn chunks_follow_each_other_in_time() {
    let (url, asked) = server(|_, form| {
        let hour = form.contains("time=3600.000");
        matrix(if hour {
            r#"[0,"1"],[3600,"2"]"#
        } else {
            r#"[3600,"2"],[3601,"3"]"#
        })
    });
    let shown = read(options(&url, &["a", r#"a{x="y"}"#], 30));
    expect![[r#"
        until 3600000
          {__name__="a"} [0, 3600000] [1.0, 2.0]
        until 9223372036854775807
          {__name__="a"} [3601000] [3.0]
        query API of http://SERVER, 2 requests, notes ["the query API has no staleness markers: a series that ended counts as there until its last sample is older than the look-back"]"#]].assert_eq(&shown);
    let asked = asked.lock().expect("the log").join("\n");
    expect![[r#"
        /api/v1/query query=a[3900001ms] time=3600.000
        /api/v1/query query=a[104400000ms] time=108000.000"#]]
    .assert_eq(&asked);
}

#[test]
fn errors_name_the_selector_and_the_range() {
    let error = |status, body: &str| (status, "text/plain", body.as_bytes().to_vec());
    check(
        error(401, "who are you?"),
        &expect![[r#"
        error: http://SERVER: the samples of a from 1969-12-31T23:54:59.999Z to 1970-01-01T01:00:00Z: HTTP status 401: who are you?
        history of http://SERVER, 0 requests, notes []"#]],
    );
    check(
        error(200, "<html>"),
        &expect![[r#"
        error: http://SERVER: the samples of a from 1969-12-31T23:54:59.999Z to 1970-01-01T01:00:00Z: expected value at line 1 column 1
        history of http://SERVER, 0 requests, notes []"#]],
    );
    check(
        error(
            200,
            r#"{"status":"success","warnings":["a store is gone"],"data":{"resultType":"matrix","result":[]}}"#,
        ),
        &expect![[r#"
            error: http://SERVER: the samples of a from 1969-12-31T23:54:59.999Z to 1970-01-01T01:00:00Z: the answer is not whole: a store is gone
            history of http://SERVER, 0 requests, notes []"#]],
    );
    let (url, _) = server(|_, _| matrix(""));
    let other = url.replace("http:", "ftp:");
    let refused = Source::live(options(&other, &["a"], 1))
        .err()
        .expect("an error");
    expect!["the datasource ftp://SERVER: expected a URL that begins with http:// or https://"]
        .assert_eq(&refused.to_string().replace(&other, "ftp://SERVER"));
}

#[test]
fn what_is_too_much_is_asked_for_in_halves() {
    let (url, asked) = server(|_, form| {
        if form.contains("[3900001ms]") || form.contains("[1950000ms]") && form.contains("1650") {
            (
                422,
                "application/json",
                br#"{"status":"error","errorType":"execution","error":"too many samples"}"#
                    .to_vec(),
            )
        } else {
            matrix(r#"[0,"1"],[1800,"2"],[3600,"3"]"#)
        }
    });
    expect![[r#"
        until 9223372036854775807
          {__name__="a"} [0, 1800000, 3600000] [1.0, 2.0, 3.0]
        query API of http://SERVER, 3 requests, notes ["the query API has no staleness markers: a series that ended counts as there until its last sample is older than the look-back"]"#]].assert_eq(&read(options(&url, &["a"], 1)));
    expect![[r#"
        /api/v1/query query=a[3900001ms] time=3600.000
        /api/v1/query query=a[1950000ms] time=1649.999
        /api/v1/query query=a[1950001ms] time=3600.000"#]]
    .assert_eq(&asked.lock().expect("the log").join("\n"));
}

#[test]
fn answers_are_kept_on_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, asked) = server(|_, _| matrix(r#"[0,"1"],[1800,"2"]"#));
    let with = || Options {
        cache: Some(folder.path().to_owned()),
        ..options(&url, &["a"], 1)
    };
    let first = read(with());
    let mut source = Source::live(with()).expect("a source");
    assert!(source.next().expect("a chunk").is_ok());
    assert!(source.told().cached);
    assert_eq!(read(with()).replace("0 requests", "1 requests"), first);
    assert_eq!(asked.lock().expect("the log").len(), 1);
}
