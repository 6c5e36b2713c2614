//! Templates: any text is refused, or is expanded within the limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_lang::model::{Labels, Timestamp};
use stentor_lang::template::{AlertData, Expansion, MAX_OUTPUT_BYTES, QueryAnswers, Template};

fuzz_target!(|text: &str| {
    let template = match Template::parse("fuzz", text) {
        Ok(template) => template,
        Err(error) => {
            assert!(text.get(error.span.range()).is_some());
            return;
        }
    };
    let labels = Labels::from_pairs([("instance", "a:9100"), ("job", "node"), ("severity", "5")]);
    let data = AlertData {
        labels: &labels,
        value: 1234.5,
        external_labels: &labels,
        external_url: "http://localhost:9095/path",
        path_prefix: "/path",
    };
    let mut answers = QueryAnswers::new();
    for _ in 0..4 {
        match template.expand(&data, Timestamp::from_millis(1_700_000_000_123), &answers) {
            Ok(Expansion::Needs(queries)) => {
                for query in queries {
                    answers.insert(
                        query,
                        Ok(vec![(labels.clone(), 1.0), (Labels::default(), 2.0)]),
                    );
                }
            }
            Ok(Expansion::Done(text)) => {
                assert!(text.len() <= MAX_OUTPUT_BYTES);
                return;
            }
            Err(_) => return,
        }
    }
});
