//! The series notation: any text is refused, or is a sequence whose first values cost little; the text
//! of a histogram can be read, but for `+Inf` and `[]`, which Prometheus prints and does not read either.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_lang::model::{Duration, Timestamp};
use stentor_lang::promql::notation::{self, Entry};

fuzz_target!(|text: &str| {
    drop(notation::parse_series(text));
    let sequence = match notation::parse_values(text) {
        Ok(sequence) => sequence,
        Err(errors) => {
            assert!(errors.iter().all(|e| text.get(e.span.range()).is_some()));
            return;
        }
    };
    for entry in sequence.iter().take(100) {
        if let Entry::Histogram(histogram, _) = entry {
            let printed = histogram.test_expression();
            let is_read = notation::parse_values(&printed).is_ok();
            let is_known = printed.contains("+Inf") || printed.contains("[]");
            assert!(is_read || is_known, "{printed}");
        }
    }
    let step = Duration::from_secs(15);
    match sequence.samples(Timestamp::EPOCH, step, None, 1000) {
        Ok(samples) => assert!(samples.times.len() as u64 <= sequence.len()),
        Err(error) => assert!(text.get(error.span.range()).is_some()),
    }
});
