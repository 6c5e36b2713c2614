//! Two versions of rules or routes over the same data: which pages and alerts come, go, move or reach
//! somebody else, and why.
//!
//! Two pages are the same where they tell one integration, no farther apart than an interval, of the same
//! group or of an alert that is the same but for the labels that rules set.

use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, Timestamp};

use super::receivers::{opens, pages_people};
use super::{Report, reason};
use crate::notify::Routing;
use crate::receiver::{IntegrationKey, Status};
use crate::rulefile::RuleGroup;
use crate::timeline::{Episode, Notification};

/// What lies farther apart is not one thing that moved, but two.
const FARTHEST_SHIFT: Duration = Duration::from_hours(1);

/// A version with its report.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What came of it.
    pub report: &'a Report,
    /// Its rules.
    pub groups: &'a [Arc<RuleGroup>],
    /// Its routes; none where nobody is told.
    pub routing: Option<&'a Routing>,
}

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// Pages, by time.
    pub pages: Vec<PageChange>,
    /// Pages that are as before.
    pub same_pages: usize,
    /// Alerts that fired, by time.
    pub alerts: Vec<AlertChange>,
    /// Alerts that fired as before.
    pub same_alerts: usize,
    /// All notifications: of the old version and of the new.
    pub messages: (usize, usize),
}

/// How a page differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Only the new version has it.
    Added,
    /// Only the old version has it.
    Removed,
    /// It comes at another time.
    Shifted,
    /// Somebody else gets it.
    ReRouted,
}

/// A page at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// When it is sent.
    pub at: Timestamp,
    /// To whom.
    pub integration: IntegrationKey,
    /// Whether it wakes somebody there: a page may move to where it does not.
    pub pages_people: bool,
    /// By what its alerts are grouped.
    pub group_labels: Labels,
    /// The alerts that fire in it.
    pub alerts: Vec<Labels>,
}

/// A page that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct PageChange {
    /// How.
    pub change: Change,
    /// What the old version sends.
    pub old: Option<Page>,
    /// What the new version sends.
    pub new: Option<Page>,
    /// Why, in words.
    pub reason: String,
}

/// An alert that fires differently.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertChange {
    /// How.
    pub change: Change,
    /// Its labels, of the new version where there is one.
    pub labels: Labels,
    /// When it fired in the old version.
    pub old: Option<Timestamp>,
    /// When it fires in the new version.
    pub new: Option<Timestamp>,
    /// Why, in words.
    pub reason: String,
}

impl Change {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Shifted => "shifted",
            Self::ReRouted => "re-routed",
        }
    }
}

impl Comparison {
    /// Pages that people get more: added ones, and those that moved to where they wake somebody.
    pub fn added_pages(&self) -> usize {
        let wakes = |page: &Option<Page>| page.as_ref().is_some_and(|page| page.pages_people);
        let pages = self.pages.iter();
        pages
            .filter(|page| wakes(&page.new) && !wakes(&page.old))
            .count()
    }

    /// Pages that people get no more.
    pub fn removed_pages(&self) -> usize {
        let wakes = |page: &Option<Page>| page.as_ref().is_some_and(|page| page.pages_people);
        let pages = self.pages.iter();
        pages
            .filter(|page| wakes(&page.old) && !wakes(&page.new))
            .count()
    }

    /// By how many notifications the new version sends more.
    pub fn added_messages(&self) -> usize {
        self.messages.1.saturating_sub(self.messages.0)
    }
}

impl Change {
    fn of(old: Option<Timestamp>, new: Option<Timestamp>) -> Self {
        match (old, new) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            _ => Self::Shifted,
        }
    }
}

/// Compares two runs over the same data.
pub fn compare(old: Side<'_>, new: Side<'_>) -> Comparison {
    let names = SetNames::of(old, new);
    let mut comparison = Comparison {
        messages: (messages(old), messages(new)),
        ..Comparison::default()
    };
    compare_pages(old, new, &names, &mut comparison);
    compare_alerts(old, new, &names, &mut comparison);
    comparison
}

fn messages(side: Side<'_>) -> usize {
    side.report.timeline.notifications.len()
}

/// The names of labels that rules or external labels set: alerts that differ in these alone are one.
struct SetNames(BTreeSet<String>);

impl SetNames {
    fn of(old: Side<'_>, new: Side<'_>) -> Self {
        let mut names = BTreeSet::new();
        for side in [old, new] {
            for rule in &side.report.timeline.rules {
                names.extend(rule.rule.labels.iter().map(|(name, _)| name.clone()));
            }
            let external = &side.report.options.external_labels;
            names.extend(external.iter().map(|(name, _)| name.to_owned()));
        }
        names.remove("alertname");
        Self(names)
    }

    fn identity(&self, labels: &Labels) -> Labels {
        let own = labels.iter().filter(|(name, _)| !self.0.contains(*name));
        Labels::from_pairs(own)
    }
}

/// Something at a time that can be what something else is.
struct Item<T> {
    at: Timestamp,
    keys: BTreeSet<Labels>,
    /// How far it may be from its like and still be the same.
    tolerance: Duration,
    what: T,
}

/// The pairs of old and new that `alike` allows, the closest in time first, each taken once.
fn pairs<T>(
    old: &[Item<T>],
    new: &[Item<T>],
    taken: &mut (BTreeSet<usize>, BTreeSet<usize>),
    alike: impl Fn(&Item<T>, &Item<T>) -> bool,
) -> Vec<(usize, usize)> {
    let mut near = Vec::new();
    let mut first = 0;
    for (i, a) in old.iter().enumerate().filter(|(i, _)| !taken.0.contains(i)) {
        while new
            .get(first)
            .is_some_and(|b| a.at.since(b.at) > FARTHEST_SHIFT)
        {
            first += 1;
        }
        let within = new.iter().enumerate().skip(first);
        let within = within.take_while(|(_, b)| b.at.since(a.at) <= FARTHEST_SHIFT);
        for (j, b) in within.filter(|(j, _)| !taken.1.contains(j)) {
            if alike(a, b) {
                near.push((b.at.since(a.at).millis().abs(), i, j));
            }
        }
    }
    near.sort_unstable();
    let mut found = Vec::new();
    for (_, i, j) in near {
        if !taken.0.contains(&i) && !taken.1.contains(&j) {
            taken.0.insert(i);
            taken.1.insert(j);
            found.push((i, j));
        }
    }
    found
}

fn is_same<T>(a: &Item<T>, b: &Item<T>) -> bool {
    b.at.since(a.at).millis().abs() <= a.tolerance.max(b.tolerance).millis()
}

fn share<T>(a: &Item<T>, b: &Item<T>) -> bool {
    a.keys.iter().any(|key| b.keys.contains(key))
}

/// A page of one side, where it has one.
type Maybe<'a> = Option<&'a Item<Page>>;

fn compare_pages(old: Side<'_>, new: Side<'_>, names: &SetNames, out: &mut Comparison) {
    let (olds, news) = (pages(old, names), pages(new, names));
    let mut taken = (BTreeSet::new(), BTreeSet::new());
    let of_one = pairs(&olds, &news, &mut taken, |a, b| {
        a.what.integration == b.what.integration
            && (a.what.group_labels == b.what.group_labels || share(a, b))
    });
    let re_routed = pairs(&olds, &news, &mut taken, share);
    let mut changed: Vec<(Change, Maybe<'_>, Maybe<'_>)> = Vec::new();
    for (i, j) in of_one {
        let (a, b) = (&olds[i], &news[j]);
        let wakes = a.what.pages_people || b.what.pages_people;
        if a.what.pages_people == b.what.pages_people && is_same(a, b) {
            out.same_pages += usize::from(wakes);
        } else {
            changed.push((Change::Shifted, Some(a), Some(b)));
        }
    }
    for (i, j) in re_routed {
        changed.push((Change::ReRouted, Some(&olds[i]), Some(&news[j])));
    }
    let left = olds
        .iter()
        .enumerate()
        .filter(|(i, _)| !taken.0.contains(i));
    changed.extend(left.map(|(_, a)| (Change::Removed, Some(a), None)));
    let left = news
        .iter()
        .enumerate()
        .filter(|(i, _)| !taken.1.contains(i));
    changed.extend(left.map(|(_, b)| (Change::Added, None, Some(b))));
    for (change, a, b) in changed {
        let (a, b) = (a.map(|a| &a.what), b.map(|b| &b.what));
        if [a, b].into_iter().flatten().any(|page| page.pages_people) {
            out.pages.push(PageChange {
                change,
                reason: reason::of_page(old, new, a, b),
                old: a.cloned(),
                new: b.cloned(),
            });
        }
    }
    out.pages.sort_by_key(|page| {
        let at = page.new.as_ref().or(page.old.as_ref()).map(|page| page.at);
        (at, page.change)
    });
}

/// What opens incidents, whether it wakes somebody or not: a page may have moved there.
fn pages(side: Side<'_>, names: &SetNames) -> Vec<Item<Page>> {
    let report = side.report;
    let told = report
        .timeline
        .notifications
        .iter()
        .filter(|told| opens(told));
    let item = |told: &Notification| {
        let firing = told
            .alerts
            .iter()
            .filter(|alert| alert.status == Status::Firing);
        let alerts: Vec<Labels> = firing.map(|alert| alert.labels.clone()).collect();
        let rules = alerts.iter().map(|labels| labels.get("alertname"));
        Item {
            at: told.at,
            keys: alerts.iter().map(|labels| names.identity(labels)).collect(),
            tolerance: rules
                .map(|name| interval(report, name))
                .max()
                .unwrap_or_default(),
            what: Page {
                at: told.at,
                integration: told.integration.clone(),
                pages_people: pages_people(&told.integration, &report.options),
                group_labels: told.group_labels.clone(),
                alerts,
            },
        }
    };
    told.map(item).collect()
}

/// The longest interval of the rules with that name.
fn interval(report: &Report, alertname: &str) -> Duration {
    let rules = report.timeline.rules.iter();
    let named = rules.filter(|rule| *rule.rule.alert == *alertname);
    named.map(|rule| rule.interval).max().unwrap_or_default()
}

fn compare_alerts(old: Side<'_>, new: Side<'_>, names: &SetNames, out: &mut Comparison) {
    let (olds, news) = (fired(old, names), fired(new, names));
    let mut taken = (BTreeSet::new(), BTreeSet::new());
    let mut changed: Vec<(Option<&Episode>, Option<&Episode>)> = Vec::new();
    for (i, j) in pairs(&olds, &news, &mut taken, share) {
        if is_same(&olds[i], &news[j]) {
            out.same_alerts += 1;
        } else {
            changed.push((Some(olds[i].what), Some(news[j].what)));
        }
    }
    let left = olds
        .iter()
        .enumerate()
        .filter(|(i, _)| !taken.0.contains(i));
    changed.extend(left.map(|(_, a)| (Some(a.what), None)));
    let left = news
        .iter()
        .enumerate()
        .filter(|(i, _)| !taken.1.contains(i));
    changed.extend(left.map(|(_, b)| (None, Some(b.what))));
    for (a, b) in changed {
        let at = |episode: Option<&Episode>| episode.and_then(|episode| episode.fired_at);
        let labels = b.or(a).map(|episode| episode.labels.clone());
        out.alerts.push(AlertChange {
            change: Change::of(at(a), at(b)),
            labels: labels.unwrap_or_default(),
            old: at(a),
            new: at(b),
            reason: reason::of_alert(old, new, a, b),
        });
    }
    out.alerts.sort_by(|a, b| {
        let key = |alert: &AlertChange| (alert.new.or(alert.old), alert.change);
        key(a).cmp(&key(b)).then_with(|| a.labels.cmp(&b.labels))
    });
}

/// The alerts that fired, by time.
fn fired<'a>(side: Side<'a>, names: &SetNames) -> Vec<Item<&'a Episode>> {
    let report = side.report;
    let item = |episode: &'a Episode| {
        Some(Item {
            at: episode.fired_at?,
            keys: BTreeSet::from([names.identity(&episode.labels)]),
            tolerance: report.timeline.rules[episode.rule].interval,
            what: episode,
        })
    };
    let mut items: Vec<_> = report.episodes.iter().filter_map(item).collect();
    items.sort_by_key(|item| item.at);
    items
}
