//! One script of promqltest.

use stentor_lang::model::{Diagnostic, SourceText};
use stentor_lang::promql::script;

use super::{Case, Exit, Findings, Suite};

/// The failures that are shown of a script.
const MOST_FAILURES: usize = 10;

/// Runs a script.
pub(super) fn run(source: SourceText) -> Suite {
    let name = source.name.to_string();
    let report = match script::run(&source.text) {
        Ok(report) => report,
        Err(diagnostics) => {
            let found = Findings {
                source,
                diagnostics,
            };
            return Suite {
                summary: "failed".to_owned(),
                ..Suite::aborted(name, vec![found])
            };
        }
    };
    let (all, passed) = (report.outcomes.len(), report.passed());
    let failures = report.failures().map(|outcome| {
        let why = outcome.failure.as_deref().unwrap_or_default();
        let message = format!("`{}` fails: {why}", outcome.expr);
        Diagnostic::error("promqltest/failed", outcome.span, message)
    });
    let failures: Vec<Diagnostic> = failures.collect();
    let case = Case {
        name: name.clone(),
        failures: failures.iter().map(|why| why.one_line(&source)).collect(),
    };
    let (summary, exit) = if failures.is_empty() {
        (format!("passed ({all} evaluations)"), Exit::Good)
    } else {
        let failed = all - passed;
        (
            format!("failed ({failed} of {all} evaluations)"),
            Exit::Failed,
        )
    };
    let diagnostics = failures.into_iter().take(MOST_FAILURES).collect();
    Suite {
        name,
        aborted: None,
        cases: vec![case],
        summary,
        findings: vec![Findings {
            source,
            diagnostics,
        }],
        log: String::new(),
        coverage: None,
        exit,
    }
}
