//! A store that holds its series in memory: what tests and fixtures are loaded into, and what rules write
//! their results to.
//!
//! A number takes 8 bytes where many series have the same times, as scraped and generated ones do:
//! these are held once.

mod family;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::store::{SampleBuffer, Samples, SeriesId, SeriesStore, StoredSeries};
use crate::model::histogram::Histogram;
use crate::model::number::format_g;
use crate::model::{LabelMap, Labels, METRIC_NAME, MatchOp, Timestamp};
use crate::regex::LabelMatcher;
use family::Family;

/// How many lists of times are remembered to be shared. A fixture has about one for each interval
/// of its sources, and those come together.
const SHARED_CLOCKS: usize = 16;

/// Series in memory. Series are only added, never removed; [`forget`](MemoryStore::forget) takes their samples.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    series: LabelMap<Columns>,
    by_name: BTreeMap<String, Family>,
    /// Lists of times that may fit the next series, the newest last.
    clocks: Vec<Arc<[i64]>>,
}

/// The samples of a series: [`SampleBuffer`], but for the times.
#[derive(Debug, Clone, Default)]
struct Columns {
    times: Times,
    values: Vec<f64>,
    histograms: Vec<Option<Arc<Histogram>>>,
    starts: Vec<i64>,
}

/// Why a store with samples of its own time takes a sample not (Prometheus' `storage` package).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// Another sample is there at that time.
    #[error(
        "duplicate sample for timestamp {at}; overrides not allowed: existing {existing}, new value {new}"
    )]
    Duplicate {
        /// Milliseconds since the epoch.
        at: i64,
        /// What is there, as Prometheus writes it.
        existing: String,
        /// What came, as Prometheus writes it.
        new: String,
    },
    /// A later sample is there.
    #[error("out of order sample")]
    OutOfOrder,
}

#[derive(Debug, Clone)]
enum Times {
    Own(Vec<i64>),
    /// The first so many of a list that others have too.
    Shared(Arc<[i64]>, usize),
}

impl Default for Times {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Times {
    fn as_slice(&self) -> &[i64] {
        match self {
            Self::Own(times) => times,
            Self::Shared(times, count) => &times[..*count],
        }
    }

    fn own(&mut self) -> &mut Vec<i64> {
        if let Self::Shared(times, count) = self {
            *self = Self::Own(times[..*count].to_vec());
        }
        match self {
            Self::Own(times) => times,
            Self::Shared(..) => unreachable!("invariant: made own above"),
        }
    }
}

impl Columns {
    fn as_samples(&self) -> Samples<'_> {
        Samples {
            times: self.times.as_slice(),
            values: &self.values,
            histograms: &self.histograms,
            starts: &self.starts,
        }
    }

    fn into_buffer(self) -> SampleBuffer {
        SampleBuffer {
            times: self.times.as_slice().to_vec(),
            values: self.values,
            histograms: self.histograms,
            starts: self.starts,
        }
    }

    /// The index of the sample at a time, made if it is not there.
    fn place(&mut self, at: i64) -> usize {
        let times = self.times.as_slice();
        let index = match times.last() {
            Some(&last) if last >= at => match times.binary_search(&at) {
                Ok(index) => return index,
                Err(index) => index,
            },
            _ => times.len(),
        };
        self.times.own().insert(index, at);
        self.values.insert(index, 0.0);
        if !self.histograms.is_empty() {
            self.histograms.insert(index, None);
        }
        if !self.starts.is_empty() {
            self.starts.insert(index, 0);
        }
        index
    }
}

/// A list of times that was made longer.
struct Longer {
    before: Arc<[i64]>,
    /// How many of the list before are the beginning.
    count: usize,
    all: Arc<[i64]>,
}

impl Columns {
    /// Whether samples only have to be put behind those that are there, as when a series grows: all
    /// are later, and on both sides there are numbers alone.
    fn takes(&self, later: &SampleBuffer) -> bool {
        let last = self.times.as_slice().last();
        let plain = |histograms: &[_], starts: &[_]| histograms.is_empty() && starts.is_empty();
        last.zip(later.times.first()).is_some_and(|(a, b)| a < b)
            && plain(&self.histograms, &self.starts)
            && plain(&later.histograms, &later.starts)
    }

    /// Adds samples behind the last one. The list of times is one that was made for a series before, if
    /// they are the same.
    fn extend(&mut self, mut new: SampleBuffer, made: &mut Vec<Longer>) {
        let before = self.values.len();
        if !self.histograms.is_empty() || !new.histograms.is_empty() {
            self.histograms.resize(before, None);
            new.histograms.resize(new.times.len(), None);
        }
        if !self.starts.is_empty() || !new.starts.is_empty() {
            self.starts.resize(before, 0);
            new.starts.resize(new.times.len(), 0);
        }
        self.values.append(&mut new.values);
        self.histograms.append(&mut new.histograms);
        self.starts.append(&mut new.starts);
        match &mut self.times {
            Times::Own(times) => times.append(&mut new.times),
            Times::Shared(clock, count) => {
                let same = |longer: &&Longer| {
                    Arc::ptr_eq(&longer.before, clock)
                        && longer.count == *count
                        && longer.all[*count..] == new.times[..]
                };
                let known = made.iter().rev().take(SHARED_CLOCKS).find(same);
                let all = known.map_or_else(
                    || clock[..*count].iter().chain(&new.times).copied().collect(),
                    |longer| Arc::clone(&longer.all),
                );
                if known.is_none() {
                    made.push(Longer {
                        before: Arc::clone(clock),
                        count: *count,
                        all: Arc::clone(&all),
                    });
                }
                (*count, *clock) = (all.len(), all);
            }
        }
    }

    /// Whether a sample is the one that is there already.
    fn meet(
        &self,
        index: usize,
        value: f64,
        histogram: Option<&Arc<Histogram>>,
    ) -> Result<(), AppendError> {
        let there = self.histograms.get(index).and_then(Option::as_ref);
        let same = match (there, histogram) {
            (None, None) => self.values[index].to_bits() == value.to_bits(),
            (there, new) => there == new,
        };
        let word = |value: f64, histogram: Option<&Arc<Histogram>>| match histogram {
            Some(_) => "is a histogram".to_owned(),
            None => format_g(value),
        };
        same.then_some(()).ok_or_else(|| AppendError::Duplicate {
            at: self.times.as_slice()[index],
            existing: word(self.values[index], there),
            new: word(value, histogram),
        })
    }
}

impl MemoryStore {
    /// Adds a number. A sample that is already there at that time is replaced; one from before the
    /// newest is put where it belongs.
    pub fn push(&mut self, labels: &Labels, at: Timestamp, value: f64) {
        let columns = self.columns(labels);
        let index = columns.place(at.millis());
        columns.values[index] = value;
        if let Some(histogram) = columns.histograms.get_mut(index) {
            *histogram = None;
        }
    }

    /// Adds a histogram, as [`push`](Self::push) does a number.
    pub fn push_histogram(&mut self, labels: &Labels, at: Timestamp, histogram: Arc<Histogram>) {
        let columns = self.columns(labels);
        let index = columns.place(at.millis());
        columns.histograms.resize(columns.values.len(), None);
        columns.histograms[index] = Some(histogram);
    }

    /// The series with these labels.
    pub fn find(&self, labels: &Labels) -> Option<SeriesId> {
        let index = self.series.get_index_of(labels)?;
        Some(SeriesId(index as u64))
    }

    /// The time of the newest sample of a series.
    pub fn newest(&self, series: SeriesId) -> Option<Timestamp> {
        let index = usize::try_from(series.0).expect("invariant: an index of this store");
        let last = self.series[index].times.as_slice().last();
        last.map(|at| Timestamp::from_millis(*at))
    }

    /// The series with these labels, made if it is not there: for [`append`](Self::append).
    pub fn series(&mut self, labels: &Labels) -> SeriesId {
        self.columns(labels);
        let index = self.series.get_index_of(labels);
        SeriesId(index.expect("invariant: made above") as u64)
    }

    /// Adds a number, or a histogram in its place, as a database takes a sample that it gets at `now`: one from before the newest up to
    /// then is refused, and so is another one of the same time, unless it is equal. Samples after `now` have
    /// not come yet.
    ///
    /// # Errors
    /// The sample was refused, and the series is as before.
    pub fn append(
        &mut self,
        series: SeriesId,
        at: Timestamp,
        value: f64,
        histogram: Option<&Arc<Histogram>>,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        let index = usize::try_from(series.0).expect("invariant: an index of this store");
        let columns = &mut self.series[index];
        let times = columns.times.as_slice();
        if times.last().is_some_and(|last| *last >= at.millis()) {
            let after = times.partition_point(|time| *time <= at.millis());
            if times.get(after).is_some_and(|time| *time <= now.millis()) {
                return Err(AppendError::OutOfOrder);
            }
            if let Some(there) = after.checked_sub(1).filter(|i| times[*i] == at.millis()) {
                return columns.meet(there, value, histogram);
            }
        }
        let index = columns.place(at.millis());
        columns.values[index] = value;
        if let Some(histogram) = histogram {
            columns.histograms.resize(columns.values.len(), None);
            columns.histograms[index] = Some(Arc::clone(histogram));
        }
        Ok(())
    }

    /// Sets the start timestamp of the sample at that time, which must be there.
    pub fn set_start(&mut self, labels: &Labels, at: Timestamp, start: Timestamp) {
        let columns = self.columns(labels);
        let index = columns.place(at.millis());
        columns.starts.resize(columns.values.len(), 0);
        columns.starts[index] = start.millis();
    }

    /// Adds many samples of a series at once: the way to load one. They may be in any order; of those
    /// at the same time the last stays, and replaces one that is there already. `histograms` and
    /// `starts` are empty or as long as `times` and `values`, as in [`Samples`].
    pub fn insert(&mut self, labels: &Labels, samples: SampleBuffer) {
        let mut samples = samples.in_order();
        if let Some(there) = self.series.get_mut(labels).filter(|c| c.takes(&samples)) {
            there.times.own().append(&mut samples.times);
            there.values.append(&mut samples.values);
            return;
        }
        if let Some(there) = self.series.get_mut(labels).filter(|c| !c.values.is_empty()) {
            let mut all = std::mem::take(there).into_buffer();
            all.merge(samples);
            samples = all;
        }
        let times = self.shared(samples.times);
        samples.values.shrink_to_fit();
        samples.histograms.shrink_to_fit();
        samples.starts.shrink_to_fit();
        *self.columns(labels) = Columns {
            times,
            values: samples.values,
            histograms: samples.histograms,
            starts: samples.starts,
        };
    }

    /// Adds the next part of many series, all at once. Series that had the same times, and get the
    /// same ones again, go on sharing them. Samples that are not later than those that are there are
    /// put where they belong, as [`insert`](Self::insert) does.
    pub fn feed(&mut self, series: impl IntoIterator<Item = (Labels, SampleBuffer)>) {
        let mut made = Vec::new();
        for (labels, samples) in series {
            let Some(first) = samples.times.first() else {
                continue;
            };
            let there = self.series.get_mut(&labels);
            let follows = |columns: &&mut Columns| {
                let times = columns.times.as_slice();
                // For a few samples no list is made anew.
                let many = samples.times.len() >= times.len() / 16;
                times.last().is_some_and(|last| many && last < first)
                    && samples.times.windows(2).all(|pair| pair[0] < pair[1])
            };
            match there.filter(follows) {
                Some(columns) => columns.extend(samples, &mut made),
                None => self.insert(&labels, samples),
            }
        }
        for clock in made.into_iter().rev().take(SHARED_CLOCKS) {
            self.remember(clock.all);
        }
    }

    /// Drops all samples from before an instant. The series stay, and so do their ids.
    pub fn forget(&mut self, before: Timestamp) {
        // The lists of times, those without what is dropped, and how many that is.
        let mut cut: Vec<(Arc<[i64]>, _, usize)> = Vec::new();
        self.clocks.clear();
        for columns in self.series.values_mut() {
            let times = columns.times.as_slice();
            let old = times.partition_point(|at| *at < before.millis());
            if old == 0 {
                continue;
            }
            match &mut columns.times {
                Times::Own(times) => drop(times.drain(..old)),
                Times::Shared(clock, count) => {
                    let known = cut.iter().rev().take(SHARED_CLOCKS);
                    let known = known
                        .clone()
                        .find(|(was, _, gone)| Arc::ptr_eq(was, clock) && *gone == old);
                    let rest = known
                        .map_or_else(|| Arc::from(&clock[old..]), |(_, rest, _)| Arc::clone(rest));
                    if known.is_none() {
                        cut.push((Arc::clone(clock), Arc::clone(&rest), old));
                    }
                    (*clock, *count) = (rest, *count - old);
                }
            }
            columns.values.drain(..old);
            columns
                .histograms
                .drain(..old.min(columns.histograms.len()));
            columns.starts.drain(..old.min(columns.starts.len()));
        }
    }

    /// Takes in the series of another store, as [`insert`](Self::insert) does.
    pub fn merge(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        for (labels, columns) in other.series {
            self.insert(&labels, columns.into_buffer());
        }
    }

    /// Hands out all series with their samples.
    pub fn into_series(self) -> impl Iterator<Item = (Labels, SampleBuffer)> {
        let series = self.series.into_iter();
        series.map(|(labels, columns)| (labels, columns.into_buffer()))
    }

    /// All series with their samples, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&Labels, Samples<'_>)> {
        self.series
            .iter()
            .map(|(labels, columns)| (labels, columns.as_samples()))
    }

    /// Builds the indexes that the first queries would build: for stores that are asked much and change
    /// no more.
    pub fn prepare(&self) {
        for family in self.by_name.values() {
            family.prepare(|index| self.labels(index));
        }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are no series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The samples of a series, made if it is not there.
    fn columns(&mut self, labels: &Labels) -> &mut Columns {
        let index = self.series.get_index_of(labels).unwrap_or_else(|| {
            let name = labels.get(METRIC_NAME);
            if !self.by_name.contains_key(name) {
                self.by_name.insert(name.to_owned(), Family::default());
            }
            let family = self.by_name.get_mut(name);
            let family = family.expect("invariant: inserted above");
            family.add(self.series.len());
            self.series
                .insert_full(labels.clone(), Columns::default())
                .0
        });
        &mut self.series[index]
    }

    /// The times as the part of a list that others have, if they begin alike.
    fn shared(&mut self, times: Vec<i64>) -> Times {
        let count = times.len();
        if let Some(clock) = self.clocks.iter().rev().find(|c| c.starts_with(&times)) {
            return Times::Shared(Arc::clone(clock), count);
        }
        let clock: Arc<[i64]> = times.into();
        self.remember(Arc::clone(&clock));
        Times::Shared(clock, count)
    }

    fn remember(&mut self, clock: Arc<[i64]>) {
        if self.clocks.len() == SHARED_CLOCKS {
            self.clocks.remove(0);
        }
        self.clocks.push(clock);
    }

    fn labels(&self, index: usize) -> &Labels {
        let (labels, _) = self
            .series
            .get_index(index)
            .expect("invariant: series stay");
        labels
    }
}

impl SeriesStore for MemoryStore {
    fn select(&self, matchers: &[LabelMatcher], _: Timestamp, _: Timestamp) -> Vec<StoredSeries> {
        let (of_name, others): (Vec<_>, Vec<_>) = matchers
            .iter()
            .partition(|m| m.matcher().name == METRIC_NAME);
        let exact = of_name
            .iter()
            .map(|m| m.matcher())
            .find(|m| m.op == MatchOp::Equal);
        let families: Vec<&Family> = match exact {
            Some(name) => self
                .by_name
                .get_key_value(&name.value)
                .into_iter()
                .collect(),
            None => self.by_name.iter().collect::<Vec<_>>(),
        }
        .into_iter()
        .filter(|(name, _)| of_name.iter().all(|m| m.matches_value(name)))
        .map(|(_, family)| family)
        .collect();
        let mut found = Vec::new();
        for family in &families {
            family.select(
                &others,
                |index| self.labels(index),
                |index, labels| {
                    found.push(StoredSeries {
                        labels: labels.clone(),
                        id: SeriesId(index as u64),
                    });
                },
            );
        }
        if families.len() > 1 {
            // Labels may stand before the name, as those with capital letters do.
            found.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        found
    }

    fn samples<'a>(
        &'a self,
        series: SeriesId,
        from: Timestamp,
        to: Timestamp,
        _: &'a mut SampleBuffer,
    ) -> Samples<'a> {
        let index = usize::try_from(series.0).expect("invariant: an index of this store");
        let samples = self.series[index].as_samples();
        let first = samples.times.partition_point(|&at| at < from.millis());
        let end = samples.times.partition_point(|&at| at <= to.millis());
        samples.slice(first, end.max(first))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::promql::parse_selector;

    fn numbers(samples: &[(i64, f64)]) -> SampleBuffer {
        SampleBuffer {
            times: samples.iter().map(|(at, _)| *at).collect(),
            values: samples.iter().map(|(_, value)| *value).collect(),
            ..SampleBuffer::default()
        }
    }

    fn labels(name: &str, instance: &str) -> Labels {
        Labels::from_pairs([(METRIC_NAME, name), ("instance", instance)])
    }

    #[track_caller]
    fn check(store: &MemoryStore, selector: &str, expected: &Expect) {
        let matchers: Vec<LabelMatcher> = parse_selector(selector)
            .expect("a selector")
            .iter()
            .map(|m| LabelMatcher::new(m).expect("a matcher"))
            .collect();
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(100));
        let mut shown = String::new();
        for series in store.select(&matchers, from, to) {
            let mut buffer = SampleBuffer::default();
            let samples = store.samples(series.id, from, to, &mut buffer);
            let pairs: Vec<_> = samples.times.iter().zip(samples.values).collect();
            let _ = writeln!(shown, "{} {pairs:?}", series.labels);
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn series_are_selected_in_order_whenever_they_come() {
        let mut store = MemoryStore::default();
        store.push(&labels("b", "2"), Timestamp::from_millis(1), 1.0);
        store.push(&labels("b", "1"), Timestamp::from_millis(1), 1.0);
        check(
            &store,
            "b",
            &expect![[r#"
                {__name__="b", instance="1"} [(1, 1.0)]
                {__name__="b", instance="2"} [(1, 1.0)]
            "#]],
        );
        store.push(&labels("b", "0"), Timestamp::from_millis(1), 1.0);
        let early = Labels::from_pairs([("Zone", "z"), (METRIC_NAME, "c")]);
        store.push(&early, Timestamp::from_millis(1), 1.0);
        check(
            &store,
            r#"{__name__=~"b|c", instance!="1"}"#,
            &expect![[r#"
                {Zone="z", __name__="c"} [(1, 1.0)]
                {__name__="b", instance="0"} [(1, 1.0)]
                {__name__="b", instance="2"} [(1, 1.0)]
            "#]],
        );
        check(&store, r#"{__name__="b", __name__!~"b"}"#, &expect![""]);
    }

    #[test]
    fn large_families_are_selected_as_small_ones() {
        let mut store = MemoryStore::default();
        for index in (0..200).rev() {
            let (job, zone) = (format!("job-{}", index % 50), format!("z{}", index % 2));
            let instance = index.to_string();
            let labels = [(METRIC_NAME, "a"), ("job", &job), ("instance", &instance)];
            let labels = Labels::from_pairs(labels.into_iter().chain([("zone", zone.as_str())]));
            store.push(&labels, Timestamp::from_millis(1), 1.0);
        }
        store.prepare();
        check(
            &store,
            r#"a{zone="z1", job="job-7", instance!="7"}"#,
            &expect![[r#"
                {__name__="a", instance="107", job="job-7", zone="z1"} [(1, 1.0)]
                {__name__="a", instance="157", job="job-7", zone="z1"} [(1, 1.0)]
                {__name__="a", instance="57", job="job-7", zone="z1"} [(1, 1.0)]
            "#]],
        );
        check(&store, r#"a{job="job-7", zone="z0"}"#, &expect![""]);
        check(&store, r#"a{job="job-8", none="x"}"#, &expect![""]);
        check(
            &store,
            r#"a{instance="8", none=""}"#,
            &expect![[r#"
                {__name__="a", instance="8", job="job-8", zone="z0"} [(1, 1.0)]
            "#]],
        );
    }

    #[test]
    fn samples_come_in_any_order_and_the_last_of_a_time_stays() {
        let mut store = MemoryStore::default();
        let a = labels("a", "1");
        store.insert(&a, numbers(&[(30, 3.0), (10, 1.0), (30, 4.0)]));
        store.insert(&a, numbers(&[(20, 2.0), (40, 5.0), (10, 0.0)]));
        store.push(&a, Timestamp::from_millis(50), 6.0);
        store.push(&a, Timestamp::from_millis(15), 1.5);
        store.push(&a, Timestamp::from_millis(200), 0.0);
        check(
            &store,
            "a",
            &expect![[r#"
                {__name__="a", instance="1"} [(10, 0.0), (15, 1.5), (20, 2.0), (30, 4.0), (40, 5.0), (50, 6.0)]
            "#]],
        );
    }

    #[test]
    fn histograms_and_starts_stay_beside_their_samples() {
        let mut store = MemoryStore::default();
        let a = labels("a", "1");
        let at = Timestamp::from_millis;
        store.insert(&a, numbers(&[(10, 1.0), (30, 3.0)]));
        store.push_histogram(&a, at(20), Arc::new(Histogram::default()));
        store.set_start(&a, at(30), at(5));
        store.insert(&a, numbers(&[(40, 4.0), (5, 0.5)]));
        let (_, samples) = store.iter().next().expect("a series");
        assert_eq!(samples.times, [5, 10, 20, 30, 40]);
        assert_eq!(samples.starts, [0, 0, 0, 5, 0]);
        let histograms: Vec<bool> = samples.histograms.iter().map(Option::is_some).collect();
        assert_eq!(histograms, [false, false, true, false, false]);
    }

    #[test]
    fn a_stream_keeps_its_reach_and_shares_its_times() {
        let mut store = MemoryStore::default();
        let part = |times: &[i64]| numbers(&times.iter().map(|at| (*at, 1.0)).collect::<Vec<_>>());
        let all = |times: &[i64]| ["1", "2", "3"].map(|i| (labels("a", i), part(times)));
        store.feed(all(&[10, 20]));
        let id = store.find(&labels("a", "2"));
        store.feed(all(&[30, 40]));
        // Late and repeated samples are put where they belong.
        store.feed([(labels("a", "3"), part(&[25, 30]))]);
        store.forget(Timestamp::from_millis(20));
        store.feed(all(&[50]));
        assert_eq!(store.find(&labels("a", "2")), id);
        check(
            &store,
            "a",
            &expect![[r#"
                {__name__="a", instance="1"} [(20, 1.0), (30, 1.0), (40, 1.0), (50, 1.0)]
                {__name__="a", instance="2"} [(20, 1.0), (30, 1.0), (40, 1.0), (50, 1.0)]
                {__name__="a", instance="3"} [(20, 1.0), (25, 1.0), (30, 1.0), (40, 1.0), (50, 1.0)]
            "#]],
        );
        let clock = |instance: &str| match &store.series[&labels("a", instance)].times {
            Times::Shared(clock, _) => Arc::as_ptr(clock).cast::<i64>(),
            Times::Own(_) => std::ptr::null(),
        };
        assert_eq!(clock("1"), clock("2"));
        assert!(!clock("1").is_null());
        store.forget(Timestamp::from_millis(1000));
        store.feed(all(&[60]));
        assert_eq!(store.iter().map(|(_, s)| s.len()).sum::<usize>(), 3);
    }

    #[test]
    fn equal_times_are_held_once_until_one_changes() {
        let mut store = MemoryStore::default();
        for instance in ["1", "2", "3"] {
            store.insert(&labels("a", instance), numbers(&[(10, 1.0), (20, 2.0)]));
        }
        store.insert(&labels("a", "4"), numbers(&[(10, 1.0)]));
        store.push(&labels("a", "2"), Timestamp::from_millis(30), 3.0);
        let shared = |columns: &&Columns| matches!(&columns.times, Times::Shared(clock, _) if Arc::ptr_eq(clock, &store.clocks[0]));
        assert_eq!(store.series.values().filter(shared).count(), 3);
        check(
            &store,
            r#"a{instance=~"2|4"}"#,
            &expect![[r#"
                {__name__="a", instance="2"} [(10, 1.0), (20, 2.0), (30, 3.0)]
                {__name__="a", instance="4"} [(10, 1.0)]
            "#]],
        );
    }
}
