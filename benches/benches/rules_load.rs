//! How long reading a large rule file takes: 10,000 rules with expressions, labels and templates.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use stentor_core::check::{LintOptions, lint};
use stentor_core::rulefile::{LoadOptions, load_documents};
use stentor_lang::model::SourceText;
use stentor_lang::yaml;

const RULES: usize = 10_000;

fn file() -> SourceText {
    let mut text = "groups:\n".to_owned();
    for rule in 0..RULES {
        if rule % 20 == 0 {
            let _ = write!(
                text,
                "- name: group-{}\n  interval: 30s\n  rules:\n",
                rule / 20
            );
        }
        let _ = write!(
            text,
            "  - alert: HighErrorRate{rule}\n    expr: |\n      \
             sum by (job) (rate(http_requests_total{{job=\"api-{rule}\", code=~\"5..\"}}[5m]))\n        \
             / sum by (job) (rate(http_requests_total{{job=\"api-{rule}\"}}[5m])) > 0.05\n    for: 5m\n    \
             labels:\n      severity: critical\n      team: backend\n    annotations:\n      \
             summary: \"{{{{ $labels.job }}}} answers {{{{ $value | humanizePercentage }}}} with errors\"\n      \
             runbook_url: https://runbooks.example/high-error-rate\n"
        );
    }
    SourceText::new("rules.yml", text)
}

fn bench(criterion: &mut Criterion) {
    let source = file();
    let options = LoadOptions::default();
    criterion.bench_function("yaml of 10,000 rules", |bencher| {
        bencher.iter(|| yaml::parse(black_box(&source.text)));
    });
    criterion.bench_function("load and lint 10,000 rules", |bencher| {
        bencher.iter(|| {
            let parsed = yaml::parse(black_box(&source.text));
            let file = load_documents(&source, &parsed, &options).expect("the file is good");
            lint(&source, &parsed, &file, &LintOptions::default(), Vec::new()).len()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = bench
}
criterion_main!(benches);
