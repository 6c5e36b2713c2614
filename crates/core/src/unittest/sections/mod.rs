//! The sections of a test that promtool does not have: when alerts change their phase, who is told of
//! it, and how soon an incident is detected.
//!
//! They are looked at in a run of their own, on the slots that production has (with an offset of zero),
//! over the same series as promtool's assertions.

mod read;
mod run;
mod timeline;

use stentor_lang::model::{Duration, Labels, Span};
use stentor_lang::yaml::Spanned;

pub(super) use read::read;
pub(super) use run::run;

/// What a test expects beside promtool's assertions.
#[derive(Debug, Clone, Default)]
pub struct Sections {
    /// The end of the run since its start; else the last sample.
    pub until: Option<Spanned<Duration>>,
    /// When alerts change their phase.
    pub timeline: Option<Listed<ExpectedEpisode>>,
}

/// A list with its place.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The field's name.
    pub key: Span,
    /// The list.
    pub span: Span,
    /// What is listed; empty where nothing of the kind may happen at all.
    pub items: Vec<T>,
}

/// The life of an alert, or of several at once, as a test expects it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedEpisode {
    /// The entry.
    pub span: Span,
    /// Whose.
    pub selector: Selector,
    /// When it became pending.
    pub pending: Option<Spanned<Duration>>,
    /// When it began to fire.
    pub firing: Option<Spanned<Duration>>,
    /// When it ended.
    pub resolved: Option<Spanned<Duration>>,
    /// How many alerts live so.
    pub count: usize,
}

/// Which alerts an entry speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The alert's name.
    pub alertname: String,
    /// Labels that it has, among others; an empty value stands for a label that is not there.
    pub labels: Vec<(String, String)>,
}

impl Sections {
    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.timeline.is_none()
    }
}

impl ExpectedEpisode {
    /// Whether it says that no such alert is ever active.
    pub fn is_never(&self) -> bool {
        self.pending.is_none() && self.firing.is_none() && self.resolved.is_none()
    }
}

impl Selector {
    /// Whether an alert has these labels; its name is not looked at.
    fn has_labels(&self, labels: &Labels) -> bool {
        let mut wanted = self.labels.iter();
        wanted.all(|(name, value)| labels.get(name) == value)
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}", self.alertname)?;
        if !self.labels.is_empty() {
            let labels = Labels::from_pairs(self.labels.iter().map(|(n, v)| (&**n, &**v)));
            write!(f, "{labels}")?;
        }
        f.write_str("`")
    }
}
