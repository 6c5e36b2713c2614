//! The daemon in this process: files in a folder, a scripted data source, and real HTTP.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::fake::{Fake, Reply};
use super::*;

/// Two series, one of them with an odd label.
const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"b"},"value":[1,"0"]},{"metric":{"__name__":"up","job":"a"},"value":[1,"0.5"]}]}}"#;

const RULES: &str = "groups:
- name: second
  interval: 1h
  rules:
  - {alert: Down, expr: up == 0, for: 5m, labels: {severity: critical, team: ''}, annotations: {s: '{{ $value }}'}}
- name: first
  limit: 7
  rules:
  - {alert: Now, expr: up < 1, labels: {severity: warning}}
  - {record: 'a:b', expr: sum(up)}
";

struct Scene {
    folder: tempfile::TempDir,
    source: Fake,
}

struct Running {
    url: String,
    parts: Parts,
    reloader: Arc<Reloader>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Scene {
    async fn new() -> Self {
        let scene = Self {
            folder: tempfile::tempdir().expect("a folder"),
            source: Fake::start([Reply::text(200, VECTOR)]).await,
        };
        scene.write("rules.yml", RULES);
        scene.write("stentor.yml", &scene.config("hook-canary"));
        scene
    }

    fn config(&self, secret: &str) -> String {
        let url = self.source.url();
        format!(
            "datasources: [{{name: main, url: '{url}', rule_files: [rules.yml], \
             basic_auth: {{username: me, password: password-canary}}}}]\n\
             route: {{receiver: hook, group_wait: 1h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: 'http://127.0.0.1:1/{secret}'}}]}}]\n"
        )
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    fn options(&self) -> Options {
        Options {
            from: setup::From {
                files: setup::Files::Config(self.path().join("stentor.yml")),
                external_url: String::new(),
                dry_run: false,
                allow_empty: false,
            },
            storage: self.path().join("data"),
            listen: "127.0.0.1:0".parse().expect("an address"),
        }
    }

    async fn start(&self) -> Result<Running, Failure> {
        let options = self.options();
        let (mut store, rows) =
            Sqlite::open(&options.storage, "now", store::LOCK_WAIT).expect("a store");
        let accepted = Accepted::find(&rows.rows);
        let loaded = setup::load(&options.from, None);
        let (prepared, errors) = choose(loaded, accepted.as_ref(), &options.from, &mut store)?;
        let daemon = Daemon {
            options: &options,
            clock: Arc::new(Clock::system()),
            accepted,
            errors,
        };
        let listener = TcpListener::bind(options.listen).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let guard = Guard::new(address, "");
        let (parts, app) = daemon.start(prepared, store, rows, guard).await?;
        let stop = CancellationToken::new();
        let reloader = Arc::clone(&app.reloader);
        Ok(Running {
            url: format!("http://{address}"),
            parts,
            reloader,
            server: tokio::spawn(http::serve(listener, app, stop.clone())),
            stop,
        })
    }
}

impl Running {
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("{}{path}", self.url)).send().await;
        let answer = answer.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.1).expect("JSON")
    }

    async fn reload(&self, header: (&'static str, &'static str)) -> (u16, String) {
        let request = client().post(format!("{}/-/reload", self.url));
        let answer = request.header(header.0, header.1).send().await;
        let answer = answer.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    /// Both groups have been evaluated.
    async fn evaluated(&self) -> Value {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = self.json("/api/v1/rules?type=alert").await;
            let states = [
                "/data/groups/0/rules/0/state",
                "/data/groups/1/rules/0/state",
            ];
            let known = |path: &&str| answer.pointer(path).is_some_and(|s| *s != "unknown");
            if states.iter().all(known) {
                return self.json("/api/v1/rules").await;
            }
            assert!(Instant::now() < until, "{answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) {
        drop(self.reloader);
        shut_down(self.parts, self.stop, self.server).await;
    }
}

fn client() -> reqwest::Client {
    transport::install_crypto();
    let client = reqwest::Client::builder().no_proxy();
    client.build().expect("a client")
}

/// The names of the groups in an answer.
fn groups(answer: &Value) -> Vec<&str> {
    let groups = answer["data"]["groups"].as_array().expect("groups");
    let names = groups.iter().map(|group| group["name"].as_str());
    names.map(|name| name.expect("a name")).collect()
}

#[tokio::test]
async fn rules_and_alerts_are_shown_as_prometheus_shows_them() {
    let scene = Scene::new().await;
    let running = scene.start().await.expect("started");
    let answer = running.evaluated().await;
    assert_eq!(groups(&answer), ["first", "second", "stentor"]);
    let first = &answer["data"]["groups"][0];
    assert_eq!(
        (&first["interval"], &first["limit"]),
        (&60.0.into(), &7.into())
    );
    assert!(
        first["file"]
            .as_str()
            .expect("a file")
            .ends_with("rules.yml")
    );
    let record = &first["rules"][1];
    assert_eq!(record["type"], "recording");
    assert_eq!(record["health"], "unknown");
    assert_eq!(record["lastEvaluation"], "0001-01-01T00:00:00Z");
    assert_eq!(record.get("alerts"), None);
    let down = &answer["data"]["groups"][1]["rules"][0];
    assert_eq!(down["state"], "pending");
    assert_eq!(down["health"], "ok");
    assert_eq!(down["duration"], 300.0);
    assert_eq!(
        down["labels"],
        serde_json::json!({"severity": "critical", "team": ""})
    );
    assert_eq!(down["annotations"]["s"], "{{ $value }}");
    let alert = &down["alerts"][1];
    assert_eq!(alert["value"], "0e+00");
    assert_eq!(alert["annotations"]["s"], "0");
    assert_eq!(
        alert["labels"],
        serde_json::json!({"alertname": "Down", "job": "b", "severity": "critical"})
    );
    assert_eq!(alert.get("keepFiringSince"), None);
    let alerts = running.json("/api/v1/alerts").await;
    assert_eq!(alerts["data"]["alerts"].as_array().map(Vec::len), Some(4));
    let (_, metrics) = running.get("/metrics").await;
    assert!(metrics.contains("\nalertmanager_alerts{state=\"pending\"} 2\n"));
    assert!(metrics.contains(r#"rules.yml;second"} 1"#), "{metrics}");
    running.end().await;
}

#[tokio::test]
async fn rules_are_filtered_and_paged() {
    let scene = Scene::new().await;
    let running = scene.start().await.expect("started");
    let cases: [(&str, &[&str]); 9] = [
        ("rule_name[]=Down", &["second"]),
        ("rule_name[]=Down&rule_name[]=Now", &["first", "second"]),
        ("rule_group[]=first", &["first"]),
        ("file[]=nowhere.yml", &[]),
        ("type=record", &["first"]),
        ("type=Alert&rule_group[]=second", &["second"]),
        ("match[]={severity=\"critical\"}", &["second"]),
        (
            "match[]={severity=\"critical\"}&match[]={severity=~\"w.*\"}",
            &["first", "second"],
        ),
        ("match[]={team=\"\",severity!=\"\"}", &["first", "second"]),
    ];
    for (query, expected) in cases {
        let answer = running.json(&format!("/api/v1/rules?{query}")).await;
        assert_eq!(groups(&answer), expected, "{query}");
    }
    let bare = running.json("/api/v1/rules?exclude_alerts=TRUE").await;
    assert_eq!(bare["data"]["groups"][0]["rules"][0]["alerts"], Value::Null);

    let page = running.json("/api/v1/rules?group_limit=1").await;
    assert_eq!(groups(&page), ["first"]);
    let token = page["data"]["groupNextToken"].as_str().expect("a token");
    let next = format!("/api/v1/rules?group_limit=5&group_next_token={token}");
    let page = running.json(&next).await;
    assert_eq!(groups(&page), ["second", "stentor"]);
    assert_eq!(page["data"].get("groupNextToken"), None);

    for (query, part) in [
        (
            "type=x",
            r#"invalid parameter "type": not supported value "x""#,
        ),
        ("exclude_alerts=maybe", "exclude_alerts"),
        ("group_limit=0", "group_limit needs to be greater than 0"),
        ("group_limit=x", "group_limit needs to be a valid number"),
        ("group_next_token=x", "group_limit needs to be present"),
        (
            "group_limit=1&group_next_token=x",
            "invalid group_next_token 'x'",
        ),
        ("match[]={", "unexpected"),
        ("match[]={a=\"\"}", "at least one non-empty matcher"),
    ] {
        let (status, text) = running.get(&format!("/api/v1/rules?{query}")).await;
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((status, &answer["errorType"]), (400, &"bad_data".into()));
        let error = answer["error"].as_str().expect("an error");
        assert!(error.contains(part), "{query}: {error}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_bad_reload_changes_nothing_and_says_all_that_is_wrong() {
    let scene = Scene::new().await;
    let running = scene.start().await.expect("started");
    let before = running.evaluated().await;
    let good = ("sec-fetch-site", "none");
    let broken = RULES.replace("up == 0", "up ==").replace("sum(up)", "sum(");
    scene.write("rules.yml", &broken);
    let (status, text) = running.reload(good).await;
    assert_eq!(status, 500);
    for place in ["rules.yml:5:", "rules.yml:10:"] {
        assert!(text.contains(place), "{text}");
    }
    let metric = |text: &str, value: u8| {
        text.contains(&format!(
            "\nprometheus_config_last_reload_successful {value}\n"
        ))
    };
    assert!(metric(&running.get("/metrics").await.1, 0));
    scene.write("rules.yml", "");
    let (status, text) = running.reload(good).await;
    assert_eq!(status, 500);
    assert!(
        text.contains("rules.yml: the rules of this file are all gone"),
        "{text}"
    );
    let shown = running.evaluated().await;
    assert_eq!(groups(&shown), groups(&before));

    scene.write("rules.yml", &RULES.replace("name: second", "name: renamed"));
    assert_eq!(
        running.reload(("origin", "http://evil.example")).await.0,
        403
    );
    let (status, text) = running.reload(good).await;
    assert_eq!(status, 200, "{text}");
    assert!(metric(&running.get("/metrics").await.1, 1));
    let shown = running.evaluated().await;
    assert_eq!(groups(&shown), ["first", "renamed", "stentor"]);
    running.end().await;
}

#[tokio::test]
async fn a_bad_configuration_at_the_start_runs_the_last_one_with_its_secrets() {
    let scene = Scene::new().await;
    scene.write("bad.yml", "");
    let running = scene.start().await.expect("started");
    running.evaluated().await;
    running.end().await;
    scene.write("stentor.yml", "datasources: [{name: main, urll: x}]\n");
    let running = scene.start().await.expect("started");
    running.evaluated().await;
    let alerts = running.json("/api/v1/alerts").await.to_string();
    assert!(alerts.contains("StentorConfigRejected"), "{alerts}");
    let asked = scene.source.requests();
    let last = asked.last().expect("a query");
    // me:password-canary
    let credentials = "authorization: Basic bWU6cGFzc3dvcmQtY2FuYXJ5\r\n";
    assert!(last.contains(credentials), "{last}");
    let reloaded = running.reload(("sec-fetch-site", "none")).await;
    assert_eq!(reloaded.0, 500);
    running.end().await;

    let other = Scene::new().await;
    other.write("stentor.yml", "datasources: [{name: main, urll: x}]\n");
    let Err(Failure::Config(errors)) = other.start().await else {
        panic!("started");
    };
    assert!(
        errors.contains("stentor.yml:1:") && errors.contains("urll"),
        "{errors}"
    );
}

#[tokio::test]
async fn secrets_are_shown_nowhere() {
    let scene = Scene::new().await;
    let running = scene.start().await.expect("started");
    running.evaluated().await;
    for path in [
        "/",
        "/api/v1/rules",
        "/api/v1/alerts",
        "/api/v1/status/config",
        "/api/v1/status/buildinfo",
        "/metrics",
        "/-/ready",
        "/-/healthy",
    ] {
        let (status, text) = running.get(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains("canary"), "{path}: {text}");
    }
    let config = running.json("/api/v1/status/config").await;
    let yaml = config["data"]["yaml"].as_str().expect("text");
    assert!(
        yaml.contains("<secret>") && yaml.contains("name: hook"),
        "{yaml}"
    );
    let bad = scene.config("hook-canary") + "nonsense: 1\n";
    scene.write("stentor.yml", &bad);
    let (status, text) = running.reload(("sec-fetch-site", "none")).await;
    assert_eq!(status, 500);
    assert!(
        text.contains("nonsense") && !text.contains("canary"),
        "{text}"
    );
    assert_eq!(running.get("/nowhere").await.0, 404);
    running.end().await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_store_is_refused() {
    let scene = Scene::new().await;
    let running = scene.start().await.expect("started");
    let second = Sqlite::open(&scene.options().storage, "now", Duration::ZERO);
    assert!(second.is_err());
    running.end().await;
}
