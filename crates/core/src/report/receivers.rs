//! Pages, messages, flaps and storms for each integration.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use stentor_lang::model::{Duration, Timestamp};

use super::{Options, ReceiverFigures};
use crate::notify::Routing;
use crate::receiver::{IntegrationKey, Kind, NotifyReason, Status};
use crate::timeline::{Notification, Timeline};

/// A group that fires again so soon after its resolve has flapped.
const FLAP: Duration = Duration::from_hours(1);
/// The messages of a storm come within this.
const STORM: Duration = Duration::from_mins(10);

/// Whether an integration wakes people.
pub(super) fn pages_people(key: &IntegrationKey, options: &Options) -> bool {
    key.kind == Kind::PagerDuty || options.pagers.contains(&key.receiver)
}

/// Whether a notification opens an incident at its integration.
pub(super) fn opens(told: &Notification) -> bool {
    told.status == Status::Firing && told.reason == NotifyReason::FirstNotification
}

/// Whether a notification wakes somebody.
pub(super) fn is_page(told: &Notification, options: &Options) -> bool {
    opens(told) && pages_people(&told.integration, options)
}

/// The figures of all integrations, in the order of their names.
pub(super) fn figures(
    timeline: &Timeline,
    routing: Option<&Routing>,
    options: &Options,
) -> Vec<ReceiverFigures> {
    let receivers = routing
        .into_iter()
        .flat_map(|routing| routing.receivers().values());
    let configured = receivers.flat_map(|receiver| &receiver.integrations);
    let mut keys: BTreeSet<&IntegrationKey> = configured.map(|found| &found.key).collect();
    keys.extend(timeline.notifications.iter().map(|told| &told.integration));
    let of = |key: &IntegrationKey| {
        let told = timeline.notifications.iter();
        let told: Vec<&Notification> = told.filter(|told| told.integration == *key).collect();
        one(key, &told, options)
    };
    keys.into_iter().map(of).collect()
}

fn one(key: &IntegrationKey, told: &[&Notification], options: &Options) -> ReceiverFigures {
    let pages: Vec<Timestamp> = told
        .iter()
        .filter(|told| is_page(told, options))
        .map(|told| told.at)
        .collect();
    let at_night = |at: &&Timestamp| {
        options
            .night
            .is_some_and(|night| night.contains(**at, options.timezone))
    };
    ReceiverFigures {
        integration: key.clone(),
        pages_people: pages_people(key, options),
        pages_at_night: pages.iter().filter(at_night).count(),
        pages: pages.len(),
        messages: told.len(),
        flaps: flaps(told),
        storm: storm(told),
    }
}

fn flaps(told: &[&Notification]) -> usize {
    let mut resolved: BTreeMap<&Arc<str>, Timestamp> = BTreeMap::new();
    let mut flaps = 0;
    for told in told {
        match told.status {
            Status::Resolved => {
                resolved.insert(&told.group_key, told.at);
            }
            Status::Firing => {
                let ended = resolved.remove(&told.group_key);
                flaps += usize::from(ended.is_some_and(|ended| told.at.since(ended) <= FLAP));
            }
        }
    }
    flaps
}

fn storm(told: &[&Notification]) -> Option<(usize, Timestamp)> {
    let mut window: VecDeque<Timestamp> = VecDeque::new();
    let mut worst: Option<(usize, Timestamp)> = None;
    for told in told {
        while window
            .front()
            .is_some_and(|first| told.at.since(*first) >= STORM)
        {
            window.pop_front();
        }
        window.push_back(told.at);
        if worst.is_none_or(|(count, _)| window.len() > count) {
            worst = window.front().map(|first| (window.len(), *first));
        }
    }
    worst
}
