//! Where a replay or a record gets raw samples from that are in no file: the history of a live datasource.
//!
//! A [`Source`] hands out chunks in order of time. They are fetched on a thread of
//! their own, one ahead of the one that is in use, and kept on disk for the next time. Nothing is
//! evaluated here, and no sample is made up: what the datasource does not say is an error or a note.

mod api;
mod cache;
mod client;
mod external;
mod fetch;
mod plan;
mod progress;
mod remote;

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use stentor_core::needs::Need;
use stentor_core::receiver::HttpConfig;
use stentor_lang::model::{Labels, Timestamp};
use stentor_lang::promql::store::SampleBuffer;

use crate::daemon::secrets::Inline;

pub(crate) use cache::default_folder;

/// Samples of a stretch of time.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Rules can be evaluated up to this instant: with this chunk all samples are there that are read
    /// up to then. The last chunk's is far in the future.
    pub(crate) until: Timestamp,
    /// Each series once, with its samples in order of time.
    pub(crate) series: Vec<(Labels, SampleBuffer)>,
}

/// Where the samples came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// In words: `remote read of http://…`.
    pub(crate) how: String,
    /// Requests that were sent.
    pub(crate) requests: u64,
    /// Bytes of the answers, those from the cache too.
    pub(crate) bytes: u64,
    /// Whether some answers came from the disk.
    pub(crate) cached: bool,
    /// What a reader of the report has to know.
    pub(crate) notes: Vec<String>,
}

/// No samples, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Error(pub(crate) String);

/// How a datasource is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Read {
    /// By remote read where it is offered, else by the query API
    #[default]
    Auto,
    /// By remote read, which keeps staleness markers
    Remote,
    /// By the query API
    Api,
}

/// What is wanted of a datasource.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The URL below which `/api/v1/query` is.
    pub(crate) url: String,
    /// How it is reached.
    pub(crate) http: HttpConfig,
    /// The secrets that this needs.
    pub(crate) inline: Inline,
    /// What is read.
    pub(crate) selectors: Vec<Need>,
    /// The first evaluation.
    pub(crate) start: Timestamp,
    /// The last evaluation.
    pub(crate) end: Timestamp,
    pub(crate) read: Read,
    /// The folder where answers are kept; `None` where they are not.
    pub(crate) cache: Option<PathBuf>,
    /// Whether to tell on standard error how far it is.
    pub(crate) progress: bool,
}

/// Samples in order of time.
pub(crate) struct Source {
    /// What the thread that fetches sends; `None` once it has ended.
    chunks: Option<Receiver<Fetched>>,
    told: Told,
}

/// A chunk with what is known by then, or an error, which is the last that comes.
type Fetched = Result<(Chunk, Told), Error>;

impl Source {
    /// The history of a datasource. Fetching begins at once.
    pub(crate) fn live(options: Options) -> Result<Self, Error> {
        let told = Told {
            how: format!("history of {}", client::plain(&options.url)),
            ..Told::default()
        };
        let chunks = fetch::start(options)?;
        Ok(Self {
            chunks: Some(chunks),
            told,
        })
    }

    /// Where the samples so far came from.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }
}

impl Iterator for Source {
    type Item = Result<Chunk, Error>;

    /// The next samples. After an error there are none.
    fn next(&mut self) -> Option<Self::Item> {
        let chunks = &mut self.chunks;
        match chunks.as_ref()?.recv() {
            Ok(Ok((chunk, told))) => {
                self.told = told;
                Some(Ok(chunk))
            }
            Ok(Err(error)) => {
                *chunks = None;
                Some(Err(error))
            }
            Err(_) => {
                *chunks = None;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
