//! `stentor demo`: a simulated real-time backend, the engine with the rules of `rules/`, and the services
//! that it tells, in one process.
//!
//! [`Demo`] is all of it in virtual time: a function of its options, which reads no clock. [`live`] lets it
//! follow the wall clock, and [`http`] shows it.

mod backend;
mod desk;
pub(crate) mod http;
mod incidents;
pub(crate) mod live;
mod pace;
mod page;
mod setup;
mod sinks;
mod view;

use std::sync::{Arc, OnceLock};

use stentor_core::replay::Run;
use stentor_lang::model::{Duration, Timestamp};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::SampleBuffer;

use backend::{Backend, CLUSTERS, CONNECTIONS, STEP};
use desk::Desk;

pub(crate) use backend::Size;
pub(crate) use desk::{Happening, Kind};
pub(crate) use pace::SPEEDS;
pub(crate) use view::View;

/// How much history there is at the start: as far as the rules look back to know what is usual.
const HISTORY: Duration = Duration::from_hours(2);
/// How long samples are kept: what pages look at, and more than most rules; so memory stays as it is.
const KEPT: Duration = Duration::from_hours(3);
/// Old samples are dropped this often.
const FORGET: Duration = Duration::from_mins(5);
/// How many gateways there are in each cluster.
pub(crate) const GATEWAYS: usize = 52;

/// What is simulated, and from when on.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The fleet.
    pub(crate) size: Size,
    /// The first instant: a whole minute, so that slots fall as they do at any other start.
    pub(crate) start: Timestamp,
    /// Where the page is.
    pub(crate) url: Arc<str>,
}

/// The backend, the engine and the services at one moment.
#[derive(Debug)]
pub(crate) struct Demo {
    options: Options,
    backend: Backend,
    run: Run,
    desk: Desk,
    /// Up to when it was told what happens to the fleet.
    told: Duration,
    samples: Vec<f64>,
}

impl Demo {
    /// At its start, with its history.
    ///
    /// # Errors
    /// The rules or the configuration in the program are wrong, which its tests find.
    pub(crate) fn new(options: Options) -> Result<Self, String> {
        let groups = setup::rules()?;
        let (routing, secrets) = setup::receivers()?;
        let steps = HISTORY.millis() / STEP.millis();
        let mut backend = Backend::new(options.size, options.start, steps);
        let mut store = MemoryStore::default();
        let steps = usize::try_from(steps).expect("invariant: a few hundred steps");
        for (labels, samples) in backend.history(steps) {
            store.insert(&labels, samples);
        }
        let desk = Desk::new(secrets);
        let run = Run::new(groups, store, setup::run_options(&options, routing));
        Ok(Self {
            told: Duration::from_millis(-1),
            options,
            backend,
            run,
            desk,
            samples: Vec::new(),
        })
    }

    /// Goes on until `to`, included: what happened.
    pub(crate) fn advance(&mut self, to: Timestamp) -> Vec<Happening> {
        while self.backend.next() <= to {
            let at = self.backend.next();
            self.evaluate(at - Duration::from_millis(1));
            self.scrape(at);
        }
        self.evaluate(to);
        self.desk.take_happenings()
    }

    /// The next instant at which the fleet is scraped.
    pub(crate) fn next_scrape(&self) -> Timestamp {
        self.backend.next()
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.run.now()
    }

    /// All that there is to see now.
    pub(crate) fn view(&self) -> View {
        let since_start = self.now() - self.options.start;
        View {
            now: self.now(),
            store: Arc::new(self.run.store().clone()),
            snapshot: self.run.snapshot(),
            sinks: self.desk.sinks().clone(),
            book: self.desk.book().clone(),
            scenario: incidents::present(since_start, self.options.size.gateways),
            gateways: self.gateways(),
            page: OnceLock::new(),
        }
    }

    /// What is simulated, in words.
    pub(crate) fn subtitle(&self) -> String {
        view::subtitle(self.gateways())
    }

    fn gateways(&self) -> usize {
        self.options.size.gateways * CLUSTERS.len()
    }

    fn evaluate(&mut self, to: Timestamp) {
        loop {
            let errors = self.run.advance(to, &mut self.desk);
            if errors.is_empty() {
                return;
            }
            self.desk.failed(errors);
        }
    }

    fn scrape(&mut self, at: Timestamp) {
        let gateways = self.options.size.gateways;
        let since_start = at - self.options.start;
        for news in incidents::news(self.told, since_start, gateways) {
            self.desk.happened(self.options.start + news.at, &news);
        }
        self.told = since_start;
        let weather = incidents::weather(since_start, gateways);
        self.backend.scrape(&weather, &mut self.samples);
        let sample = |value: &f64| SampleBuffer {
            times: vec![at.millis()],
            values: vec![*value],
            ..SampleBuffer::default()
        };
        let series = self.backend.series().iter().cloned();
        let samples = series.zip(self.samples.iter().map(sample));
        self.run.feed(samples.collect());
        if since_start.millis() % FORGET.millis() == 0 {
            self.run.forget(at - KEPT);
        }
    }
}

#[cfg(test)]
mod tests;
