//! One slot of one rule with 100,000 firing alerts: what the engine makes of the answer, from the
//! first slot, where all of them are new and a notification is due, to one without news.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use stentor_core::engine::{
    Action, Answer, AnswerData, Datasource, DatasourceRules, Engine, Input, Query, RuleSet,
    Settings, Setup,
};
use stentor_core::notify::{GroupBy, Route, Routing};
use stentor_core::receiver::{
    HttpConfig, Integration, IntegrationKey, Kind, Outcome, Receiver, SecretRef,
    Settings as Target, Webhook,
};
use stentor_core::rulefile::{self, LoadOptions};
use stentor_lang::model::{Duration, Labels, Shape, SourceText, Timestamp};

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

fn shape() -> Arc<Shape> {
    let series = (0..ALERTS).map(|number| {
        Labels::from_pairs([
            ("__name__", "up"),
            ("cluster", "eu-1"),
            ("env", "production"),
            ("instance", &format!("host-{number}.example.internal:9100")),
            ("job", "backend"),
            ("pod", &format!("backend-{number}")),
            ("region", "eu-west-1"),
            ("zone", "b"),
        ])
    });
    Arc::new(Shape {
        series: series.collect(),
    })
}

fn asked(actions: Vec<Action>) -> Query {
    let query = actions.into_iter().find_map(|action| match action {
        Action::Query(query) => Some(query),
        _ => None,
    });
    query.expect("the rule's query")
}

fn answer(query: &Query, shape: &Arc<Shape>) -> Input {
    let data = AnswerData::Vector {
        shape: Arc::clone(shape),
        values: vec![0.0; ALERTS],
    };
    let answer = Ok(Answer {
        data,
        partial: None,
        annotations: Arc::new([]),
    });
    Input::Answered {
        eval: query.eval,
        answer,
    }
}

fn slot(c: &mut Criterion) {
    let (setup, shape) = (setup(), shape());
    let mut group = c.benchmark_group("100000 alerts");
    group.sample_size(10);
    group.bench_function("first slot, ready to send", |bench| {
        bench.iter_batched(
            || {
                let (engine, actions) = Engine::new(&setup, Settings::default(), START);
                let query = asked(actions);
                let answer = answer(&query, &shape);
                (engine, answer)
            },
            |(mut engine, answer)| {
                let actions = engine.handle(START, answer);
                assert!(
                    actions
                        .iter()
                        .any(|action| matches!(action, Action::Deliver(_)))
                );
                (engine, black_box(actions))
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.bench_function("slot without news", |bench| {
        let (mut engine, actions) = Engine::new(&setup, Settings::default(), START);
        let mut query = asked(actions);
        let mut now = START;
        for action in engine.handle(now, answer(&query, &shape)) {
            if let Action::Deliver(deliver) = action {
                let attempt = deliver.attempt;
                let told = Input::Delivered {
                    attempt,
                    outcome: Outcome::Delivered,
                    secret: None,
                };
                drop(engine.handle(now, told));
            }
        }
        bench.iter(|| {
            now = engine.deadline().expect("the next slot").max(now);
            loop {
                let actions = engine.handle(now, Input::Wake);
                if let Some(Action::Query(next)) = actions
                    .into_iter()
                    .find(|action| matches!(action, Action::Query(_)))
                {
                    query = next;
                    break;
                }
                now = engine.deadline().expect("the next slot").max(now);
            }
            black_box(engine.handle(now, answer(&query, &shape)))
        });
    });
    group.finish();
}

criterion_group!(benches, slot);
criterion_main!(benches);
