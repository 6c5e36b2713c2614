use stentor_lang::model::LabelSet;

use super::*;

fn start() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

/// What the fleet exposes of one metric, summed.
fn total(backend: &Backend, samples: &[f64], name: &str) -> f64 {
    let named = backend
        .series()
        .iter()
        .zip(samples)
        .filter(|(labels, _)| labels.get(METRIC_NAME) == name);
    named.map(|(_, value)| value).sum()
}

fn calm() -> Vec<Weather> {
    vec![Weather::default(); CLUSTERS.len()]
}

fn backend(gateways: usize) -> Backend {
    Backend::new(Size { gateways, seed: 1 }, start(), 0)
}

#[test]
fn the_fleet_holds_26_million_connections() {
    let mut backend = backend(52);
    let mut samples = Vec::new();
    backend.scrape(&calm(), &mut samples);
    assert_eq!(samples.len(), backend.series().len());
    let connections = total(&backend, &samples, "ws_connections");
    assert!((25.8e6..26.2e6).contains(&connections), "{connections}");
    let names: LabelSet = backend.series().iter().cloned().collect();
    assert_eq!(names.len(), samples.len(), "no series comes twice");
}

#[test]
fn a_crash_throws_users_out_and_begins_its_counters_anew() {
    let mut backend = backend(10);
    let mut samples = Vec::new();
    for _ in 0..4 {
        backend.scrape(&calm(), &mut samples);
    }
    let (before, opened) = (
        total(&backend, &samples, "ws_connections"),
        total(&backend, &samples, "ws_connections_opened_total"),
    );
    let mut weather = calm();
    weather[0].crash = 4;
    weather[0].back = 0.02;
    backend.scrape(&weather, &mut samples);
    let after = total(&backend, &samples, "ws_connections");
    assert!(
        (0.75 * before..0.85 * before).contains(&after),
        "{before} {after}"
    );
    assert!(total(&backend, &samples, "ws_connections_opened_total") < opened);
    for _ in 0..20 {
        backend.scrape(&calm(), &mut samples);
    }
    assert!(total(&backend, &samples, "ws_connections") > 0.98 * before);
}

#[test]
fn a_drain_loses_nobody() {
    let mut backend = backend(10);
    let mut samples = Vec::new();
    backend.scrape(&calm(), &mut samples);
    let before = total(&backend, &samples, "ws_connections");
    let mut weather = calm();
    weather[1].drained = 2;
    let calm = calm();
    for step in 0..40 {
        backend.scrape(if step < 30 { &weather } else { &calm }, &mut samples);
        let now = total(&backend, &samples, "ws_connections");
        assert!(
            (before - now).abs() < 0.02 * before,
            "step {step}: {before} {now}"
        );
    }
}

#[test]
fn history_ends_where_the_run_begins() {
    let mut backend = Backend::new(
        Size {
            gateways: 2,
            seed: 1,
        },
        start(),
        4,
    );
    let history = backend.history(4);
    assert_eq!(backend.next(), start());
    let (_, samples) = &history[0];
    assert_eq!(
        samples.times.first(),
        Some(&(start() - STEP.times(4)).millis())
    );
    assert_eq!(samples.times.last(), Some(&(start() - STEP).millis()));
}
