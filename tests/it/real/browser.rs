//! Pages in a real browser: a headless Chromium, driven by its `DevTools` protocol over a websocket.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::Process;
use super::{eventually, free_port, http, peers};

/// A browser with one page, in a profile of its own.
struct Browser {
    tab: Tab,
    _process: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium; none, and SKIPPED, where it is not installed.
    fn start() -> Option<Self> {
        let program = peers::need("chromium")?;
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(program);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",
        ]);
        let data = format!("--user-data-dir={}", profile.path().display());
        let log = profile.path().join("chromium.log");
        let process = Process::start("chromium", command.arg(data).arg("about:blank"), &log);
        let port_file = profile.path().join("DevToolsActivePort");
        let tab = eventually("Chromium listens", Duration::from_mins(1), || {
            let text = std::fs::read_to_string(&port_file).ok()?;
            let (port, path) = text.trim().split_once('\n')?;
            Tab::open(port.parse().ok()?, path)
        });
        Some(Self {
            tab,
            _process: process,
            _profile: profile,
        })
    }

    /// Shows an address on a screen so many pixels wide.
    fn show(&mut self, url: &str, width: u64) {
        let screen =
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
        self.tab.call("Emulation.setDeviceMetricsOverride", &screen);
        self.tab.call("Page.navigate", &json!({"url": url}));
        eventually("the page is loaded", Duration::from_mins(1), || {
            let here = self.tab.value("location.href + ' ' + document.readyState");
            (here == format!("{url} complete")).then_some(())
        });
    }
}

/// A connection to the browser, and its one page.
struct Tab {
    stream: BufReader<TcpStream>,
    calls: u64,
    session: Value,
}

impl Tab {
    fn open(port: u16, path: &str) -> Option<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        .ok()?;
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "a websocket");
        let mut tab = Self {
            stream,
            calls: 0,
            session: Value::Null,
        };
        let page = tab.call("Target.createTarget", &json!({"url": "about:blank"}));
        let page = json!({"targetId": page["targetId"], "flatten": true});
        tab.session = tab.call("Target.attachToTarget", &page)["sessionId"].clone();
        Some(tab)
    }

    /// Calls a method of the protocol, and returns its result. Events in between are passed over.
    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": params});
        if !self.session.is_null() {
            call["sessionId"] = self.session.clone();
        }
        self.send(&call.to_string()).expect("a frame to Chromium");
        loop {
            let text = self.receive().expect("a frame from Chromium");
            let answer: Value = serde_json::from_slice(&text).expect("JSON from Chromium");
            if answer["id"] == self.calls {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
        }
    }

    /// The value of an expression in the page, as JSON.
    #[track_caller]
    fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &params);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// How often something is in the page.
    #[track_caller]
    fn count(&mut self, selector: &str) -> u64 {
        let expression = format!("document.querySelectorAll({}).length", json!(selector));
        self.value(&expression).as_u64().expect("a number")
    }

    /// One text frame (RFC 6455), masked with zeros, which change nothing.
    fn send(&mut self, text: &str) -> std::io::Result<()> {
        let length = u64::try_from(text.len()).expect("a length");
        let mut frame = vec![0x81, 0x80 | 127];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.get_mut().write_all(&frame)
    }

    /// The next message; a server masks nothing.
    fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head)?;
            let length = match head[1] & 0x7F {
                126 => {
                    let mut length = [0; 2];
                    self.stream.read_exact(&mut length)?;
                    u64::from(u16::from_be_bytes(length))
                }
                127 => {
                    let mut length = [0; 8];
                    self.stream.read_exact(&mut length)?;
                    u64::from_be_bytes(length)
                }
                length => u64::from(length),
            };
            let part = message.len();
            message.resize(part + usize::try_from(length).expect("a length"), 0);
            self.stream.read_exact(&mut message[part..])?;
            let (last, control) = (head[0] & 0x80 != 0, head[0] & 0x08 != 0);
            if control {
                message.truncate(part);
            } else if last {
                return Ok(message);
            }
        }
    }
}

/// Nothing is wider than the screen, and all text that is drawn lies on it.
#[track_caller]
fn fits(tab: &mut Tab, width: u64) {
    // a scroll bar at the side may take some of it
    let screen = tab.value("document.documentElement.clientWidth");
    let screen = screen.as_u64().expect("a width");
    assert!(
        (width - 20..=width).contains(&screen),
        "{screen} of {width}"
    );
    let scroll = tab.value("document.documentElement.scrollWidth");
    assert_eq!(scroll, screen, "the page scrolls sideways");
    let outside = tab.value(
        "[...document.querySelectorAll('svg text')]
            .map((text) => [text.textContent, text.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.left < 0 || box.right > document.documentElement.clientWidth))
            .map(([text]) => text)",
    );
    assert_eq!(outside, json!([]), "labels outside of the screen");
}

/// A replay of recorded series as the page that is attached to a post-mortem.
fn report(file: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mass-disconnect");
    let status = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .arg("replay")
        .arg(format!(
            "--config.file={}",
            fixture.join("../stentor.yml").display()
        ))
        .arg(format!("--input={}", fixture.join("test.yml").display()))
        .args(["--output=html", "--output.file"])
        .arg(file)
        .status();
    assert!(status.expect("stentor runs").success());
}

#[test]
fn a_report_is_read_on_any_screen_without_a_script() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.html");
    report(&file);
    let off = json!({"value": true});
    browser
        .tab
        .call("Emulation.setScriptExecutionDisabled", &off);
    for width in [1400, 400] {
        browser.show(&format!("file://{}", file.display()), width);
        let tab = &mut browser.tab;
        fits(tab, width);
        assert!(tab.count(".plot > svg[role=img] > title") > 0, "plots");
        assert!(tab.count(".plot .lines path[d^=M]") > 0, "lines");
        assert!(tab.count(".plot .threshold text") > 0, "thresholds");
        assert!(tab.count(".plot .band.firing rect") > 0, "firing bands");
        assert!(tab.count(".plot .notification title") > 0, "marks");
        assert!(tab.count("#timeline ~ .panel tbody tr") > 0, "alerts");
        assert!(tab.count("#notifications ~ .inbox li") > 0, "notifications");
        assert_eq!(
            tab.count("script, link, img, iframe"),
            0,
            "nothing else is loaded"
        );
    }
}

#[test]
fn the_demo_shows_an_incident_until_its_resolve() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command.args(["demo", "--speed=120", "--web.listen-address"]);
    command.arg(format!("127.0.0.1:{port}"));
    let log = folder.path().join("demo.log");
    let _demo = Process::start("stentor demo", &mut command, &log);
    eventually("the demo serves its page", Duration::from_mins(1), || {
        http::get(port, "/").ok().filter(|page| page.status == 200)
    });
    // loaded once: from here on the page's own script keeps it fresh
    browser.show(&format!("http://127.0.0.1:{port}/"), 400);
    let tab = &mut browser.tab;
    let limit = Duration::from_mins(2);
    let firing = ".status + .figures ~ section .alert:not(.pending) .plot";
    eventually("an alert fires", limit, || {
        (tab.count(firing) > 0).then_some(())
    });
    fits(tab, 400);
    eventually("PagerDuty was told", limit, || {
        (tab.count(".pagerduty li:not(.good)") > 0).then_some(())
    });
    eventually("PagerDuty sees its end", limit, || {
        (tab.count(".pagerduty li.good") > 0).then_some(())
    });
    assert_eq!(tab.count("body.lost"), 0, "the page is still fresh");
}
