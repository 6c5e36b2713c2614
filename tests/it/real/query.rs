//! `stentor query --listen` beside a real Prometheus that holds the same samples: what promtool and
//! plain requests get from the one, they get from the other.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::process::Process;
use super::prometheus::now;
use super::stentor::Stentor;
use super::{eventually, free_port, http, peers};

/// 2024-05-01T12:00:00Z, when the samples begin.
const START: i64 = 1_714_564_800;
/// Samples every 15 s for 40 minutes.
const STEP: i64 = 15;
const COUNT: i64 = 160;

/// Counters with a reset, gauges with a hole, classic histograms, a metric that ends.
fn samples() -> String {
    let mut out = String::new();
    for job in ["api", "db"] {
        for instance in 0..3 {
            let labels = format!("instance=\"host-{instance}\",job=\"{job}\"");
            for k in 0..COUNT {
                let at = START + k * STEP;
                let count = (k % 90) * (instance + 2) + k * k % 7;
                let _ = writeln!(out, "requests_total{{{labels}}} {count} {at}");
            }
            for k in (0..COUNT).filter(|k| !(60..100).contains(k)) {
                let at = START + k * STEP;
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let load = (k * (instance + 1) % 17) as f64 / 3.0;
                let _ = writeln!(out, "load{{{labels}}} {load} {at}.5");
            }
            for (le, share) in [("0.1", 1), ("0.5", 3), ("2.5", 4), ("+Inf", 5)] {
                for k in 0..COUNT {
                    let (count, at) = (k * share * (instance + 1), START + k * STEP);
                    let _ = writeln!(out, "lat_bucket{{{labels},le=\"{le}\"}} {count} {at}");
                }
            }
        }
    }
    for k in 0..COUNT / 2 {
        let _ = writeln!(out, "old_info{{version=\"1\"}} 1 {}", START + k * STEP);
    }
    out + "# EOF\n"
}

const EXPRESSIONS: [&str; 24] = [
    "load",
    "load{job=\"api\", instance!~\".*1\"}",
    "load[1m]",
    "rate(requests_total[5m])",
    "increase(requests_total[5m])",
    "sum by (job) (rate(requests_total[5m]))",
    "topk(2, load)",
    "sort_desc(load)",
    "quantile by (job) (0.3, load)",
    "stddev(load)",
    "histogram_quantile(0.9, sum by (job, le) (rate(lat_bucket[5m])))",
    "load > on (instance, job) group_left () (avg_over_time(load[10m]))",
    "load and on (instance) requests_total{job=\"db\"} > 30",
    "requests_total offset 5m / 0",
    "absent(old_info{version=\"2\"})",
    "old_info unless load",
    "max_over_time(rate(requests_total[2m])[10m:1m])",
    "predict_linear(load[10m], 3600)",
    "label_replace(load, \"host\", \"$1\", \"instance\", \"host-(.*)\")",
    "count_values(\"v\", load)",
    "scalar(sum(load)) * 1e21",
    "vector(1) / 3e7",
    "rate(load[5m])",
    "time() - timestamp(load)",
];

/// Fails, as its result has equal label sets.
const SAME: &str = "label_replace(load, \"instance\", \"same\", \"\", \"\")";

/// Both servers: Prometheus, and a fixture that stentor serves.
pub(super) struct Servers {
    _prometheus: Process,
    _stentor: Process,
    pub(super) ports: [u16; 2],
}

/// Both servers over the same samples, or SKIPPED.
fn start(folder: &Path) -> Option<Servers> {
    servers(folder, &samples())
}

/// Both servers over these samples in OpenMetrics text, or SKIPPED.
pub(super) fn servers(folder: &Path, samples: &str) -> Option<Servers> {
    let (prometheus, promtool) = (peers::need("prometheus")?, peers::need("promtool")?);
    let file = folder.join("samples.om");
    std::fs::write(&file, samples).expect("a file");
    let made = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &folder.join("data")])
        .output()
        .expect("promtool can be started");
    assert!(made.status.success(), "{made:?}");
    std::fs::write(folder.join("prometheus.yml"), "global: {}\n").expect("a file");
    let ports = [free_port(), free_port()];
    let mut command = Command::new(prometheus);
    command
        .arg(format!(
            "--config.file={}",
            folder.join("prometheus.yml").display()
        ))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg("--storage.tsdb.retention.time=100y")
        .arg(format!("--web.listen-address=127.0.0.1:{}", ports[0]));
    let prometheus = Process::start("prometheus", &mut command, &folder.join("prometheus.log"));
    let stentor = serve(&file, ports[1], folder);
    ready(ports[0]);
    Some(Servers {
        _prometheus: prometheus,
        _stentor: stentor,
        ports,
    })
}

/// `stentor query --listen` over a file.
fn serve(file: &Path, port: u16, folder: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command
        .args(["query", "--input"])
        .arg(file)
        .arg(format!("--listen=127.0.0.1:{port}"));
    let stentor = Process::start("stentor", &mut command, &folder.join("query.log"));
    ready(port);
    stentor
}

fn ready(port: u16) {
    eventually("the server is ready", Duration::from_mins(1), || {
        let ready = http::get(port, "/-/ready").ok()?;
        (ready.status == 200).then_some(())
    });
}

/// What `promtool query` prints for each of the servers.
fn promtool(servers: &Servers, sorted: bool, arguments: &[&str]) -> [String; 2] {
    let promtool = peers::need("promtool").expect("is there");
    servers.ports.map(|port| {
        let url = format!("http://127.0.0.1:{port}");
        let (verb, rest) = arguments.split_first().expect("a verb");
        let mut command = Command::new(&promtool);
        command.args(["query", verb]);
        let (options, words): (Vec<&str>, Vec<&str>) =
            rest.iter().copied().partition(|a| a.starts_with("--"));
        let printed = command.args(options).arg(url).args(words).output();
        let printed = printed.expect("promtool can be started");
        let text = String::from_utf8_lossy(&printed.stdout).into_owned()
            + &String::from_utf8_lossy(&printed.stderr);
        if !sorted {
            return text;
        }
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    })
}

#[test]
fn promtool_gets_from_a_fixture_what_it_gets_from_prometheus() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(servers) = start(folder.path()) else {
        return;
    };
    let mut different = String::new();
    let mut compare = |[expected, got]: [String; 2], what: &str| {
        if expected != got {
            let _ = writeln!(
                different,
                "-- {what}\nPrometheus:\n{expected}\nStentor:\n{got}"
            );
        }
    };
    let (first, middle) = (START + 60, START + 20 * 60 + 7);
    for expr in EXPRESSIONS {
        for at in [first, middle, START + COUNT * STEP] {
            let at = format!("--time={at}");
            let is_sorted = !expr.starts_with("sort");
            compare(promtool(&servers, is_sorted, &["instant", &at, expr]), expr);
        }
        if !expr.ends_with(']') {
            let range = [
                "range",
                &format!("--start={START}"),
                &format!("--end={}", START + COUNT * STEP),
                "--step=47s",
                expr,
            ];
            compare(promtool(&servers, true, &range), expr);
        }
    }
    let bounds = [
        format!("--start={START}"),
        format!("--end={}", START + COUNT * STEP),
    ];
    for matcher in [
        "--match=load",
        "--match={job=\"db\"}",
        "--match={__name__=~\"lat.*|old.*\"}",
    ] {
        let series = ["series", matcher, &bounds[0], &bounds[1]];
        compare(promtool(&servers, true, &series), matcher);
    }
    for name in ["job", "le", "__name__", "nothing"] {
        let labels = ["labels", &bounds[0], &bounds[1], name];
        compare(promtool(&servers, false, &labels), name);
    }
    for expr in ["load[", "label_join(load)", "load + \"a\"", SAME] {
        compare(
            promtool(&servers, false, &["instant", "--time=1714565000", expr]),
            expr,
        );
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn requests_get_from_a_fixture_what_they_get_from_prometheus() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(servers) = start(folder.path()) else {
        return;
    };
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let requests = [
        ("GET", "query?query=load&time=1714565000", ""),
        (
            "POST",
            "query",
            "query=load%7Bjob%3D%22api%22%7D&time=2024-05-01T12:03:20Z",
        ),
        (
            "GET",
            "query?query=rate(load[5m])&time=1714565000&limit=2",
            "",
        ),
        ("GET", "query?query=1e300&time=1.5", ""),
        ("GET", "query?query=%22text%22&time=1.5", ""),
        ("GET", "query?query=load&time=noon", ""),
        ("GET", "query?query=load[&time=1", ""),
        ("GET", "query?query=", ""),
        ("GET", "query?query=load&time=1714565000&timeout=x", ""),
        (
            "GET",
            "query?query=load&time=1714565000&lookback_delta=1s",
            "",
        ),
        (
            "GET",
            "query?query=label_replace(load,%22instance%22,%22same%22,%22%22,%22%22)&time=1714565000",
            "",
        ),
        (
            "POST",
            "query_range",
            "query=sum(load)&start=1714565000&end=1714566000&step=1m",
        ),
        ("GET", "query_range?query=load&start=0&end=12000&step=1", ""),
        ("GET", "query_range?query=load&start=2&end=1&step=1", ""),
        ("GET", "query_range?query=load&start=0&end=1&step=0", ""),
        ("GET", "query_range?query=load[1m]&start=0&end=1&step=1", ""),
        ("GET", "series", ""),
        ("GET", "series?match[]={a=~%22.*%22}", ""),
        ("POST", "series", "match[]=load&match[]=old_info&limit=3"),
        ("GET", "labels", ""),
        ("POST", "labels", "match[]=lat_bucket"),
        ("GET", "labels?limit=2", ""),
        ("GET", "label/instance/values?match[]=load", ""),
        ("GET", "label/U__job/values", ""),
        ("GET", "label/job/values?start=x", ""),
        ("GET", "metadata", ""),
    ];
    let mut different = String::new();
    for (method, path, body) in requests {
        let headers = if body.is_empty() { &[][..] } else { &form };
        let [expected, got] = servers.ports.map(|port| {
            let path = format!("/api/v1/{path}");
            let answer = http::call(port, method, &path, headers, body.as_bytes());
            let answer = answer.expect("an answer");
            let mut json = answer.json();
            if let Some(Value::Array(all)) = json.pointer_mut("/data/result") {
                all.sort_by_key(ToString::to_string);
            }
            (answer.status, json)
        });
        if expected != got {
            let _ = writeln!(
                different,
                "-- {method} {path} {body}\nPrometheus: {} {}\nStentor: {} {}",
                expected.0, expected.1, got.0, got.1
            );
        }
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn the_daemon_evaluates_rules_over_a_fixture() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("up.om");
    let mut text = String::new();
    let begin = now() / 1000 - 60;
    for at in (begin..begin + 600).step_by(5) {
        let _ = writeln!(text, "up{{job=\"api\"}} 0 {at}\nup{{job=\"db\"}} 1 {at}");
    }
    std::fs::write(&file, text + "# EOF\n").expect("a file");
    let port = free_port();
    let server = serve(&file, port, folder.path());
    let config = format!(
        "global: {{evaluation_interval: 1s}}\n\
         datasources: [{{name: recorded, url: 'http://127.0.0.1:{port}', rule_files: [rules.yml]}}]\n\
         route: {{receiver: none}}\nreceivers: [{{name: none}}]\n"
    );
    let rules = "groups: [{name: g, rules: [{alert: Down, expr: up == 0}]}]\n";
    let stentor = Stentor::start(&[("stentor.yml", &config), ("rules.yml", rules)]);
    let alerts = eventually("Down fires", Duration::from_secs(30), || {
        let alerts = stentor.alerts("Down");
        (!alerts.is_empty()).then_some(alerts)
    });
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].0, "firing");
    assert_eq!(server.stop(), 0);
}
