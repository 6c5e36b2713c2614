//! The configuration that was accepted last, as the engine keeps it: the texts of all files, with
//! inline secrets replaced, and the version of the secrets under which the store has those.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_core::engine::Record;
use stentor_core::receiver::{SecretBundle, SecretId};

use super::secrets::Inline;
use super::setup::Sources;
use super::store::Found;

/// Rows of this shape; a later shape has another number.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(crate) struct Accepted {
    version: u32,
    /// Where the store has the inline secrets.
    pub(crate) secrets: Option<SecretId>,
    pub(crate) sources: Sources,
}

impl Accepted {
    /// For sources that are good, without their inline secrets, which the store has under this id.
    pub(crate) fn new(sources: Sources, secrets: Option<SecretId>) -> Self {
        Self {
            version: VERSION,
            secrets,
            sources,
        }
    }

    /// As the engine keeps it.
    pub(crate) fn encode(&self) -> Arc<str> {
        serde_json::to_string(self)
            .expect("invariant: texts are JSON")
            .into()
    }

    /// The one among the rows of a store.
    pub(crate) fn find(rows: &[Found]) -> Option<Self> {
        rows.iter()
            .filter(|row| row.table == "accepted")
            .find_map(
                |row| match Record::decode(&row.table, &row.key, &row.value) {
                    Ok(Record::Accepted { text }) => serde_json::from_str(&text).ok(),
                    _ => None,
                },
            )
            .filter(|accepted: &Self| accepted.version == VERSION)
    }
}

/// Inline secrets as a bundle for the store.
pub(crate) fn bundle(inline: &Inline) -> SecretBundle {
    SecretBundle(inline.0.clone())
}
