use expect_test::{Expect, expect};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

#[track_caller]
fn check_events(bodies: &[&str], expected: &Expect) {
    let mut pagerduty = PagerDuty::default();
    let receiver = "oncall".into();
    let mut shown = String::new();
    for (second, body) in (0..).zip(bodies) {
        let (reply, effect) = pagerduty.receive(at(second), &receiver, body);
        let effect = match effect {
            None => "nothing".to_owned(),
            Some(Effect::Opened(incident)) => format!("opened #{}", incident.number),
            Some(Effect::Updated(incident)) => {
                format!("#{}: {}", incident.number, incident.summary)
            }
            Some(Effect::Closed(incident, said)) => format!("closed #{}: {said}", incident.number),
            Some(Effect::Posted(_)) => "posted".to_owned(),
        };
        let _ = std::fmt::Write::write_fmt(&mut shown, format_args!("{} {effect}\n", reply.status));
    }
    expected.assert_eq(&shown);
}

fn event(action: &str, key: &str, summary: &str) -> String {
    serde_json::json!({
        "routing_key": "k", "event_action": action, "dedup_key": key,
        "payload": {"summary": summary, "source": "s", "severity": "critical"},
    })
    .to_string()
}

#[test]
fn events_of_one_key_are_one_incident_until_it_is_resolved() {
    let events = [
        event("trigger", "a", "first"),
        event("trigger", "b", "other"),
        event("trigger", "a", "second"),
        event("resolve", "a", "over"),
        event("resolve", "a", "over"),
        event("trigger", "a", "again"),
        event("trigger", "", "no key"),
        event("page", "a", "no action"),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).chain(["{"]).collect();
    check_events(
        &events,
        &expect![[r#"
            202 opened #1
            202 opened #2
            202 #1: second
            202 closed #1: over
            202 nothing
            202 opened #3
            400 nothing
            400 nothing
            400 nothing
        "#]],
    );
}

#[test]
fn messages_are_read_as_slack_shows_them() {
    let mut slack = Slack::default();
    let body = serde_json::json!({"channel": "#c", "attachments": [{
        "color": "good", "title": "A &amp; B", "text": "x &lt; y\n<http://a/?b=1&amp;c|Runbook> &amp;lt;"
    }]});
    let (reply, _) = slack.receive(at(1), &"slack".into(), &body.to_string());
    assert_eq!(reply.status, 200);
    let post = &slack.posts[0];
    assert_eq!(post.title, "A & B");
    assert_eq!(post.text, "x < y\nRunbook &lt;");
    assert!(!post.firing);
    for bad in ["{", "{}"] {
        assert_eq!(slack.receive(at(1), &"slack".into(), bad).0.status, 400);
    }
}
