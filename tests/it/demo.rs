//! `stentor demo` as a process: its first incident, its page and its APIs over a socket, and how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// The answer to a request: its head and its body.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

#[test]
fn it_shows_an_incident_and_answers_until_a_signal_ends_it() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .args(["demo", "--for", "5m", "--speed", "120"])
        .args(["--web.listen-address", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("stentor can be started");
    let output = child.stdout.take().expect("its output");
    let mut lines = BufReader::new(output)
        .lines()
        .map(|line| line.expect("a line"));
    let address = lines.find_map(|line| {
        let url = line.trim().strip_prefix("page")?.trim().to_owned();
        Some(
            url.trim_start_matches("http://")
                .trim_end_matches('/')
                .to_owned(),
        )
    });
    let address = address.expect("the page's address");

    for (path, expected) in [
        ("/", "26 million connections on 104 gateways"),
        ("/fragment", "figures"),
        ("/api/v1/query?query=count(ws_connections)", r#""104"]"#),
        ("/api/v1/labels", "event_type"),
        ("/api/v1/rules", "ConnectionDrop"),
        ("/api/v1/alerts", r#"{"status":"success""#),
        ("/-/healthy", "Healthy"),
        ("/-/ready", "Ready"),
    ] {
        let (head, body) = get(&address, path);
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        assert!(body.contains(expected), "{path}: {body}");
    }
    let (head, _) = get(&address, "/graph?g0.expr=up%3D%3D0");
    assert!(
        head.contains("location: /api/v1/query?query=up%3D%3D0"),
        "{head}"
    );
    assert!(get(&address, "/nothing").0.starts_with("HTTP/1.1 404 "));

    let page = lines.find(|line| line.contains("PagerDuty opens"));
    let page = page.expect("a page within the time");
    assert!(page.contains("realtime lost"), "{page}");
    assert!(lines.by_ref().any(|line| line.contains("PagerDuty closes")));
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.expect("kill can be run").success());
    lines.for_each(drop);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn it_ends_when_its_time_is_over() {
    let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .args(["demo", "--for", "1s", "--web.listen-address", "127.0.0.1:0"])
        .output()
        .expect("stentor can be started");
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("26 million connections"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .args(["demo", "--for", "1s", "--web.listen-address", &address])
        .output()
        .expect("stentor can be started");
    assert_eq!(output.status.code(), Some(3));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("--web.listen-address"), "{complaint}");
}
