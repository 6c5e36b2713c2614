//! What goes wrong in pairs: reloads that undo reloads, restarts of a blind rule, clocks that step in
//! the middle of a slot, answers that come late.

use super::*;

#[test]
fn an_alert_with_an_infinite_value_survives_a_restart() {
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let mut world = World::new(PAGE, |_, minute| match minute {
            0..=9 => Source::Answers("x"),
            _ => Source::Answers(""),
        });
        world.value = value;
        world.until(5).restart_at(5).until(20).told(expect![[r#"
            0s x inactive -> pending
            2m x pending -> firing
            2m pager: first notification [Down] firing: x resolved:
            5m restart
            10m x firing -> inactive
            12m pager: all alerts resolved [Down] firing:  resolved: x
        "#]]);
    }
}

#[test]
fn a_rule_that_comes_back_goes_on() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.until(4);
    world.reload(setup_of("groups: []")).until(5);
    world.reload(setup_of(PAGE)).until(20);
    world.reload(setup_of("groups: []")).until(21);
    world.reload(setup_of(PAGE)).until(25).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        4m reload
        5m reload
        5m x inactive -> pending
        7m x pending -> firing
        7m pager: all alerts resolved [Down] firing:  resolved: x
        12m pager: first notification [Down] firing: x resolved:
        20m reload
        21m reload
        21m x inactive -> pending
        22m pager: all alerts resolved [Down] firing:  resolved: x
        23m x pending -> firing
        23m pager: first notification [Down] firing: x resolved:
    "#]]);
}

#[test]
fn a_rule_that_comes_back_at_once_or_much_later_is_evaluated() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.until(1);
    world.reload(setup_of("groups: []"));
    world.reload(setup_of(PAGE)).until(5);
    world.reload(setup_of("groups: []"));
    world.until(30);
    let other = PAGE.replace("name: g", "name: h");
    world.reload(setup_of(&other));
    world.reload(setup_of(PAGE)).until(33).told(expect![[r#"
        0s x inactive -> pending
        1m reload
        1m reload
        1m x inactive -> pending
        3m x pending -> firing
        3m pager: first notification [Down] firing: x resolved:
        5m reload
        8m pager: all alerts resolved [Down] firing:  resolved: x
        30m reload
        30m x inactive -> pending
        30m reload
        30m x inactive -> pending
        32m x pending -> firing
        32m pager: first notification [Down] firing: x resolved:
    "#]]);
}

#[test]
fn a_meta_alert_of_a_blind_rule_survives_a_restart() {
    let mut world = World::new(TWO, |expr, _| match expr {
        "slow > 1" => Source::Fails,
        _ => Source::Answers(""),
    });
    world.until(8);
    world.restart_at(8).until(30).told(expect![[r#"
        5m30s chat: first notification [StentorRuleBlind] firing: StentorRuleBlind resolved:
        8m restart
    "#]]);
}

#[test]
fn what_speaks_of_a_data_source_that_a_restart_dropped_ends() {
    let mut world = World::new(PAGE, |_, _| Source::Fails);
    world.until(8);
    world
        .restart_with(9, setup_of("groups: []"))
        .until(30)
        .told(expect![[r#"
            5m pager: first notification [StentorDatasourceDown] firing: StentorDatasourceDown resolved:
            9m restart
            10m pager: all alerts resolved [StentorDatasourceDown] firing:  resolved: StentorDatasourceDown
        "#]]);
}

#[test]
fn rules_with_equal_labels_share_their_meta_alert() {
    let twins = "
groups:
- name: g
  rules:
  - {alert: Slow, expr: slow > 1}
  - {alert: Slow, expr: slow > 2}
  - {alert: Good, expr: up == 0}
";
    let mut world = World::new(twins, |expr, minute| match (expr, minute) {
        ("up == 0", _) | ("slow > 1", 10..) => Source::Answers(""),
        _ => Source::Fails,
    });
    world.until(30).told(expect![[r#"
        5m30s chat: first notification [StentorRuleBlind] firing: StentorRuleBlind resolved:
    "#]]);
}

#[test]
fn a_clock_that_is_stepped_back_in_the_middle_of_a_slot_stops_no_evaluation() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        5 => Source::Hangs,
        _ => Source::Answers("x"),
    });
    world.until(5);
    world.now = START - mins(55);
    world.give(Input::ClockStepped { by: mins(-60) });
    let before = world.queries;
    world.until(-50);
    assert_eq!(
        world.queries - before,
        6,
        "the newest slot, and one a minute"
    );
}

#[test]
fn settling_ends_although_the_clock_was_stepped_back() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        4..=9 => Source::Fails,
        -40.. => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(11);
    world.now = START - mins(49);
    world.give(Input::ClockStepped { by: mins(-60) });
    world.until(-35).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        9m pager: first notification [StentorDatasourceDown] firing: StentorDatasourceDown resolved:
        -46m pager: all alerts resolved [StentorDatasourceDown] firing:  resolved: StentorDatasourceDown
        -44m x firing -> inactive
        -43m pager: all alerts resolved [Down] firing:  resolved: x
        -40m x inactive -> pending
        -38m x pending -> firing
        -38m pager: first notification [Down] firing: x resolved:
    "#]]);
}

#[test]
fn a_data_source_that_hangs_after_a_restart_is_asked_live_after_half_a_minute() {
    let mut world = World::new(
        &PAGE.replace("- name: g", "- name: g\n  interval: 15s"),
        |_, minute| match minute {
            0..=2 => Source::Answers("x"),
            _ => Source::Hangs,
        },
    );
    world.until(2).restart_at(10);
    world.held.clear();
    world.until(15);
    let ranges = world
        .held
        .iter()
        .filter(|query| matches!(query.time, QueryTime::Range { .. }));
    assert_eq!(ranges.count(), 0, "all that is asked later is asked live");
    world.told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        10m restart
        10m missed 31
        10m30s missed 2
        10m40s pager: first notification [StentorDatasourceDown] firing: StentorDatasourceDown resolved:
    "#]]);
}

#[test]
fn overdue_flushes_wait_for_what_a_stalled_process_missed() {
    let mut world = World::new(TWO, |_, minute| match minute {
        3..=4 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    // Of the alert of minute 3 the chat would be told at 3m30s.
    world.until(3);
    world.now = START + mins(20);
    world.give(Input::Wake);
    world.until(30).told(expect![[r#"
        3m x inactive -> firing
        3m x inactive -> firing
        3m pager: first notification [Down] firing: x resolved:
        20m missed 16
        23m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

const OWNER: &str = "
groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    labels:
      severity: critical
      owner: '{{ with query \"owner\" }}{{ . | first | label \"a\" }}{{ end }}'
";

#[test]
fn a_query_of_a_label_that_fails_resolves_nothing() {
    let mut world = World::new(OWNER, |expr, minute| match (expr, minute) {
        ("owner", 4..=6) => Source::Fails,
        ("owner", 7..=8) => Source::Hangs,
        ("owner", _) => Source::Answers("o"),
        _ => Source::Answers("x"),
    });
    world.until(20).told(expect![[r#"
        0s x inactive -> firing
        0s pager: first notification [Down] firing: x resolved:
    "#]]);
}

const ASKING: &str = "
groups:
- name: g
  interval: 1s
  rules:
  - alert: Down
    expr: up == 0
    labels: {severity: critical}
    annotations: {summary: '{{ with query \"owner\" }}{{ . | first | label \"a\" }}{{ end }}'}
";

/// Answers the queries that hang.
fn answer_held(world: &mut World, names: &'static str) {
    let source = std::mem::replace(&mut world.source, |_, _| Source::Answers(""));
    for query in std::mem::take(&mut world.held) {
        let shape = Arc::new(Shape {
            series: names.chars().map(series).collect(),
        });
        let values = vec![1.0; names.len()];
        world.source = source;
        world.give(Input::Answered {
            eval: query.eval,
            answer: Ok(Answer {
                data: AnswerData::Vector {
                    shape,
                    values,
                    histograms: Vec::new(),
                },
                partial: None,
                annotations: Arc::new([]),
            }),
        });
    }
    world.source = source;
}

#[test]
fn a_slow_answer_to_an_annotation_is_used_although_slots_went_by() {
    let mut world = World::new(ASKING, |expr, _| match expr {
        "owner" => Source::Hangs,
        _ => Source::Answers("x"),
    });
    world.now += Duration::from_secs(2);
    world.give(Input::Wake);
    answer_held(&mut world, "o");
    let snapshot = world.engine.snapshot();
    let alerts = snapshot.groups[0].rules[0].alerts();
    assert_eq!(alerts[0].annotations[0].1, "o", "{}", world.log);
}

#[test]
fn a_notification_that_changes_while_its_texts_are_asked_goes_out_as_it_is_now() {
    let mut routing = (*routing()).clone();
    let mut root = routing.root().clone();
    for route in &mut root.routes {
        route.group_interval = Duration::from_secs(2);
    }
    let receivers = ["chat", "pager"].map(|name| Receiver {
        name: name.into(),
        integrations: vec![integration(name, Kind::Webhook, webhook())],
    });
    routing = Routing::new(root, receivers, None);
    let setup = Setup {
        routing: Arc::new(routing),
        ..(*setup_of(ASKING)).clone()
    };
    let mut world = World::new("groups: []", |expr, _| match expr {
        "owner" => Source::Hangs,
        _ => Source::Answers("x"),
    });
    world.reload(Arc::new(setup));
    world.source = |expr, _| match expr {
        "owner" => Source::Hangs,
        _ => Source::Answers("xy"),
    };
    for _ in 0..5 {
        world.now += Duration::from_secs(1);
        world.give(Input::Wake);
    }
    answer_held(&mut world, "o");
    world.told(expect![[r#"
        0s reload
        0s x inactive -> firing
        1s y inactive -> firing
        5s pager: first notification [Down] firing: x y resolved:
    "#]]);
}

#[test]
fn texts_asked_after_a_restart_are_asked_for_a_time_of_the_alert() {
    let mut world = World::new(&ASKING.replace("1s", "1m"), |expr, _| match expr {
        "owner" => Source::Hangs,
        _ => Source::Answers("x"),
    });
    world.until(2);
    world.held.clear();
    world.restart_with(5, setup_of("groups: []"));
    world.until(10);
    let asked = world.held.iter().map(|query| match query.time {
        QueryTime::Instant(at) => at,
        QueryTime::Range { start, .. } => start,
    });
    assert!(asked.clone().count() > 0);
    assert!(
        asked.clone().all(|at| at >= START),
        "{:?}",
        asked.collect::<Vec<_>>()
    );
}

#[test]
fn other_external_labels_after_a_restart_end_the_old_alert() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        0..=9 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(4);
    let moved = setup_with(PAGE, &[("region", "eu")]);
    world.restart_with(5, moved).until(20).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        5m restart
        7m pager: new alerts added [Down] firing: x resolved: x
        10m x firing -> inactive
        12m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn a_reload_that_drops_catch_ups_lets_others_begin() {
    let four =
        ["A", "B", "C", "D"].map(|name| "  - {alert: NAME, expr: up}\n".replace("NAME", name));
    let rules = format!(
        "groups:\n- name: f\n  rules:\n{}- name: g\n  rules:\n  - {{alert: E, expr: e}}\n",
        four.concat()
    );
    let mut world = World::new(&rules, |_, minute| match minute {
        0..=1 => Source::Answers(""),
        _ => Source::Hangs,
    });
    world.until(1).restart_at(10);
    assert!(world.held.iter().all(|query| &*query.expr == "up"));
    let edited = setup_of(&rules.replace("expr: up", "expr: up == 1"));
    world.reload(edited);
    let asked = world.held.iter().filter(|query| &*query.expr == "e");
    assert_eq!(asked.count(), 1);
}

#[test]
fn a_clock_set_back_while_stopped_keeps_no_page_waiting() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        0..=2 => Source::Answers("x"),
        _ => Source::Answers("xy"),
    });
    // At 6m the group's next tick is at 7m, of the old clock.
    world
        .until(6)
        .restart_at(-1440)
        .until(-1420)
        .told(expect![[r#"
            0s x inactive -> pending
            2m x pending -> firing
            2m pager: first notification [Down] firing: x resolved:
            3m y inactive -> pending
            5m y pending -> firing
            -1d restart
            -23h55m pager: new alerts added [Down] firing: x y resolved:
        "#]]);
}

#[test]
fn a_clock_set_back_while_stopped_keeps_no_retry_waiting() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.receiver = |_, minute| match minute {
        0.. => Outcome::Retry {
            after: Some(mins(60)),
            maybe_delivered: false,
            why: "busy".to_owned(),
        },
        _ => Outcome::Delivered,
    };
    world
        .until(6)
        .restart_at(-1440)
        .until(-1300)
        .told(expect![[r#"
            0s x inactive -> pending
            2m x pending -> firing
            2m pager: first notification [Down] firing: x resolved:  (not taken)
            -1d restart
            -22h54m pager: first notification [Down] firing: x resolved:
        "#]]);
}

#[test]
fn a_good_start_ends_the_alert_about_a_refused_configuration() {
    let mut world = World::new(PAGE, |_, _| Source::Answers(""));
    world.give(Input::ConfigRejected { why: "bad".into() });
    world.until(2).restart_at(3);
    let setup = Arc::clone(&world.setup);
    world.give(Input::Reload(setup));
    world.until(20).told(expect![[r#"
        30s chat: first notification [StentorConfigRejected] firing: StentorConfigRejected resolved:
        3m restart
        5m30s chat: all alerts resolved [StentorConfigRejected] firing:  resolved: StentorConfigRejected
    "#]]);
}

#[test]
fn gap_row_missed_a_clock_that_is_stepped_forward_is_caught_up() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        3..=30 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(2);
    world.now = START + mins(22);
    world.give(Input::ClockStepped { by: mins(20) });
    world.until(40).told(expect![[r#"
        22m missed 19
        22m pager: first notification [Down] firing: x resolved:
        31m x firing -> inactive
        32m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn gap_row_missed_what_means_something_else_over_a_range_is_a_blind_spell() {
    let mut world = World::new(
        &PAGE.replace("up == 0", "up @ end() == 0"),
        |_, minute| match minute {
            0..=4 => Source::Answers("x"),
            _ => Source::Answers(""),
        },
    );
    world.until(4).restart_at(10).until(25).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        10m restart
        10m missed 5
        15m x firing -> inactive
        17m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn gap_row_missed_is_asked_with_the_offset_an_hour_back_and_four_at_a_time() {
    let one = "  - {alert: NAME, expr: up}\n";
    let many: String = ["A", "B", "C", "D", "E", "F"]
        .map(|name| one.replace("NAME", name))
        .concat();
    let rules = format!("groups:\n- name: g\n  query_offset: 30s\n  rules:\n{many}");
    let mut world = World::new(&rules, |_, minute| match minute {
        -1..=5 => Source::Answers(""),
        _ => Source::Hangs,
    });
    world.until(5).restart_at(180);
    let offset = Duration::from_secs(30);
    let (start, end) = (START + mins(121) - offset, START + mins(179) - offset);
    let step = mins(1);
    assert_eq!(world.held.len(), MAX_CATCH_UP_QUERIES);
    for query in &world.held {
        assert_eq!(query.time, QueryTime::Range { start, end, step });
        assert_eq!(query.deadline, world.now + MAX_CATCH_UP_TIME);
    }
}

#[test]
fn rules_with_one_final_label_set_are_one_alert() {
    let rules = "
groups:
- name: g
  rules: [{alert: Down, expr: one, labels: {severity: critical}}]
- name: h
  rules: [{alert: Down, expr: two, labels: {severity: critical}}]
";
    let mut world = World::new(rules, |expr, minute| match (expr, minute) {
        ("one", 1..=9) | ("two", 3..=19) => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(11).restart_at(12).until(40).told(expect![[r#"
        1m x inactive -> firing
        1m pager: first notification [Down] firing: x resolved:
        3m x inactive -> firing
        10m x firing -> inactive
        12m restart
        20m x firing -> inactive
        21m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn a_reload_in_the_middle_of_a_slot_loses_no_slot() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        5 => Source::Hangs,
        _ => Source::Answers("x"),
    });
    world.until(5);
    assert_eq!(world.held.len(), 1);
    let edited = PAGE.replace("is down", "is down again");
    world.source = |_, minute| match minute {
        0..=9 => Source::Answers("x"),
        _ => Source::Answers(""),
    };
    world.reload(setup_of(&edited));
    answer_held(&mut world, "");
    world.until(20).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        5m reload
        5m unknown query
        10m x firing -> inactive
        12m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn an_answer_at_the_deadline_comes_before_giving_up() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        2 => Source::Hangs,
        _ => Source::Answers("x"),
    });
    world.until(2);
    world.now += Duration::from_secs(10);
    answer_held(&mut world, "x");
    world.until(6).told(expect![[r#"
        0s x inactive -> pending
        2m10s x pending -> firing
        2m10s pager: first notification [Down] firing: x resolved:
    "#]]);
}

#[test]
fn the_longest_durations_overflow_nothing() {
    let rules = "
groups:
- name: g
  interval: 292y
  query_offset: 292y
  rules: [{alert: A, expr: up, for: 292y, keep_firing_for: 292y}]
- name: h
  rules: [{alert: B, expr: up, for: 292y}, {alert: C, expr: up, keep_firing_for: 292y}]
";
    let mut world = World::new(rules, |_, minute| match minute {
        3..=6 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(10).restart_at(200).until(210);
    world.now -= mins(100_000);
    world.give(Input::ClockStepped { by: mins(-100_000) });
    world.give(Input::Wake);
    assert!(world.log.contains("x pending -> firing") || world.log.contains("inactive -> firing"));
}

#[test]
fn the_refusal_of_what_tells_of_a_refusal_is_not_told() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.receiver = |_, _| Outcome::Refused {
        why: "gone".to_owned(),
    };
    world.until(30);
    let told = world.log.matches("[StentorDeliveryRefused]").count();
    assert_eq!(told, 2, "once, and once corrected: {}", world.log);
    let refused = world.engine.meta.firing.keys();
    assert_eq!(refused.count(), 1);
}
