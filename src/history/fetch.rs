//! The thread that fetches: chunk by chunk, by the way that the datasource offers.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use stentor_core::needs::Need;
use stentor_lang::model::{Duration, LabelMap, Labels, Timestamp};
use stentor_lang::promql::store::SampleBuffer;

use super::api;
use super::cache::Cache;
use super::client::{Client, Failed, plain};
use super::external;
use super::plan::{Plan, Window, widest};
use super::progress::Progress;
use super::remote;
use super::{Chunk, Error, Fetched, Options, Read, Told};

/// Starts the thread. It waits with each chunk until somebody takes it, so that one at most is ahead.
pub(super) fn start(options: Options) -> Result<Receiver<Fetched>, Error> {
    let client = Client::new(&options.url, options.http.clone(), options.inline.clone())
        .map_err(|why| Error(format!("the datasource {}: {why}", plain(&options.url))))?;
    let (sender, chunks) = sync_channel(0);
    let thread = std::thread::Builder::new().name("history".to_owned());
    let fetcher = Fetcher::new(options, client);
    thread
        .spawn(move || fetcher.run(&sender))
        .map_err(|why| Error(format!("no thread for the datasource's history: {why}")))?;
    Ok(chunks)
}

/// Series by their labels.
pub(super) type Series = LabelMap<SampleBuffer>;

/// Series as they came.
pub(super) type Answer = Vec<(Labels, SampleBuffer)>;

/// A selector and a stretch of time.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) need: &'a Need,
    pub(super) window: Window,
}

/// A datasource with the ways to ask it, and what came of it so far.
pub(super) struct Fetcher {
    pub(super) client: Client,
    pub(super) cache: Cache,
    pub(super) told: Told,
    read: Read,
    way: Way,
    /// Labels that remote read adds; asked for with its first answer.
    added: Option<Vec<(String, String)>>,
    selectors: Vec<Need>,
    start: Timestamp,
    end: Timestamp,
    progress: Progress,
}

/// How the datasource is asked at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Remote,
    Api,
}

/// Why a request gave no samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The datasource has no such way.
    NotOffered(String),
    /// Something failed.
    Failed(Failed),
}

impl From<Failed> for Refused {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl Fetcher {
    fn new(options: Options, client: Client) -> Self {
        let url = plain(&options.url);
        let way = match options.read {
            Read::Auto | Read::Remote => Way::Remote,
            Read::Api => Way::Api,
        };
        let mut fetcher = Self {
            client,
            cache: Cache::new(options.cache, &url),
            told: Told::default(),
            read: options.read,
            way,
            added: None,
            selectors: widest(options.selectors),
            start: options.start,
            end: options.end,
            progress: Progress::new(options.progress),
        };
        fetcher.go(way);
        fetcher
    }

    /// From now on asks this way.
    fn go(&mut self, way: Way) {
        self.way = way;
        let url = self.client.shown();
        self.told.how = match way {
            Way::Remote => format!("remote read of {url}"),
            Way::Api => format!("query API of {url}"),
        };
        if way == Way::Api {
            self.note(api::NOTE.to_owned());
        }
    }

    fn run(mut self, chunks: &SyncSender<Fetched>) {
        let reach = |of: fn(&Need) -> Duration| {
            let reaches = self.selectors.iter().map(of);
            reaches.max().unwrap_or(Duration::ZERO)
        };
        let begin = self.start - reach(|need| need.before);
        let mut plan = Plan::new(self.start, self.end, reach(|need| need.after));
        let mut first = true;
        let mut total = 0;
        while let Some((window, until)) = plan.next() {
            let fetched = self.chunk(window, first);
            first = false;
            let fetched = fetched.map(|series| {
                let samples = series.values().map(|samples| samples.times.len()).sum();
                plan.held(window, samples);
                total += samples;
                self.progress.show(plan.done(begin), total, &self.told);
                let chunk = Chunk {
                    until,
                    series: series.into_iter().collect(),
                };
                (chunk, self.told.clone())
            });
            let failed = fetched.is_err();
            // Who wants no more chunks has dropped the other end.
            if chunks.send(fetched).is_err() || failed {
                break;
            }
        }
        self.progress.end();
        self.cache.trim();
    }

    /// The samples of a stretch, and with the first one those from before that its evaluations read.
    fn chunk(&mut self, window: Window, first: bool) -> Result<Series, Error> {
        let selectors = std::mem::take(&mut self.selectors);
        let mut asks = Vec::new();
        for need in &selectors {
            let mut own = window;
            if first {
                // A range begins behind its first instant; the look-back has it.
                own.after = (self.start - need.before).millis().saturating_sub(1);
                asks.extend(need.fixed.iter().map(|(from, to)| Ask {
                    need,
                    window: Window {
                        after: from.millis().saturating_sub(1),
                        to: to.millis(),
                    },
                }));
            }
            // What is only read at fixed times is there already.
            if need.before > -need.after {
                asks.push(Ask { need, window: own });
            }
        }
        let mut series = Series::default();
        let fetched = self.fetch(&asks, &mut series);
        self.selectors = selectors;
        fetched.map(|()| series)
    }

    fn fetch(&mut self, asks: &[Ask<'_>], series: &mut Series) -> Result<(), Error> {
        if self.way == Way::Remote {
            return self.halving(asks, series);
        }
        for ask in asks {
            self.halving(std::slice::from_ref(ask), series)?;
        }
        Ok(())
    }

    /// Asks; what is too much at once is asked for in halves.
    fn halving(&mut self, asks: &[Ask<'_>], series: &mut Series) -> Result<(), Error> {
        let answer = match self.way {
            Way::Remote => remote::ask(self, asks).map(|series| self.own_labels(series)),
            Way::Api => api::ask(self, &asks[0]),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(Refused::NotOffered(why)) if self.read == Read::Auto => {
                self.note(format!("remote read is not offered: {why}"));
                self.go(Way::Api);
                return self.fetch(asks, series);
            }
            Err(Refused::NotOffered(why)) => return Err(self.error(asks, &why)),
            Err(Refused::Failed(failed)) => {
                let halves = |ask: &Ask<'_>| ask.window.halves().filter(|_| failed.less);
                let halves: Option<Vec<_>> = asks.iter().map(halves).collect();
                let Some(halves) = halves else {
                    return Err(self.error(asks, &failed.message));
                };
                for half in 0..2 {
                    let part = asks.iter().zip(&halves).map(|(ask, halves)| Ask {
                        need: ask.need,
                        window: halves[half],
                    });
                    self.halving(&part.collect::<Vec<_>>(), series)?;
                }
                return Ok(());
            }
        };
        for (labels, samples) in answer {
            join(series, labels, samples);
        }
        Ok(())
    }

    /// The series as rules see them: without the labels that remote read adds.
    fn own_labels(&mut self, mut series: Answer) -> Answer {
        let added = match self.added.take() {
            Some(added) => added,
            None => self.external_labels(),
        };
        if !added.is_empty() {
            let names: Vec<&str> = added.iter().map(|(name, _)| &**name).collect();
            self.note(format!(
                "remote read adds the server's external labels, which were taken off: {}",
                names.join(", ")
            ));
            for (labels, _) in &mut series {
                *labels = external::without(labels, &added);
            }
        }
        self.added = Some(added);
        series
    }

    /// What was kept beside answers that were kept is asked for with the first one that is not.
    fn external_labels(&mut self) -> Vec<(String, String)> {
        const KEY: &str = "status/config";
        let kept = if self.told.cached {
            self.cache.get(KEY, &mut self.told)
        } else {
            None
        };
        let status = kept.or_else(|| {
            let status = external::ask(&self.client)?;
            self.cache.put(KEY, 0, &[&status], &mut self.told);
            Some(status)
        });
        let labels = status.and_then(|status| external::read(&status));
        labels.unwrap_or_default()
    }

    fn error(&self, asks: &[Ask<'_>], why: &str) -> Error {
        let selectors: Vec<&str> = asks.iter().map(|ask| &*ask.need.text).collect();
        let at = |millis: i64| Timestamp::from_millis(millis).rfc3339();
        let from = asks.iter().map(|ask| ask.window.after).min();
        let to = asks.iter().map(|ask| ask.window.to).max();
        Error(format!(
            "{}: the samples of {} from {} to {}: {why}",
            self.client.shown(),
            selectors.join(", "),
            at(from.unwrap_or_default()),
            at(to.unwrap_or_default()),
        ))
    }

    /// Says something once.
    pub(super) fn note(&mut self, note: String) {
        if !self.told.notes.contains(&note) {
            self.told.notes.push(note);
        }
    }
}

/// Adds samples of a series, of which some may be there by another selector.
fn join(series: &mut Series, labels: Labels, samples: SampleBuffer) {
    match series.get_mut(&labels) {
        Some(there) => there.merge(samples),
        None => drop(series.insert(labels, samples)),
    }
}
