//! Timelines: alerts in, one line per request out.
use expect_test::expect;

use super::sim::{Sim, route, simple};

#[test]
fn a_group_from_its_first_alert_to_its_end() {
    let mut sim = Sim::new(
        route("slack", "alertname", [30, 300, 3600]),
        vec![simple("slack")],
    );
    sim.arrive(0.0, &["alertname=A i=1", "alertname=A i=2"]);
    sim.arrive(100.0, &["alertname=A i=3"]);
    sim.arrive(400.0, &["end alertname=A i=1"]);
    sim.arrive(5000.0, &["end alertname=A i=2", "end alertname=A i=3"]);
    sim.run(10_000.0);
    expect![[r#"
        30s slack#1: first notification firing=2 resolved=0
        5m30s slack#1: new alerts added firing=3 resolved=0
        10m30s slack#1: some alerts resolved firing=2 resolved=1
        1h15m30s slack#1: repeat interval elapsed firing=2 resolved=0
        1h25m30s slack#1: all alerts resolved firing=0 resolved=2
    "#]]
    .assert_eq(&sim.lines());
    assert!(sim.is_quiet());
}
