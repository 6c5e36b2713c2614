//! One slot of one rule with 100,000 firing alerts, from the bytes that the data source sent to
//! the notification that is ready to send: the first slot, where all of them are new, and one
//! without news. The engine alone is measured beside.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use stentor_core::engine::decode::{Caps, decode};
use stentor_core::engine::{
    Action, Answer, Datasource, DatasourceRules, Engine, Input, Query, RuleSet, Settings, Setup,
};
use stentor_core::notify::{GroupBy, Route, Routing};
use stentor_core::receiver::{
    HttpConfig, Integration, IntegrationKey, Kind, Outcome, Receiver, SecretRef,
    Settings as Target, Webhook,
};
use stentor_core::rulefile::{self, LoadOptions};
use stentor_lang::model::{Duration, Labels, SourceText, Timestamp};

const ALERTS: usize = 100_000;
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const RULES: &str = "
groups:
- name: g
  interval: 15s
  rules:
  - alert: Down
    expr: up == 0
    labels: {severity: page, team: core}
    annotations: {summary: '{{ $labels.instance }} is at {{ $value }}', runbook: see wiki}
";

fn setup() -> Arc<Setup> {
    let source = SourceText::new("rules.yml", RULES);
    let file = rulefile::load(&source, &LoadOptions::default()).expect("good rules");
    let mut root = Route::new("all".into());
    root.group_by = GroupBy::Labels(vec!["alertname".into()]);
    root.group_wait = Duration::ZERO;
    let url = SecretRef::Inline("url".to_owned());
    let integration = Integration {
        key: IntegrationKey {
            receiver: "all".into(),
            kind: Kind::Webhook,
            index: 0,
        },
        send_resolved: true,
        timeout: Duration::from_secs(10),
        rate_limit: u32::MAX,
        rate_window: Duration::from_secs(1),
        http: HttpConfig::default(),
        settings: Target::Webhook(Webhook { url, max_alerts: 0 }),
    };
    let receiver = Receiver {
        name: "all".into(),
        integrations: vec![Arc::new(integration)],
    };
    let datasource = Datasource {
        name: "main".into(),
        external_labels: Labels::default(),
        external_url: "http://prometheus".into(),
        url_functions: true,
        opaque: false,
    };
    Arc::new(Setup {
        rules: RuleSet {
            datasources: vec![DatasourceRules {
                datasource: Arc::new(datasource),
                interval: Duration::from_secs(15),
                query_offset: Duration::ZERO,
                groups: file.groups.into_iter().map(Arc::new).collect(),
            }],
        },
        routing: Arc::new(Routing::new(root, [receiver], None)),
        external_url: "".into(),
        accepted: "".into(),
    })
}

/// What Prometheus would answer.
fn body() -> Vec<u8> {
    let mut body = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    for number in 0..ALERTS {
        let comma = if number == 0 { "" } else { "," };
        write!(
            body,
            "{comma}{{\"metric\":{{\"__name__\":\"up\",\"cluster\":\"eu-1\",\"env\":\"production\",\
             \"instance\":\"host-{number}.example.internal:9100\",\"job\":\"backend\",\
             \"pod\":\"backend-{number}\",\"region\":\"eu-west-1\",\"zone\":\"b\"}},\
             \"value\":[1800000000,\"0\"]}}"
        )
        .expect("a string");
    }
    body.push_str("]}}");
    body.into_bytes()
}

/// The answer to a query, read from its bytes.
fn read(query: &Query, body: &[u8]) -> Answer {
    let caps = Caps {
        series: ALERTS,
        samples: ALERTS,
    };
    decode(body, query.time, query.known_shape.as_ref(), caps).expect("a good answer")
}

fn question(action: Action) -> Option<Query> {
    match action {
        Action::Query(query) => Some(query),
        _ => None,
    }
}

fn asked(actions: Vec<Action>) -> Query {
    let query = actions.into_iter().find_map(question);
    query.expect("the rule's query")
}

fn answer(query: &Query, answer: Answer) -> Input {
    Input::Answered {
        eval: query.eval,
        answer: Ok(answer),
    }
}

/// An engine that has asked for its first slot, and the question.
fn begun(setup: &Arc<Setup>) -> (Engine, Query) {
    let (engine, actions) = Engine::new(setup, Settings::default(), START);
    (engine, asked(actions))
}

/// An engine after its first slot, with the notification delivered.
fn settled(setup: &Arc<Setup>, body: &[u8]) -> Engine {
    let (mut engine, query) = begun(setup);
    for action in engine.handle(START, answer(&query, read(&query, body))) {
        if let Action::Deliver(deliver) = action {
            let told = Input::Delivered {
                attempt: deliver.attempt,
                outcome: Outcome::Delivered,
                secret: None,
            };
            drop(engine.handle(START, told));
        }
    }
    engine
}

/// Goes on to the next slot's question.
fn next_query(engine: &mut Engine, now: &mut Timestamp) -> Query {
    loop {
        *now = engine.deadline().expect("the next slot").max(*now);
        let actions = engine.handle(*now, Input::Wake);
        if let Some(query) = actions.into_iter().find_map(question) {
            return query;
        }
    }
}

fn is_ready_to_send(actions: &[Action]) -> bool {
    let mut actions = actions.iter();
    actions.any(|action| matches!(action, Action::Deliver(_)))
}

fn slot(c: &mut Criterion) {
    let (setup, body) = (setup(), body());
    let mut group = c.benchmark_group("100000 alerts");
    group.sample_size(10);
    group.bench_function("first slot, from bytes to ready to send", |bench| {
        bench.iter_batched(
            || begun(&setup),
            |(mut engine, query)| {
                let actions = engine.handle(START, answer(&query, read(&query, &body)));
                assert!(is_ready_to_send(&actions));
                (engine, black_box(actions))
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.bench_function("first slot, the engine alone", |bench| {
        bench.iter_batched(
            || {
                let (engine, query) = begun(&setup);
                let answer = answer(&query, read(&query, &body));
                (engine, answer)
            },
            |(mut engine, answer)| (black_box(engine.handle(START, answer)), engine),
            criterion::BatchSize::PerIteration,
        );
    });
    group.bench_function("slot without news, from bytes", |bench| {
        let (mut engine, mut now) = (settled(&setup, &body), START);
        bench.iter(|| {
            let query = next_query(&mut engine, &mut now);
            let answer = answer(&query, read(&query, &body));
            black_box(engine.handle(now, answer))
        });
    });
    group.finish();
}

criterion_group!(benches, slot);
criterion_main!(benches);
