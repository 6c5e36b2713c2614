//! Durable records: the newest value, or the removal, of one entity under its key. The store keeps
//! the newest row of each key, and recovery applies rows in any order.
//!
//! Rows are JSON with a version, so that an operator can read them and a later Stentor can too.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stentor_lang::model::Timestamp;

use super::gaps::Sight;
use super::group::SlotKey;
use super::meta::{MetaAlert, MetaKey};
use super::rules::{Datasource, Rule, RuleKey, RuleNo};
use crate::alert::{Instance, InstanceNo};
use crate::notify;
use crate::rulefile::StoredRule;

/// The version of the rows written here.
const VERSION: u32 = 1;

/// One change of durable state.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A rule that has alerts: enough to show and end these without its file.
    Rule {
        /// Which rule.
        no: RuleNo,
        /// `None` where it has no alerts any more.
        row: Option<Box<RuleRow>>,
    },
    /// An alert of a rule.
    Instance {
        /// The rule.
        rule: RuleNo,
        /// Which of its alerts.
        no: InstanceNo,
        /// `None` where it is forgotten.
        row: Option<Instance>,
    },
    /// The newest finished slot of a rule group.
    Cursor {
        /// Which group.
        key: SlotKey,
        /// `None` where the group is gone.
        at: Option<Timestamp>,
    },
    /// A meta-alert.
    Meta {
        /// Which one.
        key: MetaKey,
        /// `None` where it ended.
        row: Option<MetaAlert>,
    },
    /// The configuration that was accepted last.
    Accepted {
        /// Its text, with references in the place of secrets.
        text: Arc<str>,
    },
    /// What notification keeps.
    Notify(notify::Record),
}

/// What is durable of a rule besides its alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleRow {
    /// What it is known by.
    pub key: RuleKey,
    /// Its data source.
    pub datasource: Datasource,
    /// What the user wrote.
    pub rule: StoredRule,
    /// How well it sees.
    pub sight: Sight,
}

impl RuleRow {
    pub(super) fn of(rule: &Rule) -> Self {
        Self {
            key: rule.key.clone(),
            datasource: (*rule.def.datasource).clone(),
            rule: StoredRule::from(&*rule.def.rule),
            sight: rule.sight,
        }
    }
}

/// A record as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The kind of entity.
    pub table: &'static str,
    /// Its key.
    pub key: String,
    /// Its value; `None` removes it.
    pub value: Option<String>,
}

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A kind of row that this version does not know.
    #[error("unknown kind of row {0:?}")]
    UnknownTable(String),
    /// Written by a later version.
    #[error("row {table}/{key} has version {version}; this program reads up to {VERSION}")]
    Version {
        /// The kind of entity.
        table: String,
        /// Its key.
        key: String,
        /// The version found.
        version: u32,
    },
    /// Not what a row of this kind looks like.
    #[error("row {table}/{key}: {error}")]
    Malformed {
        /// The kind of entity.
        table: String,
        /// Its key.
        key: String,
        /// What is wrong.
        error: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    row: T,
}

const RULE: &str = "rule";
const INSTANCE: &str = "instance";
const CURSOR: &str = "cursor";
const META: &str = "meta";
const ACCEPTED: &str = "accepted";
const ALERT: &str = "alert";
const GROUP: &str = "group";
const TOLD: &str = "told";
const JOB: &str = "job";
/// Rows that only remove: the shell deletes the version of the secrets that the key names.
pub const SECRET: &str = "secret";

impl Record {
    /// As a row.
    pub fn encode(&self) -> Row {
        match self {
            Self::Rule { no, row } => encode(RULE, no, row.as_ref()),
            Self::Instance { rule, no, row } => encode(INSTANCE, &(rule, no), row.as_ref()),
            Self::Cursor { key, at } => encode(CURSOR, key, at.as_ref()),
            Self::Meta { key, row } => encode(META, key, row.as_ref()),
            Self::Accepted { text } => encode(ACCEPTED, &(), Some(text)),
            Self::Notify(notify::Record::Alert { no, row }) => encode(ALERT, no, row.as_ref()),
            Self::Notify(notify::Record::Group { no, row }) => encode(GROUP, no, row.as_ref()),
            Self::Notify(notify::Record::Told { group, lane, row }) => {
                encode(TOLD, &(group, lane), row.as_ref())
            }
            Self::Notify(notify::Record::Job { no, row }) => encode(JOB, no, row.as_ref()),
            Self::Notify(notify::Record::Secret { id }) => encode(SECRET, id, None::<&()>),
        }
    }

    /// Whether a receiver was really told of something that has not ended: what a dry run on the
    /// same store would call resolved without telling anybody.
    pub fn is_open_incident(&self) -> bool {
        match self {
            Self::Notify(notify::Record::Told { row: Some(row), .. }) => row.is_open() && !row.dry,
            _ => false,
        }
    }

    /// From a row as [`Record::encode`] wrote it.
    pub fn decode(table: &str, key: &str, value: &str) -> Result<Self, RecordError> {
        let row = RowText { table, key, value };
        Ok(match table {
            RULE => Self::Rule {
                no: row.key()?,
                row: Some(row.value()?),
            },
            INSTANCE => {
                let (rule, no) = row.key()?;
                Self::Instance {
                    rule,
                    no,
                    row: Some(row.value()?),
                }
            }
            CURSOR => Self::Cursor {
                key: row.key()?,
                at: Some(row.value()?),
            },
            META => Self::Meta {
                key: row.key()?,
                row: Some(row.value()?),
            },
            ACCEPTED => Self::Accepted { text: row.value()? },
            ALERT => Self::Notify(notify::Record::Alert {
                no: row.key()?,
                row: Some(row.value()?),
            }),
            GROUP => Self::Notify(notify::Record::Group {
                no: row.key()?,
                row: Some(row.value()?),
            }),
            TOLD => {
                let (group, lane) = row.key()?;
                let row = Some(row.value()?);
                Self::Notify(notify::Record::Told { group, lane, row })
            }
            JOB => Self::Notify(notify::Record::Job {
                no: row.key()?,
                row: Some(row.value()?),
            }),
            _ => return Err(RecordError::UnknownTable(table.to_owned())),
        })
    }
}

fn encode<K: Serialize, V: Serialize>(table: &'static str, key: &K, value: Option<V>) -> Row {
    let json = "invariant: rows have text keys and no values that JSON lacks";
    Row {
        table,
        key: serde_json::to_string(key).expect(json),
        value: value.map(|row| serde_json::to_string(&Versioned { v: VERSION, row }).expect(json)),
    }
}

struct RowText<'a> {
    table: &'a str,
    key: &'a str,
    value: &'a str,
}

impl RowText<'_> {
    fn key<T: DeserializeOwned>(&self) -> Result<T, RecordError> {
        serde_json::from_str(self.key).map_err(|error| self.malformed(error))
    }

    fn value<T: DeserializeOwned>(&self) -> Result<T, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let read: Result<Versioned<T>, _> = serde_json::from_str(self.value);
        match read {
            Ok(read) if read.v <= VERSION => Ok(read.row),
            Ok(read) => Err(self.version(read.v)),
            // A later version may have another shape: its version is the better thing to say.
            Err(error) => match serde_json::from_str::<Version>(self.value) {
                Ok(later) if later.v > VERSION => Err(self.version(later.v)),
                _ => Err(self.malformed(error)),
            },
        }
    }

    fn version(&self, version: u32) -> RecordError {
        RecordError::Version {
            table: self.table.to_owned(),
            key: self.key.to_owned(),
            version,
        }
    }

    fn malformed(&self, error: serde_json::Error) -> RecordError {
        RecordError::Malformed {
            table: self.table.to_owned(),
            key: self.key.to_owned(),
            error,
        }
    }
}
