//! Figures of short stories.

use std::sync::Arc;

use chrono_tz::Tz;
use stentor_lang::model::{Duration, Labels, SourceText, Timestamp};

use super::*;
use crate::receiver::{Kind, NotifyReason, Status};
use crate::rulefile::{self, LoadOptions, Rule, RuleGroup};
use crate::timeline::{Notification, State, TimelineRule, ToldAlert, Transition};

fn minute(minutes: i64) -> Timestamp {
    Timestamp::EPOCH + Duration::from_mins(minutes)
}

fn alert(name: &str) -> Labels {
    Labels::from_pairs([("alertname", name), ("zone", "a")])
}

/// `12 A pending` a line: minute, alert and state.
fn transitions(text: &str) -> Vec<Transition> {
    let mut states = std::collections::BTreeMap::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let to = match words[2] {
                "pending" => State::Pending,
                "firing" => State::Firing,
                _ => State::Inactive,
            };
            let from = states.insert(words[1].to_owned(), to);
            Transition {
                at: minute(words[0].parse().expect("a number")),
                rule: 0,
                labels: alert(words[1]),
                from: from.unwrap_or(State::Inactive),
                to,
                value: 1.0,
                why: "".into(),
            }
        })
        .collect()
}

/// `12 oncall first A` a line: minute, receiver, reason and the alert, which fired at that minute.
fn notifications(text: &str) -> Vec<Notification> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = minute(words[0].parse().expect("a number"));
            let (reason, status) = match words[2] {
                "first" => (NotifyReason::FirstNotification, Status::Firing),
                "more" => (NotifyReason::NewAlerts, Status::Firing),
                _ => (NotifyReason::AllResolved, Status::Resolved),
            };
            let kind = if words[1] == "oncall" {
                Kind::PagerDuty
            } else {
                Kind::Slack
            };
            Notification {
                at,
                integration: IntegrationKey {
                    receiver: words[1].into(),
                    kind,
                    index: 0,
                },
                group_key: words[3].into(),
                group_labels: alert(words[3]),
                reason,
                status,
                alerts: vec![ToldAlert {
                    status,
                    labels: alert(words[3]),
                    starts_at: at,
                    ends_at: None,
                }],
                body: None,
            }
        })
        .collect()
}

const RULES: &str = "groups: [{name: g, rules: [{alert: A, expr: up}]}]";

fn groups(rules: &str) -> Vec<Arc<RuleGroup>> {
    let source = SourceText::new("rules.yml", rules);
    let file = rulefile::load(&source, &LoadOptions::default()).expect("good rules");
    file.groups.into_iter().map(Arc::new).collect()
}

/// The story of one version of rules.
fn story(rules: &str, changes: &str, told: &str) -> Timeline {
    let rules = groups(rules);
    let alerting = rules.iter().flat_map(|group| &group.rules);
    let alerting = alerting.filter_map(|rule| match rule {
        Rule::Alerting(rule) => Some(TimelineRule {
            datasource: "main".into(),
            group: "g".into(),
            interval: Duration::from_mins(1),
            rule: Arc::clone(rule),
        }),
        Rule::Recording(_) => None,
    });
    Timeline {
        start: minute(0),
        end: minute(100),
        rules: alerting.collect(),
        transitions: transitions(changes),
        notifications: notifications(told),
        ..Timeline::default()
    }
}

fn report(changes: &str, told: &str, incidents: &str, options: Options) -> Report {
    let timeline = story(RULES, changes, told);
    let incidents = load_incidents(&SourceText::new("incidents.yml", incidents), minute(0));
    let incidents = incidents.expect("good incidents");
    Report::new(
        Data::default(),
        timeline,
        None,
        incidents,
        Vec::new(),
        options,
    )
}

#[test]
fn a_rule_fires_while_any_of_its_alerts_does() {
    #[track_caller]
    fn check(changes: &str, expected: (usize, i64, usize, usize)) {
        let report = report(changes, "", "", Options::default());
        let RuleFigures {
            fired,
            firing_for,
            never_fired,
            active_at_end,
        } = report.rules[0];
        let minutes = firing_for.millis() / 60_000;
        assert_eq!((fired, minutes, never_fired, active_at_end), expected);
    }
    check("", (0, 0, 0, 0));
    check("1 a pending\n3 a firing\n8 a inactive", (1, 5, 0, 0));
    // Two at a time count once; the gap between them does not.
    check(
        "1 a firing\n2 b firing\n3 b inactive\n5 a inactive\n10 b firing\n12 b inactive",
        (3, 6, 0, 0),
    );
    check(
        "1 a pending\n2 a inactive\n3 b pending\n4 b inactive",
        (0, 0, 2, 0),
    );
    // What is still active at the end has fired until then; what is pending may still fire.
    check("90 a firing\n95 b pending", (1, 10, 0, 2));
}

#[test]
fn receivers_are_paged_by_what_opens_an_incident() {
    #[track_caller]
    fn check(told: &str, pagers: &[&str], expected: &[(&str, usize, usize, usize)]) {
        let options = Options {
            pagers: pagers.iter().map(|name| (*name).into()).collect(),
            ..Options::default()
        };
        let report = report("", told, "", options);
        let figures = report.receivers.iter();
        let got: Vec<_> = figures
            .map(|found| {
                (
                    &*found.integration.receiver,
                    found.pages,
                    found.messages,
                    found.flaps,
                )
            })
            .collect();
        assert_eq!(got, expected);
    }
    check("", &[], &[]);
    let story =
        "1 oncall first A\n2 oncall more A\n3 oncall all A\n40 oncall first A\n1 chat first A";
    check(story, &[], &[("chat", 0, 1, 0), ("oncall", 2, 4, 1)]);
    check(story, &["chat"], &[("chat", 1, 1, 0), ("oncall", 2, 4, 1)]);
    // A resolve long ago is no flap; nor is that of another group.
    check(
        "1 oncall first A\n2 oncall all A\n63 oncall first A",
        &[],
        &[("oncall", 2, 3, 0)],
    );
    check(
        "1 oncall first A\n2 oncall all A\n3 oncall first B",
        &[],
        &[("oncall", 2, 3, 0)],
    );
}

#[test]
fn a_storm_is_the_most_messages_within_ten_minutes() {
    let storm = |told: &str| {
        let report = report("", told, "", Options::default());
        report.receivers[0].storm
    };
    assert_eq!(storm("5 oncall first A"), Some((1, minute(5))));
    let lines = ["1", "11", "15", "20", "21"].map(|at| format!("{at} oncall more A"));
    assert_eq!(storm(&lines.join("\n")), Some((3, minute(11))));
}

#[test]
fn nights_are_those_of_the_zone_whose_clocks_change() {
    #[track_caller]
    fn check(night: &str, timezone: Tz, at: &str, expected: bool) {
        let night: Night = night.parse().expect("a night");
        let at = Timestamp::parse(at).expect("a time");
        assert_eq!(night.contains(at, timezone), expected, "{night} {at}");
    }
    check("22:00-07:00", Tz::UTC, "2026-11-24T21:59:59Z", false);
    check("22:00-07:00", Tz::UTC, "2026-11-24T22:00:00Z", true);
    check("22:00-07:00", Tz::UTC, "2026-11-24T06:59:59.999Z", true);
    check("22:00-07:00", Tz::UTC, "2026-11-24T07:00:00Z", false);
    check("00:00-06:30", Tz::UTC, "2026-11-24T06:29:00Z", true);
    check("18:00-24:00", Tz::UTC, "2026-11-24T23:59:00Z", true);
    check("18:00-24:00", Tz::UTC, "2026-11-24T00:00:00Z", false);
    // 22:00 in Berlin is 21:00 UTC in winter and 20:00 in summer.
    let berlin = Tz::Europe__Berlin;
    check("22:00-07:00", berlin, "2026-01-15T20:30:00Z", false);
    check("22:00-07:00", berlin, "2026-07-15T20:30:00Z", true);
    // The night of the change: 01:00 UTC is 03:00, and 05:00 UTC is 07:00.
    check("22:00-07:00", berlin, "2026-03-29T04:59:00Z", true);
    check("22:00-07:00", berlin, "2026-03-29T05:00:00Z", false);
    check("22:00-07:00", berlin, "2026-10-25T05:30:00Z", true);
    for wrong in [
        "",
        "22-07",
        "22:00",
        "22:60-07:00",
        "25:00-07:00",
        "07:00-07:00",
        "+1:00-2:00",
    ] {
        assert!(wrong.parse::<Night>().is_err(), "{wrong}");
    }
}

#[test]
fn pages_at_night_are_counted_in_the_zone() {
    let options = Options {
        night: "02:30-03:00".parse().ok(),
        timezone: Tz::Europe__Berlin,
        ..Options::default()
    };
    // The epoch is one o'clock in Berlin.
    let told = "89 oncall first A\n90 oncall first B\n119 oncall first C\n120 oncall first D";
    assert_eq!(report("", told, "", options).receivers[0].pages_at_night, 2);
}

#[test]
fn incidents_are_noticed_by_what_fires_in_them() {
    #[track_caller]
    fn check(changes: &str, told: &str, labels: &str, expected: (Option<i64>, Option<i64>)) {
        let incident = format!("[{{name: i, start: 10m, end: 20m, labels: {{{labels}}}}}]");
        let options = Options {
            external_labels: Labels::from_pairs([("region", "eu")]),
            ..Options::default()
        };
        let report = report(changes, told, &incident, options);
        let found = &report.incidents[0];
        let minutes = |after: Duration| after.millis() / 60_000;
        let detected = found.detected.as_ref().map(|(after, _)| minutes(*after));
        let paged = found.paged.as_ref().map(|(after, _)| minutes(*after));
        assert_eq!((detected, paged), expected);
    }
    check("", "", "", (None, None));
    check("12 A firing", "13 oncall first A", "", (Some(2), Some(3)));
    check("12 A firing", "13 chat first A", "", (Some(2), None));
    check(
        "12 A firing",
        "13 oncall first A",
        "alertname: A, zone: a",
        (Some(2), Some(3)),
    );
    check(
        "12 A firing",
        "13 oncall first A",
        "alertname: A, region: eu",
        (Some(2), Some(3)),
    );
    check(
        "12 A firing",
        "13 oncall first A",
        "region: us",
        (None, None),
    );
    check(
        "12 A firing",
        "13 oncall first A",
        "alertname: B",
        (None, None),
    );
    // Pending is not detected; nor what fires before or after.
    check("12 A pending", "", "", (None, None));
    check("9 A firing", "9 oncall first A", "", (None, None));
    check("21 A firing", "21 oncall first A", "", (None, None));
    // What fired before counts where it fires anew.
    check(
        "9 A firing\n11 A inactive\n15 A firing",
        "9 oncall first A\n16 oncall first A",
        "",
        (Some(5), Some(6)),
    );
    // The first of several.
    check("14 A firing\n12 B firing", "", "", (Some(2), None));
    // Who is told more of an open incident is not woken.
    check(
        "9 A firing\n12 B firing",
        "9 oncall first A\n12 oncall more B",
        "",
        (Some(2), None),
    );
}

#[test]
fn files_of_incidents_are_read_or_refused_with_places() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let source = SourceText::new("i.yml", text);
        let found = load_incidents(&source, minute(5)).err().unwrap_or_default();
        let got: Vec<String> = found.iter().map(|found| found.one_line(&source)).collect();
        assert_eq!(got, expected);
    }
    check("", &[]);
    check(
        "- {name: a, start: 1m, end: 2m}\n- {name: b, start: 2026-11-24T03:00:00Z, end: 1796000000}",
        &[],
    );
    check(
        "name: a",
        &[
            "i.yml:1:1: expected a list of incidents, each with `name`, `start` and `end`, found a mapping",
        ],
    );
    check(
        "- {name: a, start: noon, end: 2m}\n- {name: a, start: 2m, end: 1m, severity: x}\n- {start: 1m, end: 1m}",
        &[
            "i.yml:1:20: field `start`: expected a time such as 2026-11-24T03:10:00Z, or a duration after the first sample, found `noon`",
            "i.yml:2:10: two incidents are named `a`",
            "i.yml:2:29: the end 1970-01-01T00:06:00Z is before the start 1970-01-01T00:07:00Z",
            "i.yml:2:33: unknown field `severity` in the incident",
            "i.yml:3:4: the incident has no field `name`",
        ],
    );
}

/// What differs between two versions, a line for each change; pages that people get more, and no more.
#[track_caller]
fn compared(old: (&str, &str, &str), new: (&str, &str, &str), expected: &[&str]) -> (usize, usize) {
    let report = |(rules, changes, told): (&str, &str, &str)| {
        let timeline = story(rules, changes, told);
        Report::new(
            Data::default(),
            timeline,
            None,
            Vec::new(),
            Vec::new(),
            Options::default(),
        )
    };
    let (a, b) = (report(old), report(new));
    let (of_a, of_b) = (groups(old.0), groups(new.0));
    let side = |report, groups| Side {
        report,
        groups,
        routing: None,
    };
    let found = compare(side(&a, &of_a), side(&b, &of_b));
    let time = |at: Timestamp| at.millis() / 60_000;
    let at = |page: &Option<Page>| match page {
        Some(page) => format!("{} {}", time(page.at), page.integration.receiver),
        None => "none".to_owned(),
    };
    let pages = found.pages.iter().map(|page| {
        let (change, old, new) = (page.change.as_str(), at(&page.old), at(&page.new));
        format!("page {change}: {old} -> {new}: {}", page.reason)
    });
    let at = |at: Option<Timestamp>| at.map_or("none".to_owned(), |at| time(at).to_string());
    let alerts = found.alerts.iter().map(|alert| {
        let (change, old, new) = (alert.change.as_str(), at(alert.old), at(alert.new));
        format!("alert {change}: {old} -> {new}: {}", alert.reason)
    });
    let lines: Vec<String> = pages.chain(alerts).collect();
    assert_eq!(lines, expected);
    (found.added_pages(), found.removed_pages())
}

const SLOW: &str = "groups: [{name: g, rules: [{alert: A, expr: up, for: 5m}]}]";
const NONE: &str = "groups: [{name: g, rules: [{alert: B, expr: up}]}]";
const OTHER: &str = "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]";

#[test]
fn what_is_within_an_interval_is_the_same() {
    let old = (RULES, "10 A firing\n20 A inactive", "10 oncall first A");
    let pages = compared(old, old, &[]);
    assert_eq!(pages, (0, 0));
    let pages = compared(old, (RULES, "11 A firing", "11 oncall first A"), &[]);
    assert_eq!(pages, (0, 0));
}

#[test]
fn changes_have_their_reasons() {
    let old = (RULES, "10 A firing\n20 A inactive", "10 oncall first A");
    let pages = compared(
        old,
        (
            SLOW,
            "10 A pending\n15 A firing\n20 A inactive",
            "15 oncall first A",
        ),
        &[
            "page shifted: 10 oncall -> 15 oncall: `for` of A changed from 0s to 5m",
            "alert shifted: 10 -> 15: `for` of A changed from 0s to 5m",
        ],
    );
    assert_eq!(pages, (0, 0));
    let pages = compared(
        old,
        (SLOW, "10 A pending\n14 A inactive", ""),
        &[
            "page removed: 10 oncall -> none: `for` of A changed from 0s to 5m; the new version had it pending from 1970-01-01T00:10:00Z to 1970-01-01T00:14:00Z",
            "alert removed: 10 -> none: `for` of A changed from 0s to 5m; the new version had it pending from 1970-01-01T00:10:00Z to 1970-01-01T00:14:00Z",
        ],
    );
    assert_eq!(pages, (0, 1));
    let pages = compared(
        (NONE, "", ""),
        old,
        &[
            "page added: none -> 10 oncall: rule A is new; the old version has no such rule",
            "alert added: none -> 10: rule A is new; the old version has no such rule",
        ],
    );
    assert_eq!(pages, (1, 0));
    let pages = compared(
        old,
        (OTHER, "", ""),
        &[
            "page removed: 10 oncall -> none: the expression of A changed: up == 0 was up; the new version had it inactive then",
            "alert removed: 10 -> none: the expression of A changed: up == 0 was up; the new version had it inactive then",
        ],
    );
    assert_eq!(pages, (0, 1));
    let pages = compared(
        old,
        (RULES, "10 A firing\n20 A inactive", "10 chat first A"),
        &["page re-routed: 10 oncall -> 10 chat: another rule or alert of its group changed"],
    );
    assert_eq!(pages, (0, 1));
}

#[test]
fn each_page_is_the_closest_one() {
    let pages = compared(
        (
            RULES,
            "",
            "10 oncall first A\n40 oncall first A\n70 oncall first A",
        ),
        (RULES, "", "40 oncall first A\n70 oncall first A"),
        &[
            "page removed: 10 oncall -> none: another rule or alert of its group changed; the new version had it inactive then",
        ],
    );
    assert_eq!(pages, (0, 1));
    // More than an hour apart they are two.
    let pages = compared(
        (RULES, "", "10 oncall first A"),
        (RULES, "", "71 oncall first A"),
        &[
            "page removed: 10 oncall -> none: another rule or alert of its group changed; the new version had it inactive then",
            "page added: none -> 71 oncall: another rule or alert of its group changed; the old version had it inactive then",
        ],
    );
    assert_eq!(pages, (1, 1));
}
