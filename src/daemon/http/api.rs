//! `/api/v1/rules` and `/api/v1/alerts` as Prometheus answers them (`web/api/v1/api.go`): the same
//! fields, filters, pages and errors.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use sha2::{Digest as _, Sha256};
use stentor_core::engine::{AlertView, GroupView, Health, RuleKind, RuleView, Snapshot};
use stentor_lang::model::{Labels, Timestamp, number};
use stentor_lang::promql;
use stentor_lang::regex::LabelMatcher;

use super::{App, stopping};

/// The parameters of a URL, in their order.
type Params = Query<Vec<(String, String)>>;

/// `GET /api/v1/rules`.
pub(super) async fn rules(State(app): State<Arc<App>>, Query(params): Params) -> Response {
    match app.look().await {
        Some(snapshot) => rules_of(snapshot, &params).await,
        None => stopping(),
    }
}

/// The rules of a snapshot, as far as the parameters ask for them.
pub(crate) async fn rules_of(snapshot: Snapshot, params: &[(String, String)]) -> Response {
    let filter = match Filter::read(params) {
        Ok(filter) => filter,
        Err(error) => return bad_data(&error),
    };
    answer(snapshot, move |snapshot| filter.apply(&snapshot)).await
}

/// `GET /api/v1/alerts`.
pub(super) async fn alerts(State(app): State<Arc<App>>) -> Response {
    match app.look().await {
        Some(snapshot) => alerts_of(snapshot).await,
        None => stopping(),
    }
}

/// The alerts of a snapshot.
pub(crate) async fn alerts_of(snapshot: Snapshot) -> Response {
    answer(snapshot, |snapshot| {
        let rules = snapshot.groups.iter().flat_map(|group| &group.rules);
        let alerts = rules.flat_map(RuleView::alerts).map(Alert::new).collect();
        Ok(Alerts { alerts })
    })
    .await
}

/// The groups by file and name, as Prometheus lists them, and the group of meta-alerts last.
fn sorted(mut snapshot: Snapshot) -> Snapshot {
    let own = |group: &GroupView| group.name.datasource.is_empty();
    snapshot.groups.sort_by(|a, b| {
        let key = |group: &GroupView| (own(group), Arc::clone(&group.name));
        let (a, b) = (key(a), key(b));
        (a.0, &a.1.file, &a.1.group).cmp(&(b.0, &b.1.file, &b.1.group))
    });
    snapshot
}

/// Makes the answer on a thread that may take its time: there may be 100,000 alerts.
async fn answer<T: serde::Serialize>(
    snapshot: Snapshot,
    make: impl FnOnce(Snapshot) -> Result<T, String> + Send + 'static,
) -> Response {
    let body = tokio::task::spawn_blocking(move || {
        make(sorted(snapshot)).map(|data| {
            serde_json::to_vec(&Success {
                status: "success",
                data,
            })
            .expect("invariant: no map here has keys other than text")
        })
    })
    .await;
    match body {
        Ok(Ok(body)) => json(StatusCode::OK, body),
        Ok(Err(error)) => bad_data(&error),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn bad_data(error: &str) -> Response {
    let body = serde_json::json!({"status": "error", "errorType": "bad_data", "error": error});
    json(StatusCode::BAD_REQUEST, body.to_string().into_bytes())
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What `/api/v1/rules` was asked for.
#[derive(Debug, Default)]
struct Filter {
    names: BTreeSet<String>,
    groups: BTreeSet<String>,
    files: BTreeSet<String>,
    /// One of these sets must match all the way.
    matchers: Vec<Vec<LabelMatcher>>,
    kind: Option<RuleKind>,
    exclude_alerts: bool,
    page: Option<Page>,
}

#[derive(Debug)]
struct Page {
    limit: usize,
    /// The first group of this page; the first of all where there is none.
    token: String,
}

impl Filter {
    fn read(params: &[(String, String)]) -> Result<Self, String> {
        let all = |name: &str| {
            let named = params.iter().filter(move |(key, _)| key == name);
            named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        let set = |name| all(name).into_iter().map(ToOwned::to_owned).collect();
        let first = |name| all(name).first().copied().unwrap_or_default();
        let kind = match first("type").to_lowercase().as_str() {
            "" => None,
            "alert" => Some(RuleKind::Alerting),
            "record" => Some(RuleKind::Recording),
            other => return Err(invalid("type", &format!("not supported value {other:?}"))),
        };
        let exclude_alerts = match first("exclude_alerts").to_lowercase().as_str() {
            "" | "0" | "f" | "false" => false,
            "1" | "t" | "true" => true,
            other => {
                let why = format!(
                    "error converting exclude_alerts: strconv.ParseBool: parsing {other:?}: \
                     invalid syntax"
                );
                return Err(invalid("exclude_alerts", &why));
            }
        };
        Ok(Self {
            names: set("rule_name[]"),
            groups: set("rule_group[]"),
            files: set("file[]"),
            matchers: matcher_sets(&all("match[]"))?,
            kind,
            exclude_alerts,
            page: Page::read(first("group_limit"), first("group_next_token"))?,
        })
    }

    fn apply(&self, snapshot: &Snapshot) -> Result<Rules, String> {
        let mut answer = Rules {
            groups: Vec::new(),
            group_next_token: String::new(),
        };
        let token = self.page.as_ref().map_or("", |page| &page.token);
        let mut begun = token.is_empty();
        for group in &snapshot.groups {
            begun = begun || token_of(group) == token;
            if !begun || !wanted(&self.groups, &group.name.group) {
                continue;
            }
            if !wanted(&self.files, &group.name.file) {
                continue;
            }
            let rules = group.rules.iter().filter(|rule| self.takes(rule));
            let rules: Vec<Rule> = rules.map(|rule| self.rule(rule)).collect();
            // A group of which everything was filtered away is left out.
            if rules.is_empty() {
                continue;
            }
            let full = |page: &Page| answer.groups.len() == page.limit;
            if self.page.as_ref().is_some_and(full) {
                answer.group_next_token = token_of(group);
                break;
            }
            answer.groups.push(Group::new(group, rules));
        }
        if begun {
            Ok(answer)
        } else {
            let why = format!("invalid group_next_token '{token}'. were rule groups changed?");
            Err(invalid("group_next_token", &why))
        }
    }

    fn takes(&self, rule: &RuleView) -> bool {
        let value = |name: &str| {
            let label = rule.labels.iter().find(|(label, _)| label == name);
            label.map_or("", |(_, value)| value.as_str())
        };
        let all_match = |set: &Vec<LabelMatcher>| {
            let mut set = set.iter();
            set.all(|matcher| matcher.matches_value(value(&matcher.matcher().name)))
        };
        wanted(&self.names, &rule.name)
            && self.kind.is_none_or(|kind| kind == rule.kind)
            && (self.matchers.is_empty() || self.matchers.iter().any(all_match))
    }

    fn rule(&self, rule: &RuleView) -> Rule {
        let (health, last_error) = match &rule.health {
            Health::Unknown => ("unknown", None),
            Health::Ok => ("ok", None),
            Health::Err(why) => ("err", Some(Arc::clone(why))),
        };
        let alerting = (rule.kind == RuleKind::Alerting).then(|| Alerting {
            state: rule.state(),
            duration: rule.hold.seconds(),
            keep_firing_for: rule.keep_firing_for.seconds(),
            annotations: Texts(rule.annotations.clone().into()),
            alerts: (!self.exclude_alerts)
                .then(|| rule.alerts().into_iter().map(Alert::new).collect()),
        });
        Rule {
            name: Arc::clone(&rule.name),
            query: Arc::clone(&rule.query),
            labels: Texts(rule.labels.clone().into()),
            health,
            last_error,
            evaluation_time: rule.evaluation_time.seconds(),
            last_evaluation: time(rule.last_evaluation),
            alerting,
        }
    }
}

impl Page {
    fn read(limit: &str, token: &str) -> Result<Option<Self>, String> {
        if limit.is_empty() {
            return if token.is_empty() {
                Ok(None)
            } else {
                let why = "group_limit needs to be present in order to paginate over the groups";
                Err(invalid("group_next_token", why))
            };
        }
        let number: i32 = limit.parse().map_err(|_| {
            let why = format!(
                "group_limit needs to be a valid number: strconv.ParseInt: parsing {limit:?}: \
                 invalid syntax"
            );
            invalid("group_limit", &why)
        })?;
        match usize::try_from(number) {
            Ok(limit) if limit > 0 => Ok(Some(Self {
                limit,
                token: token.to_owned(),
            })),
            _ => Err(invalid(
                "group_limit",
                "group_limit needs to be greater than 0",
            )),
        }
    }
}

fn invalid(parameter: &str, why: &str) -> String {
    format!("invalid parameter {parameter:?}: {why}")
}

fn wanted(set: &BTreeSet<String>, name: &str) -> bool {
    set.is_empty() || set.contains(name)
}

fn matcher_sets(selectors: &[&str]) -> Result<Vec<Vec<LabelMatcher>>, String> {
    selectors
        .iter()
        .map(|selector| {
            let matchers = promql::parse_selector(selector).map_err(|diagnostics| {
                let messages = diagnostics.into_iter().map(|diagnostic| diagnostic.message);
                messages.collect::<Vec<_>>().join("; ")
            })?;
            let compiled: Result<Vec<_>, _> = matchers.iter().map(LabelMatcher::new).collect();
            let compiled = compiled.map_err(|error| error.to_string())?;
            if compiled.iter().all(|matcher| matcher.matches_value("")) {
                return Err("match[] must contain at least one non-empty matcher".to_owned());
            }
            Ok(compiled)
        })
        .collect()
}

fn token_of(group: &GroupView) -> String {
    let text = format!("{};{}", group.name.file, group.name.group);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A time, or Go's zero time where there is none.
fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Timestamp::rfc3339)
}

#[derive(serde::Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
}

#[derive(serde::Serialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    groups: Vec<Group>,
    #[serde(skip_serializing_if = "String::is_empty")]
    group_next_token: String,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: Arc<str>,
    file: Arc<str>,
    rules: Vec<Rule>,
    interval: f64,
    limit: usize,
    evaluation_time: f64,
    last_evaluation: String,
}

impl Group {
    fn new(group: &GroupView, rules: Vec<Rule>) -> Self {
        Self {
            name: Arc::clone(&group.name.group),
            file: Arc::clone(&group.name.file),
            rules,
            interval: group.interval.seconds(),
            limit: group.limit,
            evaluation_time: group.evaluation_time.seconds(),
            last_evaluation: time(group.last_evaluation),
        }
    }
}

/// A rule; one that alerts has more fields.
struct Rule {
    name: Arc<str>,
    query: Arc<str>,
    labels: Texts,
    health: &'static str,
    last_error: Option<Arc<str>>,
    evaluation_time: f64,
    last_evaluation: String,
    alerting: Option<Alerting>,
}

struct Alerting {
    state: &'static str,
    duration: f64,
    keep_firing_for: f64,
    annotations: Texts,
    /// `None` where they were not asked for: null, as in Prometheus.
    alerts: Option<Vec<Alert>>,
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(alerting) = &self.alerting {
            map.serialize_entry("state", alerting.state)?;
        }
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("query", &self.query)?;
        if let Some(alerting) = &self.alerting {
            map.serialize_entry("duration", &alerting.duration)?;
            map.serialize_entry("keepFiringFor", &alerting.keep_firing_for)?;
        }
        map.serialize_entry("labels", &self.labels)?;
        if let Some(alerting) = &self.alerting {
            map.serialize_entry("annotations", &alerting.annotations)?;
            map.serialize_entry("alerts", &alerting.alerts)?;
        }
        map.serialize_entry("health", self.health)?;
        if let Some(error) = &self.last_error {
            map.serialize_entry("lastError", error)?;
        }
        map.serialize_entry("evaluationTime", &self.evaluation_time)?;
        map.serialize_entry("lastEvaluation", &self.last_evaluation)?;
        let kind = match self.alerting {
            Some(_) => "alerting",
            None => "recording",
        };
        map.serialize_entry("type", kind)?;
        map.end()
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: Labels,
    annotations: Texts,
    state: &'static str,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<String>,
    value: String,
}

impl Alert {
    fn new(alert: AlertView) -> Self {
        Self {
            labels: alert.labels,
            annotations: Texts(alert.annotations),
            state: alert.state,
            active_at: alert.active_at.rfc3339(),
            keep_firing_since: alert.keep_firing_since.map(Timestamp::rfc3339),
            value: number::format_e(alert.value),
        }
    }
}

/// Names with texts, as an object.
struct Texts(Arc<[(String, String)]>);

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, text)| (name, text)))
    }
}
