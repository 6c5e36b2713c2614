//! The receivers' servers: one process-local server that keeps every request, answers as PagerDuty
//! and Slack do, and on demand as they should not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::http::{Request, read_request};
use super::prometheus::now;

/// How the next request to a path is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// With a status, headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Not at all: the connection closes after the request was read.
    Close,
    /// Not before this time is over, and then by closing.
    Hang(Duration),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// Milliseconds since the epoch.
    pub(super) at: i64,
    pub(super) request: Request,
}

impl Received {
    #[track_caller]
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.request.body).expect("a JSON body")
    }
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    scripts: BTreeMap<String, VecDeque<Reply>>,
}

/// The server. It lives as long as the test's process.
pub(super) struct Sink {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// Paths of the receivers that the sink plays.
pub(super) const PAGERDUTY: &str = "/pagerduty";
pub(super) const SLACK: &str = "/slack";

impl Sink {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, state }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next requests to a path get these replies, one each, and the ones after them a good one.
    pub(super) fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut state = lock(&self.state);
        let script = state.scripts.entry(path.to_owned()).or_default();
        script.extend(replies);
    }

    /// Everything that arrived at a path so far.
    pub(super) fn received(&self, path: &str) -> Vec<Received> {
        let state = lock(&self.state);
        let of_path = state.received.iter().filter(|it| it.request.path == path);
        of_path.cloned().collect()
    }

    /// PagerDuty's events so far: `(event_action, routing_key, dedup_key)`.
    pub(super) fn events(&self) -> Vec<(String, String, String)> {
        let word =
            |json: &serde_json::Value, key: &str| json[key].as_str().unwrap_or("").to_owned();
        let events = self.received(PAGERDUTY).into_iter();
        events
            .map(|event| event.json())
            .map(|event| {
                (
                    word(&event, "event_action"),
                    word(&event, "routing_key"),
                    word(&event, "dedup_key"),
                )
            })
            .collect()
    }

    /// What PagerDuty would have made of the events: how many incidents were ever opened, and the
    /// keys of those still open. A key belongs to its routing key.
    pub(super) fn incidents(&self) -> (usize, BTreeSet<(String, String)>) {
        let (mut opened, mut open) = (0, BTreeSet::new());
        for (action, routing_key, dedup_key) in self.events() {
            match action.as_str() {
                "trigger" => opened += usize::from(open.insert((routing_key, dedup_key))),
                "resolve" => {
                    open.remove(&(routing_key, dedup_key));
                }
                other => panic!("unknown event_action {other:?}"),
            }
        }
        (opened, open)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no thread of the sink panicked")
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut writer = stream.try_clone().expect("a socket twice");
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let path = request.path.clone();
        let reply = {
            let mut state = lock(state);
            state.received.push(Received { at: now(), request });
            let script = state.scripts.get_mut(&path);
            script.and_then(VecDeque::pop_front)
        };
        let written = match reply.unwrap_or_else(|| good(&path)) {
            Reply::Close => return,
            Reply::Hang(time) => return std::thread::sleep(time),
            Reply::Status(status, headers, body) => {
                let fields = headers
                    .into_iter()
                    .map(|(name, value)| format!("{name}: {value}\r\n"));
                let answer = format!(
                    "HTTP/1.1 {status} -\r\n{}Content-Length: {}\r\n\r\n{body}",
                    fields.collect::<String>(),
                    body.len()
                );
                writer.write_all(answer.as_bytes())
            }
        };
        if written.is_err() {
            return;
        }
    }
}

fn good(path: &str) -> Reply {
    if path == PAGERDUTY {
        let body = r#"{"status":"success","message":"Event processed","dedup_key":""}"#;
        Reply::Status(202, Vec::new(), body.to_owned())
    } else {
        Reply::Status(200, Vec::new(), "ok".to_owned())
    }
}
