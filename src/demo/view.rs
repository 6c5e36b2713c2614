//! What readers see: the demo at one moment, shared and never changed, so that nobody who reads holds the
//! simulation up.

use std::sync::{Arc, OnceLock};

use stentor_core::engine::Snapshot;
use stentor_lang::model::Timestamp;
use stentor_lang::promql::memory::MemoryStore;

use super::CONNECTIONS;
use super::desk::Book;
use super::sinks::Sinks;
use crate::web::live::Page;

/// See the module.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) now: Timestamp,
    /// The series.
    pub(crate) store: Arc<MemoryStore>,
    /// Rules and alerts.
    pub(crate) snapshot: Snapshot,
    /// What the services show.
    pub(crate) sinks: Sinks,
    /// What is remembered of alerts.
    pub(crate) book: Book,
    /// What happens to the fleet.
    pub(crate) scenario: Option<String>,
    /// How many gateways there are.
    pub(crate) gateways: usize,
    /// The page, once somebody has asked for it.
    pub(crate) page: OnceLock<Page>,
}

/// A fleet in words: `26 million connections on 104 gateways`.
pub(crate) fn subtitle(gateways: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand gateways")]
    let millions = gateways as f64 * CONNECTIONS / 1e6;
    format!("{millions} million connections on {gateways} gateways")
}
