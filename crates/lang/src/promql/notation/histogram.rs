//! Histograms in the notation: `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}`.

use super::read::Reader;
use crate::model::Diagnostic;
use crate::model::histogram::{BucketSpan, Buckets, Histogram, ResetHint};
use crate::model::labels::quote;

/// What the keys of a description add up to; of a key given twice the last value stays.
#[derive(Debug, Default)]
struct Description {
    histogram: Histogram,
    custom_values: Vec<f64>,
    offset: i64,
    negative_offset: i64,
    hinted: bool,
}

impl Reader<'_> {
    /// Reads from `{{` to `}}`; also tells whether the counter reset hint is named.
    pub(super) fn histogram(&mut self) -> Result<(Histogram, bool), Diagnostic> {
        self.at += 2;
        let mut description = Description::default();
        self.skip_spaces();
        while !self.starts_with("}}") {
            self.key(&mut description)?;
            if !self.skip_spaces() && !self.starts_with("}}") {
                return Err(self.unexpected("a blank or }} in a histogram description"));
            }
        }
        self.at += 2;
        Ok(description.finish())
    }

    fn key(&mut self, into: &mut Description) -> Result<(), Diagnostic> {
        let start = self.at;
        let mut word = String::new();
        while let Some(byte) = self
            .peek()
            .filter(|b| b.is_ascii_alphabetic() || *b == b'_')
        {
            word.push(char::from(byte.to_ascii_lowercase()));
            self.at += 1;
        }
        if word.is_empty() {
            return Err(self.unexpected("histogram description key, e.g. buckets:[5 10 7]"));
        }
        let found = self.error(
            start,
            format!("bad histogram descriptor found: {}", quote(&word)),
        );
        if !self.accept(b':') {
            return Err(if KEYS.contains(&word.as_str()) {
                self.error(start, "missing `:` for histogram descriptor")
            } else {
                found
            });
        }
        let histogram = &mut into.histogram;
        match word.as_str() {
            "schema" => histogram.schema = self.small_whole()?,
            "sum" => histogram.sum = self.negatable()?,
            "count" => histogram.count = self.negatable()?,
            "z_bucket" => histogram.zero_count = self.negatable()?,
            "z_bucket_w" => histogram.zero_threshold = self.number()?,
            "custom_values" => into.custom_values = self.list()?,
            "buckets" => histogram.positive.counts = self.list()?,
            "n_buckets" => histogram.negative.counts = self.list()?,
            "offset" => into.offset = self.small_whole()?.into(),
            "n_offset" => into.negative_offset = self.small_whole()?.into(),
            "counter_reset_hint" => {
                histogram.reset_hint = self.hint()?;
                into.hinted = true;
            }
            _ => return Err(found),
        }
        Ok(())
    }

    fn negatable(&mut self) -> Result<f64, Diagnostic> {
        let negative = self.accept(b'-');
        let value = self.number()?;
        Ok(if negative { -value } else { value })
    }

    fn small_whole(&mut self) -> Result<i32, Diagnostic> {
        let start = self.at;
        let value = self.whole()?;
        i32::try_from(value).map_err(|_| self.error(start, "number out of range"))
    }

    fn list(&mut self) -> Result<Vec<f64>, Diagnostic> {
        if !self.accept(b'[') {
            return Err(self.unexpected("a list such as [5 10 7]"));
        }
        let mut numbers = Vec::new();
        loop {
            numbers.push(self.negatable()?);
            let space = self.skip_spaces();
            if self.accept(b']') {
                return Ok(numbers);
            }
            if !space {
                return Err(self.unexpected("a blank or ] in a list"));
            }
        }
    }

    fn hint(&mut self) -> Result<ResetHint, Diagnostic> {
        let start = self.at;
        let word = self.word().to_ascii_lowercase();
        match word.as_str() {
            "unknown" => Ok(ResetHint::Unknown),
            "reset" => Ok(ResetHint::Reset),
            "not_reset" => Ok(ResetHint::NotReset),
            "gauge" => Ok(ResetHint::Gauge),
            _ => Err(self
                .error(
                    start,
                    format!("{} is not a counter reset hint", quote(&word)),
                )
                .with_hint("unknown, reset, not_reset or gauge")),
        }
    }
}

const KEYS: [&str; 11] = [
    "schema",
    "sum",
    "count",
    "z_bucket",
    "z_bucket_w",
    "custom_values",
    "buckets",
    "n_buckets",
    "offset",
    "n_offset",
    "counter_reset_hint",
];

impl Description {
    fn finish(self) -> (Histogram, bool) {
        let mut histogram = self.histogram;
        histogram.custom_values = self.custom_values.into();
        place(&mut histogram.positive, self.offset);
        place(&mut histogram.negative, self.negative_offset);
        (histogram, self.hinted)
    }
}

fn place(buckets: &mut Buckets, offset: i64) {
    let length = u32::try_from(buckets.counts.len()).unwrap_or(u32::MAX);
    let offset = i32::try_from(offset).unwrap_or(i32::MAX);
    if length > 0 {
        buckets.spans = vec![BucketSpan { offset, length }];
    }
}
