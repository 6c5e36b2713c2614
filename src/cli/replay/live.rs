//! A replay over the history of a live datasource: its samples come in chunks, and what no rule reads again
//! is dropped, so that a month fits into memory.

use std::path::PathBuf;

use stentor_core::needs::{self, Needs};
use stentor_core::receiver::HttpConfig;
use stentor_core::replay::Run;
use stentor_core::timeline::{Bodies, Recorder, Timeline};
use stentor_lang::model::{Duration, Timestamp};
use stentor_lang::promql::memory::MemoryStore;

use super::setting::Setting;
use crate::daemon::secrets::Inline;
use crate::history::{self, Error, Read, Source, Told};

/// The arguments that name a datasource's history.
#[derive(Debug, clap::Args)]
pub(super) struct Live {
    /// Replay the history of this server, in place of files
    #[arg(long = "datasource.url", value_name = "URL", conflicts_with = "input", requires_all = ["start", "end"])]
    pub(super) url: Option<String>,
    /// How the server's samples are read
    #[arg(long, value_enum, default_value = "auto", requires = "url")]
    read: Read,
    /// Where the server's answers are kept for the next time; the default is the user's cache folder
    #[arg(long = "cache.path", value_name = "DIR", requires = "url")]
    cache: Option<PathBuf>,
    /// Keep no answers, and use none that were kept
    #[arg(long, requires = "url", conflicts_with = "cache")]
    no_cache: bool,
}

impl Live {
    /// The samples that the rules need from a server between two instants.
    pub(super) fn open(
        &self,
        url: &str,
        needs: &Needs,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Source, Error> {
        let cache = self.cache.clone().or_else(history::default_folder);
        Source::live(history::Options {
            url: url.to_owned(),
            http: HttpConfig::default(),
            inline: Inline::default(),
            selectors: needs.selectors.clone(),
            start,
            end,
            read: self.read,
            cache: cache.filter(|_| !self.no_cache),
            progress: true,
        })
    }
}

/// What the rules read.
pub(super) fn needs_of(setting: &Setting, start: Timestamp, end: Timestamp) -> Needs {
    let options = setting.options(start, end);
    needs::needs(
        &setting.groups,
        &needs::Options {
            query_offset: options.query_offset,
            ..needs::Options::default()
        },
    )
}

/// How far back samples are read again; `None` where some are read whenever rules are evaluated.
fn reach(needs: &Needs) -> Option<Duration> {
    let mut all = needs.selectors.iter().chain(&needs.recorded);
    if !needs.unknown.is_empty() || all.clone().any(|need| !need.fixed.is_empty()) {
        return None;
    }
    let farthest = all.by_ref().map(|need| need.before).max();
    Some(farthest.unwrap_or_default().max(Duration::ZERO))
}

/// All that happens from start to end, over samples as they come.
pub(super) fn go(
    setting: &Setting,
    mut source: Source,
    needs: &Needs,
    start: Timestamp,
    end: Timestamp,
) -> Result<(Timeline, Told), Error> {
    let store = MemoryStore::default();
    let mut run = Run::new(setting.groups.clone(), store, setting.options(start, end));
    let mut recorder = Recorder::new(&setting.groups, &run.snapshot(), start, Bodies::Drop);
    let reach = reach(needs);
    while let Some(chunk) = source.next() {
        let chunk = chunk?;
        if let Some(reach) = reach {
            run.forget(run.now() - reach);
        }
        run.feed(chunk.series);
        let until = chunk.until.min(end);
        loop {
            let errors = run.advance(until, &mut recorder);
            if errors.is_empty() {
                break;
            }
            recorder.failed(errors);
        }
    }
    Ok((recorder.finish(end), source.told().clone()))
}
