use expect_test::{Expect, expect};
use stentor_lang::model::Duration;

use super::*;
use crate::notify::GroupBy;
use crate::receiver::{Kind, SecretRef, Settings};

/// The example of the documentation.
const EXAMPLE: &str = r#"global:
  evaluation_interval: 15s
  external_labels: {region: eu-1}
datasources:
  - name: main
    url: http://127.0.0.1:9090/
    rule_files: [rules/*.yml]
route:
  receiver: slack-warnings
  group_by: [alertname, cluster]
  routes:
    - matchers: [severity="critical"]
      receiver: pagerduty-oncall
      group_wait: 0s
receivers:
  - name: pagerduty-oncall
    pagerduty_configs: [{routing_key_file: secrets/pagerduty}]
  - name: slack-warnings
    slack_configs: [{api_url_file: secrets/slack, send_resolved: true}]
"#;

/// Every way of writing a secret.
const SECRETS: &str = r#"global:
  slack_api_url: 'https://hooks.test/canary-1'
  smtp_auth_password: canary-2
datasources:
  - name: main
    url: http://127.0.0.1:9090
    basic_auth: {username: me, password: "canary-3"}
    proxy_url: http://me:canary-4@proxy.test
    http_headers: {X-Token: {secrets: [canary-5], values: [open]}}
    tls_config:
      key: |
        canary-6
        second line
      cert_file: cert.pem
route: {receiver: all}
receivers:
  - name: all
    slack_configs: [{}]
    pagerduty_configs: [{routing_key: canary-7}]
    webhook_configs:
      - url: https://hook.test/canary-8?a=b
        http_config: {authorization: {credentials: canary-9}}
"#;

fn sources(text: &str) -> Sources {
    Sources {
        main: SourceText::new("conf/stentor.yml", text),
        alertmanager: None,
    }
}

#[track_caller]
fn loaded(text: &str) -> Loaded {
    let sources = sources(text);
    load(&sources, &Options::default()).unwrap_or_else(|findings| panic!("{}", lines(&findings)))
}

fn lines(findings: &Findings) -> String {
    let lines: Vec<String> = findings
        .with_sources()
        .map(|(source, found)| found.one_line(source))
        .collect();
    lines.join("\n")
}

#[track_caller]
fn refused(text: &str, expect: &Expect) {
    let sources = sources(text);
    let findings = load(&sources, &Options::default()).expect_err("an error");
    expect.assert_eq(&lines(&findings));
}

/// Errors of routes and receivers: the rest is right.
#[track_caller]
fn refused_notify(text: &str, expect: &Expect) {
    let start = "datasources: [{name: main, url: http://x}]\n";
    refused(&format!("{start}{text}"), expect);
}

#[test]
fn the_example_with_all_defaults() {
    let loaded = loaded(EXAMPLE);
    assert_eq!(lines(&loaded.warnings), "");
    assert!(loaded.secrets.0.is_empty());
    expect![[r#"
        global:
          evaluation_interval: 15s
          rule_query_offset: 0s
          external_labels:
            region: eu-1
          resolve_timeout: 5m
        datasources:
        - name: main
          url: http://127.0.0.1:9090
          external_url: http://127.0.0.1:9090
          external_labels:
            region: eu-1
          rule_files:
          - conf/rules/*.yml
          dialect: prometheus
          timeout: 10s
          max_response_bytes: 67108864
          max_series: 200000
          max_concurrent_queries: 10
          follow_redirects: true
          enable_http2: true
        route:
          receiver: slack-warnings
          group_by:
          - alertname
          - cluster
          group_wait: 30s
          group_interval: 5m
          repeat_interval: 4h
          routes:
          - receiver: pagerduty-oncall
            group_by:
            - alertname
            - cluster
            matchers:
            - severity="critical"
            group_wait: 0s
            group_interval: 5m
            repeat_interval: 4h
        receivers:
        - name: pagerduty-oncall
          pagerduty_configs:
          - send_resolved: true
            timeout: 10s
            routing_key_file: conf/secrets/pagerduty
            url: https://events.pagerduty.com/v2/enqueue
            http_config:
              follow_redirects: true
              enable_http2: true
        - name: slack-warnings
          slack_configs:
          - send_resolved: true
            timeout: 10s
            api_url_file: conf/secrets/slack
            http_config:
              follow_redirects: true
              enable_http2: true
    "#]]
    .assert_eq(&loaded.config.to_yaml());
}

#[test]
fn integrations_have_alertmanagers_defaults() {
    let config = loaded(EXAMPLE).config;
    let routing = config.routing.expect("routes");
    let pagerduty = &routing.integrations("pagerduty-oncall")[0];
    assert_eq!(pagerduty.key.to_string(), "pagerduty-oncall/pagerduty[0]");
    assert!(pagerduty.send_resolved);
    assert_eq!(pagerduty.rate_limit, 120);
    let Settings::PagerDuty(settings) = &pagerduty.settings else {
        panic!("not PagerDuty");
    };
    let file = SecretRef::File("conf/secrets/pagerduty".to_owned());
    assert_eq!(settings.routing_key, file);
    assert_eq!(settings.url, "https://events.pagerduty.com/v2/enqueue");
    let slack = loaded_slack("{api_url: 'https://x'}");
    assert!(!slack.send_resolved);
    assert_eq!(slack.timeout, DEFAULT_ATTEMPT_TIMEOUT);
}

fn loaded_slack(settings: &str) -> Arc<crate::receiver::Integration> {
    let text = format!(
        "datasources: [{{name: main, url: http://x}}]\nroute: {{receiver: a}}\n\
         receivers: [{{name: a, slack_configs: [{settings}]}}]\n"
    );
    let routing = loaded(&text).config.routing.expect("routes");
    let integration = &routing.integrations("a")[0];
    assert_eq!(integration.key.kind, Kind::Slack);
    Arc::clone(integration)
}

#[test]
fn routes_inherit() {
    let text = r#"datasources: [{name: main, url: http://x}]
route:
  receiver: a
  group_by: [alertname]
  group_wait: 1s
  labels: {team: x, tier: "1"}
  routes:
    - match: {b: "2"}
      match_re: {a: x|y}
      continue: true
      group_by: ['...']
      routes: [{receiver: b, labels: {team: y}}]
    - {matchers: ['{c="1",d=~"x.*"}', e!=f], group_by: [], repeat_interval: 1d}
receivers: [{name: a}, {name: b}]
"#;
    let routing = loaded(text).config.routing.expect("routes");
    let root = routing.root();
    assert_eq!(&**root.key(), "{}");
    let first = &root.routes[0];
    assert_eq!(&**first.key(), r#"{}/{a=~"x|y",b="2"}"#);
    assert!(first.continues);
    assert_eq!(first.group_by, GroupBy::All);
    let below = &first.routes[0];
    assert_eq!(&*below.receiver, "b");
    assert_eq!(below.group_by, GroupBy::All);
    assert_eq!(below.group_wait, Duration::from_secs(1));
    assert_eq!(below.labels.to_string(), r#"{team="y", tier="1"}"#);
    let second = &root.routes[1];
    assert_eq!(&**second.key(), r#"{}/{c="1",d=~"x.*",e!="f"}"#);
    assert_eq!(second.group_by, GroupBy::Labels(Vec::new()));
    assert_eq!(second.repeat_interval, Duration::from_hours(24));
    assert_eq!(second.group_interval, Duration::from_mins(5));
    assert_eq!(&*second.receiver, "a");
}

#[test]
fn external_labels_of_a_datasource_stand_over_the_global_ones() {
    let text = r"global: {external_labels: {a: '1', b: '1'}}
datasources:
  - {name: one, url: http://x, rule_files: [r.yml], external_labels: {b: '2'}, external_url: https://y/z/}
  - {name: two, url: http://x, rule_files: [r.yml], dialect: opaque, timeout: 3s}
route: {receiver: a}
receivers: [{name: a}]
";
    let config = loaded(text).config;
    let labels: Vec<String> = config
        .datasources
        .iter()
        .map(|one| one.external_labels.to_string())
        .collect();
    assert_eq!(labels, [r#"{a="1", b="2"}"#, r#"{a="1", b="1"}"#]);
    assert_eq!(config.datasources[0].external_url, "https://y/z");
    assert_eq!(config.datasources[0].rule_files[0].value, "conf/r.yml");
    assert_eq!(config.datasources[1].dialect, Dialect::Opaque);
    let same = ["conf/a.yml".to_owned()];
    assert!(shared_files(&config.datasources, &[same.to_vec(), same.to_vec()]).is_empty());
    let mut twins = config.datasources;
    twins[1].external_labels = twins[0].external_labels.clone();
    assert_eq!(
        shared_files(&twins, &[same.to_vec(), same.to_vec()]).len(),
        1
    );
}

#[test]
fn secrets_are_kept_apart() {
    let loaded = loaded(SECRETS);
    let names: Vec<&str> = loaded.secrets.0.keys().map(String::as_str).collect();
    expect![[r#"
        datasources[main].basic_auth.password
        datasources[main].http_headers.X-Token[0]
        datasources[main].proxy_url
        datasources[main].tls_config.key
        global.slack_api_url
        receivers[all].pagerduty_configs[0].routing_key
        receivers[all].webhook_configs[0].http_config.authorization.credentials
        receivers[all].webhook_configs[0].url"#]]
    .assert_eq(&names.join("\n"));
    let shown = [
        loaded.config.to_yaml(),
        format!("{:?}", loaded.config),
        format!("{:?}", loaded.secrets),
        loaded.durable.main.text.to_string(),
    ];
    for text in &shown {
        assert!(!text.contains("canary"), "{text}");
    }
    expect![[r#"
        global:
          slack_api_url: <stored>
          smtp_auth_password: <stored>
        datasources:
          - name: main
            url: http://127.0.0.1:9090
            basic_auth: {username: me, password: <stored>}
            proxy_url: <stored>
            http_headers: {X-Token: {secrets: [<stored>], values: [open]}}
            tls_config:
              key: |
                <stored>
              cert_file: cert.pem
        route: {receiver: all}
        receivers:
          - name: all
            slack_configs: [{}]
            pagerduty_configs: [{routing_key: <stored>}]
            webhook_configs:
              - url: <stored>
                http_config: {authorization: {credentials: <stored>}}
    "#]]
    .assert_eq(&loaded.durable.main.text);
}

#[test]
fn a_stored_configuration_loads_as_the_same() {
    for text in [EXAMPLE, SECRETS] {
        let first = loaded(text);
        let options = Options {
            dry_run: false,
            stored: Some(first.secrets.0.clone()),
        };
        let again = load(&first.durable, &options).expect("the same");
        let without_places = |config: &Config| config.to_yaml();
        assert_eq!(without_places(&again.config), without_places(&first.config));
        assert_eq!(again.config.routing, first.config.routing);
        assert_eq!(again.secrets, first.secrets);
        assert_eq!(again.durable, first.durable);
    }
    let first = loaded(SECRETS);
    let lost = Options {
        dry_run: false,
        stored: Some(BTreeMap::new()),
    };
    let findings = load(&first.durable, &lost).expect_err("no secrets");
    let shown = lines(&findings);
    assert!(shown.contains("the stored secret `global.slack_api_url` is not there"));
}

#[test]
fn what_is_shown_beside_errors_holds_no_secret() {
    let text = SECRETS
        .replace("routing_key:", "routng_key:")
        .replace("http://127.0.0.1:9090", "http://me:canary-0@x");
    let findings = load(&sources(&text), &Options::default()).expect_err("an error");
    let masked = findings.masked.as_ref().expect("a text");
    assert!(!masked.main.text.contains("canary"), "{}", masked.main.text);
    assert_eq!(masked.main.text.len(), text.len());
    let shown = lines(&findings);
    assert!(
        shown.contains("conf/stentor.yml:19:26: unknown field `routng_key`"),
        "{shown}"
    );
}

#[test]
fn alertmanagers_file_is_read_beside() {
    let main = "datasources: [{name: main, url: http://x}]\n\
                alertmanager_config: am/alertmanager.yml\nfallback_receiver: b\n";
    let other = "global: {resolve_timeout: 2m}\nroute: {receiver: a}\n\
                 receivers: [{name: a, webhook_configs: [{url: 'http://hook/canary'}]}, {name: b}]\n";
    let mut sources = sources(main);
    let path = alertmanager_path(&sources.main).expect("a path");
    assert_eq!(path, "conf/am/alertmanager.yml");
    let findings = load(&sources, &Options::default()).expect_err("not read");
    assert!(lines(&findings).contains("was not read"));
    sources.alertmanager = Some(SourceText::new(path, other));
    let loaded = load(&sources, &Options::default()).expect("both are right");
    let routing = loaded.config.routing.expect("routes");
    assert_eq!(&*routing.fallback().expect("a fallback").name, "b");
    assert_eq!(loaded.config.resolve_timeout, Duration::from_mins(2));
    let names: Vec<&str> = loaded.secrets.0.keys().map(String::as_str).collect();
    assert_eq!(names, ["alertmanager.receivers[a].webhook_configs[0].url"]);
    let stored = loaded.durable.alertmanager.expect("both are stored");
    assert!(!stored.text.contains("canary"));

    let both = format!("{main}route: {{receiver: a}}\n");
    sources.main = SourceText::new("stentor.yml", both);
    let findings = load(&sources, &Options::default()).expect_err("two routes");
    expect!["stentor.yml:4:1: field `route` in the configuration is not supported: it belongs in the file that `alertmanager_config` names"].assert_eq(&lines(&findings));
}

#[test]
fn only_a_dry_run_needs_nobody() {
    let text = "datasources: [{name: main, url: http://x}]\n";
    refused(
        text,
        &expect!["conf/stentor.yml:1:1: there is no `route`: nobody would be told of any alert"],
    );
    let options = Options {
        dry_run: true,
        stored: None,
    };
    let loaded = load(&sources(text), &options).expect("a dry run");
    assert_eq!(loaded.config.routing, None);
}

#[test]
fn all_mistakes_are_found_at_once() {
    refused(
        r"global: {evaluation_interval: 0s, rule_query_offset: soon, extern_labels: {a: b}}
datasources:
  - {name: a, url: 'ftp://x', dialect: logsql, timeout: 0s, max_series: 0}
  - {url: 'http://me:secret@x', rulefiles: [x]}
  - {name: c, url: http://x, rule_files: [x.yml]}
  - {name: c, url: http://x, rule_files: [x.yml], oauth2: {client_id: x}}
remote_write: [{url: http://x}]
fallback_receiver: nobody
",
        &expect![[r#"
            conf/stentor.yml:1:1: there is no `route`: nobody would be told of any alert
            conf/stentor.yml:1:31: evaluation_interval cannot be zero
            conf/stentor.yml:1:54: field `rule_query_offset`: not a valid duration string: "soon"
            conf/stentor.yml:1:60: unknown field `extern_labels` in `global`
            conf/stentor.yml:3:20: field `url`: not a URL that begins with http:// or https://
            conf/stentor.yml:3:40: dialect `logsql` is not one of `prometheus` and `opaque`
            conf/stentor.yml:3:57: field `timeout` cannot be zero
            conf/stentor.yml:3:73: field `max_series` cannot be zero
            conf/stentor.yml:4:6: the datasource has no field `name`
            conf/stentor.yml:4:11: field `url`: a URL with a user or password in it
            conf/stentor.yml:4:33: unknown field `rulefiles` in the datasource
            conf/stentor.yml:6:12: the datasource name `c` is not unique
            conf/stentor.yml:6:43: the datasources `c` and `c` load the same rules and have the same external labels
            conf/stentor.yml:6:51: field `oauth2` in the datasource is not supported: use `authorization` or `basic_auth`
            conf/stentor.yml:7:1: field `remote_write` in the configuration is not supported: recording rules are not evaluated yet
            conf/stentor.yml:8:20: there is no receiver `nobody`"#]],
    );
}

#[test]
fn mistakes_in_routes() {
    refused_notify(
        r#"route:
  receiver: al
  matchers: [a=b]
  continue: true
  group_by: [a, a, '...']
  mute_time_intervals: [x]
  routes:
    - {group_interval: 0s, repeat_interval: 0s, group_wait: 1.5s}
    - {matchers: ['foo', 'a=~"("', {severity: critical}], labels: {a: '{{ x }}'}}
    - {match: {"a-b": x}, match_re: {c: '[', d: }, routers: []}
    - {active_time_intervals: [x], group_by: [x, x]}
receivers: [{name: all}, {name: all}, {}]
inhibit_rules: [{}]
time_intervals: [{name: x}]
templates: []
"#,
        &expect![[r#"
            conf/stentor.yml:3:3: the root route has no siblings to continue with
            conf/stentor.yml:3:13: there is no receiver `al`
            conf/stentor.yml:4:13: the root route takes all alerts: it has no matchers
            conf/stentor.yml:6:20: `...` groups by all labels and cannot stand beside others
            conf/stentor.yml:7:3: field `mute_time_intervals` in the route is not supported: time intervals are not built yet
            conf/stentor.yml:9:24: group_interval cannot be zero
            conf/stentor.yml:9:45: repeat_interval cannot be zero
            conf/stentor.yml:9:61: field `group_wait`: unknown unit "." in duration "1.5s"
            conf/stentor.yml:10:23: expected one of `=`, `!=`, `=~` and `!~`
            conf/stentor.yml:10:26: matcher for `a`: error parsing regexp: missing closing ): `(`
            conf/stentor.yml:10:37: a matcher is a text, not a mapping
            conf/stentor.yml:10:71: templates in route labels are not supported yet
            conf/stentor.yml:11:16: invalid label name `a-b`
            conf/stentor.yml:11:41: matcher for `c`: error parsing regexp: missing closing ]: `[`
            conf/stentor.yml:11:46: no expression for the label `d`
            conf/stentor.yml:11:52: unknown field `routers` in the route
            conf/stentor.yml:12:8: field `active_time_intervals` in the route is not supported: time intervals are not built yet
            conf/stentor.yml:12:50: label `x` stands twice in group_by
            conf/stentor.yml:13:33: receiver name `all` is not unique
            conf/stentor.yml:13:39: the receiver has no field `name`
            conf/stentor.yml:14:1: field `inhibit_rules` in the configuration is not supported: inhibition is not built yet
            conf/stentor.yml:15:1: field `time_intervals` in the configuration is not supported: time intervals are not built yet"#]],
    );
}

#[test]
fn mistakes_in_receivers() {
    refused_notify(
        r"route: {receiver: a}
receivers:
  - name: a
    email_configs: [{to: x}]
    opsgenie_configs: []
    pagerduty_configs:
      - {}
      - {service_key: x}
      - {routing_key: x, routing_key_file: y, severity: page, description: '{{ .x }}', details: {a: ['{{ x }}']}}
      - {routing_key: <secret>, url: x}
    slack_configs:
      - {}
      - {api_url: x, app_token: y, actions: [{}], update_message: true, fields: [{title: x}]}
      - {api_url: 'https://slack.com/api/chat.postMessage'}
    webhook_configs:
      - {}
      - {url: 'http://x/{{ .y }}', payload: {}, timeout: x}
      - url: http://x
        http_config:
          basic_auth: {username: a, username_file: b}
          authorization: {type: basic, credentials: c}
          tls_config: {cert_file: x, min_version: TLS10, max_version: TLS11, ca_ref: x}
          http_headers: {Host: {values: [x]}, 'a b': {}, X: {values: ['a\r\n']}}
          proxy_url: socks5://x
",
        &expect![[r#"
            conf/stentor.yml:5:5: email_configs is not supported; Stentor has pagerduty_configs, slack_configs, webhook_configs
            conf/stentor.yml:8:9: one of `routing_key` and `routing_key_file` must be set
            conf/stentor.yml:9:10: field `service_key` in the PagerDuty receiver is not supported: use `routing_key`, of PagerDuty's Events API version 2
            conf/stentor.yml:10:23: at most one of `routing_key` and `routing_key_file` may be set
            conf/stentor.yml:10:57: PagerDuty knows no severity `page`: the alerts' label counts, or else `error`
            conf/stentor.yml:10:76: templates in receiver fields are not supported yet
            conf/stentor.yml:10:102: templates in receiver fields are not supported yet
            conf/stentor.yml:11:10: one of `routing_key` and `routing_key_file` must be set
            conf/stentor.yml:11:23: `<secret>` stands for a secret that was left out
            conf/stentor.yml:11:38: field `url`: not a URL that begins with http:// or https://
            conf/stentor.yml:13:9: one of `api_url` and `api_url_file` must be set
            conf/stentor.yml:14:19: field `api_url`: not a URL that begins with http:// or https://
            conf/stentor.yml:14:22: field `app_token` in the Slack receiver is not supported: Stentor posts to Slack's incoming webhooks: set `api_url`
            conf/stentor.yml:14:36: field `actions` in the Slack receiver is not supported: buttons are not built yet
            conf/stentor.yml:14:51: field `update_message` in the Slack receiver is not supported: Stentor posts to Slack's incoming webhooks: set `api_url`
            conf/stentor.yml:14:83: the field has no field `value`
            conf/stentor.yml:15:19: Slack's method chat.postMessage is not supported yet: use an incoming webhook
            conf/stentor.yml:17:9: one of `url` and `url_file` must be set
            conf/stentor.yml:18:15: templates in receiver fields are not supported yet
            conf/stentor.yml:18:36: field `payload` in the webhook receiver is not supported: the body is Alertmanager's, version 4
            conf/stentor.yml:18:58: field `timeout`: not a valid duration string: "x"
            conf/stentor.yml:21:11: at most one of `basic_auth`, `authorization` and `bearer_token` may be set
            conf/stentor.yml:21:52: at most one of `username` and `username_file` may be set
            conf/stentor.yml:22:33: authorization type cannot be "basic": use `basic_auth`
            conf/stentor.yml:23:24: a client certificate needs both `cert` and `key`, or their files
            conf/stentor.yml:23:71: field `max_version`: `TLS11` is not one of TLS12 and TLS13
            conf/stentor.yml:23:78: field `ca_ref` in `tls_config` is not supported: there is no secret manager: name a file
            conf/stentor.yml:24:26: the header `Host` cannot be set here
            conf/stentor.yml:24:47: not the name of a header
            conf/stentor.yml:25:22: field `proxy_url`: only proxies at http:// and https:// are supported"#]],
    );
}

#[test]
fn warnings_do_not_refuse() {
    let text = r#"global: {smtp_from: me}
datasources: [{name: main, url: http://x}]
route:
  receiver: a
  routes: [{matchers: ['a=~"\d"']}]
receivers: [{name: a, pagerduty_configs: [{routing_key: x, severity: page, details: {a: '5', b: x, c: yes}}]}]
"#;
    let sources = sources(text);
    let loaded = load(&sources, &Options::default()).expect("only warnings");
    expect![[r#"
        conf/stentor.yml:1:10: `smtp_from` has no effect: Stentor has no receiver that uses it
        conf/stentor.yml:5:24: read in Alertmanager's older syntax only (the quotes hold a line break, an unknown escape or bad UTF-8): write it as `a=~"\\d"`
        conf/stentor.yml:6:70: PagerDuty knows no severity `page`: the alerts' label counts, or else `error`"#]].assert_eq(&lines(&loaded.warnings));
    let routing = loaded.config.routing.expect("routes");
    let Settings::PagerDuty(settings) = &routing.integrations("a")[0].settings else {
        panic!("not PagerDuty");
    };
    let details = serde_json::to_string(&settings.details).expect("JSON");
    assert_eq!(details, r#"{"a":5,"b":"x","c":true}"#);
}

#[test]
fn texts_that_are_no_configuration() {
    refused(
        "",
        &expect!["conf/stentor.yml:1:1: the configuration is empty"],
    );
    refused(
        "# nothing\n",
        &expect!["conf/stentor.yml:1:1: the configuration is empty"],
    );
    refused(
        "[]",
        &expect!["conf/stentor.yml:1:1: the configuration must be a mapping, not a list"],
    );
    refused(
        "a: b\n---\nc: d\n",
        &expect![[r#"
        conf/stentor.yml:1:1: there are no `datasources`: no rule could be evaluated
        conf/stentor.yml:1:1: there is no `route`: nobody would be told of any alert
        conf/stentor.yml:1:1: unknown field `a` in the configuration
        conf/stentor.yml:3:1: a second document begins here: a configuration is one document"#]],
    );
    refused(
        "route: {receiver: [}",
        &expect!["conf/stentor.yml:1:19: mismatched bracket '[' closed by '}'"],
    );
}

/// Alertmanager's own test files: what loads there loads here, or is refused only by name; what
/// is bad there is bad here.
#[test]
fn alertmanagers_files() {
    let good_here = [
        "conf.group-by-all.yml",
        "conf.http-config.good.yml",
        "conf.slack-default-api-url-file.yml",
    ];
    let bad = [
        "both",
        "-no-",
        "nil-",
        "invalid",
        "old-team",
        "update-message",
    ];
    for (name, text) in crate::shared_data::files("alertmanager", ".yml") {
        let source = SourceText::new(name.as_str(), text);
        let result = load_alertmanager(&source);
        if good_here.contains(&name.as_str()) {
            assert!(result.is_ok(), "{name}: {result:?}");
            continue;
        }
        let errors = result.expect_err(&name);
        let is_bad = bad.iter().any(|part| name.contains(part));
        // This one is good: the server needs no password.
        if is_bad && name != "conf.smtp-no-username-or-password.yml" {
            continue;
        }
        for error in errors
            .main
            .iter()
            .filter(|found| found.level == Level::Error)
        {
            let by_name = error.message.contains("not supported");
            assert!(by_name, "{}", error.one_line(&source));
        }
    }
}

#[test]
fn what_is_no_yaml_shows_no_values() {
    for text in [
        "receivers:\n- name: r\n  slack_configs: [{api_url: https://canary}\n",
        "receivers:\n- name: r\n  pagerduty_configs:\n  - routing_key: x\n    routing_key: cänary\n  - canary: [\n",
    ] {
        let sources = Sources {
            main: SourceText::new("stentor.yml", text),
            alertmanager: None,
        };
        let findings = load(&sources, &Options::default()).expect_err("is no YAML");
        let masked = findings.masked.expect("a text").main.text;
        let values: Vec<&str> = masked
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(_, v)| v)
            .collect();
        assert!(
            values
                .iter()
                .all(|value| value.bytes().all(|b| b == b'*' || b == b' ')),
            "{masked}"
        );
        assert_eq!(masked.len(), text.len());
    }
}
