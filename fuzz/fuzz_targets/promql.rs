//! The parser: any text is refused, or is an expression whose print can be read, and prints the same.
//! (It is not always the same expression: `-0s` prints as `0s`, as Prometheus prints it.)

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_lang::promql::{self, ParseOptions};

fuzz_target!(|text: &str| {
    for options in [ParseOptions::default(), ParseOptions::all()] {
        match promql::parse(text, options) {
            Ok(expr) => {
                let printed = expr.to_string();
                let again = promql::parse(&printed, options).map(|expr| expr.to_string());
                assert_eq!(again.as_ref(), Ok(&printed));
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                assert!(errors.iter().all(|e| text.get(e.span.range()).is_some()));
            }
        }
    }
    drop(promql::parse_selector(text));
    drop(promql::parse_metric_labels(text));
});
