//! Puts the series of `load` commands into a store.

use super::nhcb::Converter;
use super::{Load, LoadedSeries, MAX_LOADED};
use crate::model::labels::quote;
use crate::model::{Diagnostic, Duration, Span, Timestamp};
use crate::promql::memory::MemoryStore;
use crate::promql::notation::{HISTOGRAM_WEIGHT, Sequence};

const CODE: &str = "promqltest/load";

/// A store that is being filled.
#[derive(Debug, Default)]
pub(super) struct Loader {
    store: MemoryStore,
    loaded: u64,
}

impl Loader {
    pub(super) fn store(&self) -> &MemoryStore {
        &self.store
    }

    pub(super) fn into_store(self) -> MemoryStore {
        self.store
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds the samples of a `load` that stands at `place`.
    pub(super) fn load(&mut self, load: Load, place: Span) -> Result<(), Diagnostic> {
        let mut converter = Converter::default();
        for (labels, series) in load.series {
            let LoadedSeries {
                values,
                starts,
                span,
            } = series;
            let mut weight = values.weight();
            if load.with_nhcb {
                weight = weight.max(HISTOGRAM_WEIGHT);
            }
            let limit = MAX_LOADED.saturating_sub(self.loaded) / weight;
            let samples = values.samples(Timestamp::EPOCH, load.step, starts.as_ref(), limit);
            let samples = samples.map_err(|mut error| {
                error.span = error.span.shifted(span.start);
                error
            })?;
            self.loaded += values.len() * weight;
            if load.with_nhcb {
                converter.take(&labels, &values, load.step);
            }
            drop(values);
            self.store.insert(&labels, samples);
        }
        let converted = converter.finish();
        let converted = converted.map_err(|why| Diagnostic::error(CODE, place, why))?;
        for (labels, samples) in converted {
            self.store.insert(&labels, samples);
        }
        Ok(())
    }
}

/// Reads the values of a `metric@st` line: durations relative to the samples, such as `-30s-1mx2 _`.
pub(super) fn starts(text: &str, line: Span) -> Result<Sequence, Vec<Diagnostic>> {
    let mut sequence = Sequence::default();
    for item in text.split_whitespace() {
        start_item(item, line, &mut sequence).map_err(|why| {
            let message = format!(
                "invalid @st sequence: invalid ST item {}: {why}",
                quote(item)
            );
            vec![Diagnostic::error(CODE, line, message)]
        })?;
    }
    Ok(sequence)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 285,000 years")]
fn start_item(item: &str, line: Span, into: &mut Sequence) -> Result<(), String> {
    if item == "_" {
        into.push_gap(1, line);
        return Ok(());
    }
    if let Some(count) = item.strip_prefix("_x") {
        let count = repetitions(count)?;
        if count == 0 {
            return Err("invalid repeat count".to_owned());
        }
        into.push_gap(count, line);
        return Ok(());
    }
    let (base, rest) = duration_prefix(item)?;
    if rest.is_empty() {
        into.push_run(base as f64, None, 1, line);
        return Ok(());
    }
    if let Some(count) = rest.strip_prefix('x') {
        into.push_run(
            base as f64,
            None,
            repetitions(count)?.saturating_add(1),
            line,
        );
        return Ok(());
    }
    let sign = match rest.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return Err(format!("unexpected {} after duration", quote(rest))),
    };
    let (delta, rest) =
        duration_prefix(&rest[1..]).map_err(|why| format!("invalid step duration: {why}"))?;
    let count = rest
        .strip_prefix('x')
        .ok_or("expected 'x<count>' after step duration")?;
    let delta = (sign * delta) as f64;
    into.push_run(
        base as f64,
        Some(delta),
        repetitions(count)?.saturating_add(1),
        line,
    );
    Ok(())
}

fn repetitions(text: &str) -> Result<u64, String> {
    if text.starts_with('+') {
        return Err("invalid repeat count".to_owned());
    }
    text.parse().map_err(|_| "invalid repeat count".to_owned())
}

/// The milliseconds of a duration of one unit, with or without a sign, and what follows it.
fn duration_prefix(text: &str) -> Result<(i64, &str), String> {
    let signed = text.strip_prefix(['-', '+']);
    let unsigned = signed.unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(format!("expected digits in duration {}", quote(text)));
    }
    let letters = unsigned[digits..]
        .bytes()
        .take_while(|b| b.is_ascii_alphabetic() && *b != b'x')
        .count();
    let (duration, rest) = unsigned.split_at(digits + letters);
    let millis = Duration::parse(duration)
        .map_err(|why| format!("invalid duration {}: {why}", quote(duration)))?
        .millis();
    Ok((
        if text.starts_with('-') {
            -millis
        } else {
            millis
        },
        rest,
    ))
}
