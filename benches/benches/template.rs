//! What an alert's texts cost: a rule with 100,000 firing instances expands each of them.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use stentor_lang::model::{Labels, Timestamp};
use stentor_lang::template::{AlertData, QueryAnswers, Template};

const TEMPLATES: [(&str, &str); 7] = [
    ("plain", "Instance is down"),
    ("label", "{{ $labels.instance }}"),
    ("value", "{{ $value }}"),
    ("humanize", "{{ $value | humanize }}"),
    ("printf", "{{ printf \"%.2f\" $value }}%"),
    (
        "summary",
        "Instance {{ $labels.instance }} of {{ $labels.job }} has been down for 5 minutes.",
    ),
    (
        "description",
        "{{ if gt $value 0.9 }}Critical: {{ end }}error rate {{ $value | humanizePercentage }} on \
         {{ $labels.instance | reReplaceAll \":.*\" \"\" }} in {{ $externalLabels.region }}\n  \
         LABELS = {{ $labels }}",
    ),
];

fn bench(c: &mut Criterion) {
    let labels = Labels::from_pairs([
        ("env", "production"),
        ("instance", "web-17.eu-1.example.org:9090"),
        ("job", "gateway"),
        ("region", "eu-1"),
        ("severity", "page"),
    ]);
    let external_labels = Labels::from_pairs([("region", "eu-1")]);
    let data = AlertData {
        labels: &labels,
        value: 0.987_654_321,
        external_labels: &external_labels,
        external_url: "http://stentor.example.org",
        path_prefix: Some(""),
    };
    let answers = QueryAnswers::new();
    let mut group = c.benchmark_group("template");
    for (name, text) in TEMPLATES {
        let template = Template::parse("__alert_Bench", text).expect("a good template");
        group.bench_function(format!("expand/{name}"), |b| {
            b.iter(|| template.expand(black_box(&data), Timestamp::EPOCH, &answers));
        });
    }
    group.bench_function("parse", |b| {
        b.iter(|| {
            for (_, text) in TEMPLATES {
                black_box(Template::parse("__alert_Bench", black_box(text)).is_ok());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
