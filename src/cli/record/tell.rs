//! What was recorded, in words.

use std::fmt::Write as _;
use std::path::Path;

use stentor_core::needs::Needs;
use stentor_lang::model::{Duration, Timestamp};

use super::gather::Gathered;
use super::rename::Renamed;
use crate::history::Told;

/// A fixture that was written.
pub(super) struct Recorded<'a> {
    pub(super) needs: &'a Needs,
    pub(super) gathered: &'a Gathered,
    pub(super) renamed: &'a [Renamed],
    pub(super) told: &'a Told,
    pub(super) window: (Timestamp, Timestamp),
}

impl Recorded<'_> {
    /// Lines for people: what the file holds, and what it does not.
    pub(super) fn summary(&self, path: &Path, bytes: u64) -> String {
        let mut text = String::new();
        let (start, end) = self.window;
        let series = count(self.gathered.store.len(), "series", "series");
        let samples = count(self.gathered.samples, "sample", "samples");
        let path = path.display();
        let _ = writeln!(text, "{path}: {series}, {samples}, {bytes} bytes");
        let _ = writeln!(text, "for evaluations from {start} to {end}");
        let _ = writeln!(text, "{}", self.markers());
        for ((selector, series, samples), need) in self.gathered.found().zip(&self.needs.selectors)
        {
            if samples == 0 {
                let _ = writeln!(text, "  {selector}: matched nothing");
                continue;
            }
            let series = count(series, "series", "series");
            let samples = count(samples, "sample", "samples");
            let _ = writeln!(
                text,
                "  {selector}: {series}, {samples}, {} back",
                need.before
            );
        }
        self.notes(&mut text);
        text
    }

    fn markers(&self) -> String {
        let how = &self.told.how;
        match self.gathered.markers {
            0 if by_remote_read(self.told) => {
                format!("{how}: it tells staleness markers, and there was none")
            }
            // A note says what that means.
            0 => how.clone(),
            markers => {
                let markers = count(markers, "staleness marker", "staleness markers");
                format!("{how}, with {markers}")
            }
        }
    }

    fn notes(&self, text: &mut String) {
        for renamed in self.renamed {
            let values = count(renamed.values, "value", "values");
            let _ = writeln!(text, "renamed {values} of `{}`", renamed.label);
            for selector in &renamed.selectors {
                let label = &renamed.label;
                let _ = writeln!(
                    text,
                    "note: {selector} asks for values of `{label}`, which are others now"
                );
            }
        }
        let back = self.needs.recorded.iter().map(|need| need.before).max();
        if let Some(back) = back.filter(|back| *back > Duration::ZERO) {
            let names: Vec<&str> = self.needs.recorded.iter().map(|need| &*need.text).collect();
            let _ = writeln!(
                text,
                "note: the rules write {} themselves, and read them up to {back} back: they are not recorded, evaluating the rules makes them",
                names.join(", ")
            );
        }
        for name in &self.gathered.left_out {
            let _ = writeln!(
                text,
                "note: series of {name} are left out: the rules write them themselves"
            );
        }
        for note in &self.told.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for unknown in &self.needs.unknown {
            let _ = writeln!(text, "note: not known what it reads: {unknown}");
        }
    }
}

/// Why there is no file.
pub(super) fn nothing(needs: &Needs, window: (Timestamp, Timestamp), told: &Told) -> String {
    let (start, end) = window;
    let mut text = format!(
        "nothing was recorded: {} has no samples that evaluations from {start} to {end} read",
        told.how
    );
    for need in &needs.selectors {
        let _ = write!(text, "\n  {}: matched nothing", need.text);
    }
    text
}

fn by_remote_read(told: &Told) -> bool {
    told.how.starts_with("remote read")
}

fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
