use super::*;

fn transition(at: i64, name: &str, from: State, to: State) -> Transition {
    Transition {
        at: Timestamp::from_millis(at),
        rule: 0,
        labels: Labels::from_pairs([("alertname", name)]),
        from,
        to,
        value: 1.0,
        why: "".into(),
    }
}

#[track_caller]
fn check(transitions: Vec<Transition>, expected: &[(&str, i64, Option<i64>, Option<i64>)]) {
    let timeline = Timeline {
        rules: vec![rule()],
        transitions,
        ..Timeline::default()
    };
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let episodes = timeline.episodes();
    let got: Vec<_> = episodes
        .iter()
        .map(|episode| {
            let (fired, ended) = (millis(episode.fired_at), millis(episode.ended_at));
            (
                episode.labels.get("alertname"),
                episode.active_at.millis(),
                fired,
                ended,
            )
        })
        .collect();
    assert_eq!(got, expected);
}

fn rule() -> TimelineRule {
    let text = "groups: [{name: g, rules: [{alert: A, expr: up}]}]";
    let source = stentor_lang::model::SourceText::new("rules.yml", text);
    let file = crate::rulefile::load(&source, &crate::rulefile::LoadOptions::default());
    let file = file.expect("a good rule file");
    let crate::rulefile::Rule::Alerting(rule) = &file.groups[0].rules[0] else {
        panic!("an alerting rule");
    };
    TimelineRule {
        datasource: "main".into(),
        group: "g".into(),
        interval: Duration::from_secs(15),
        rule: Arc::clone(rule),
    }
}

#[test]
fn an_episode_goes_from_pending_over_firing_to_its_end() {
    use State::{Firing, Inactive, Pending};
    check(
        vec![
            transition(1, "a", Inactive, Pending),
            transition(2, "b", Inactive, Firing),
            transition(3, "a", Pending, Firing),
            transition(4, "a", Firing, Inactive),
            transition(5, "a", Inactive, Pending),
            transition(6, "a", Pending, Inactive),
        ],
        &[
            ("a", 1, Some(3), Some(4)),
            ("b", 2, Some(2), None),
            ("a", 5, None, Some(6)),
        ],
    );
}
