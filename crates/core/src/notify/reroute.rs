//! Start and reload, which are one path: groups find their routes, alerts their groups, and what
//! was told stays to be resolved where it was told.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, Timestamp};

use super::Notify;
use super::lane::same_place;
use super::numbers::{AlertNo, GroupNo, JobNo, filter};
use super::record::{AlertRow, Effect, JobRow, LaneKey, Record, ToldRow};
use super::route::Routing;
use crate::receiver::group_key;

/// The longest time that any receiver may make a notification wait, with the tenth that `backoff`
/// adds at most.
const LONGEST_WAIT: Duration = Duration::from_mins(66);

/// What a group needs to know of its route.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) key: Arc<str>,
    pub(super) ordinal: u32,
    pub(super) receiver: Arc<str>,
    pub(super) group_wait: Duration,
    pub(super) group_interval: Duration,
    pub(super) repeat_interval: Duration,
    pub(super) labels: Labels,
}

/// The options of all routes, in the tree's order.
pub(super) fn options(routing: &Routing) -> Vec<Options> {
    let mut options = Vec::new();
    routing.root().walk(&mut |route| {
        options.push(Options {
            key: Arc::clone(route.key()),
            ordinal: route.ordinal(),
            receiver: Arc::clone(&route.receiver),
            group_wait: route.group_wait,
            // `config` refuses zero; a flush that is due again at once would never end.
            group_interval: route.group_interval.max(Duration::from_millis(1)),
            repeat_interval: route.repeat_interval,
            labels: route.labels.clone(),
        });
    });
    options
}

impl Notify {
    /// Ends recovery: all rows are applied. Rebuilds what is not durable, mends what a crash cut
    /// in two, and routes by the current configuration. Starts nothing: overdue groups are flushed
    /// by the next [`Notify::wake`], and stored jobs handed out by [`Notify::ready`].
    pub fn recovered(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        self.restore_counters();
        self.restore_times(now, out);
        self.restore_members(out);
        self.restore_told(out);
        self.restore_jobs(out);
        self.reroute(now, out);
    }

    /// Goes over to another configuration. Groups and their timers stay as they are.
    pub fn reload(&mut self, routing: Arc<Routing>, now: Timestamp, out: &mut Vec<Effect>) {
        if *routing == *self.routing {
            return;
        }
        self.options = options(&routing);
        self.routing = routing;
        self.reroute(now, out);
    }

    fn restore_counters(&mut self) {
        let told = self.groups.values().flat_map(|group| group.told.values());
        let mentioned = told.flat_map(|told| {
            let refused = told.refused.iter().flat_map(|r| r.resolved.iter());
            told.resolved.iter().chain(refused)
        });
        let alerts = self.alerts.keys().chain(mentioned).max();
        self.counters.alert = alerts.map_or(0, |no| no.0);
        self.counters.group = self.groups.keys().next_back().map_or(0, |no| no.0);
        self.counters.job = self.jobs.keys().next_back().map_or(0, |no| no.0);
    }

    /// Where the clock was set back while nobody ran, times of the old clock may lie far in the
    /// future: nothing waits longer than it could by the clock as it is.
    fn restore_times(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        for no in self.groups.keys().copied().collect::<Vec<_>>() {
            let Some(mut row) = self.groups.get(&no).and_then(|group| group.row.clone()) else {
                continue;
            };
            let wait = |o: &Options| (o.key == row.route_key).then_some(o.group_wait);
            let waits = self.options.iter().filter_map(wait);
            let latest = now + waits.fold(row.interval, Duration::max);
            if row.next_flush > latest {
                row.next_flush = latest;
                self.commit(Record::Group { no, row: Some(row) }, out);
            }
        }
        for no in self.jobs.keys().copied().collect::<Vec<_>>() {
            let latest = now + LONGEST_WAIT;
            let late = |row: &&JobRow| row.next_try > latest || row.created > now;
            if let Some(mut row) = self.jobs.get(&no).filter(late).cloned() {
                row.next_try = row.next_try.min(latest);
                row.created = row.created.min(now);
                let row = Some(Box::new(row));
                self.commit(Record::Job { no, row }, out);
            }
        }
        let told: Vec<(GroupNo, LaneKey, ToldRow)> = self
            .log()
            .map(|(no, lane, row)| (no, lane.clone(), row.clone()))
            .filter(|(_, _, row)| {
                row.at > now || row.refused.as_ref().is_some_and(|refused| refused.at > now)
            })
            .collect();
        for (group, lane, mut row) in told {
            row.at = row.at.min(now);
            if let Some(refused) = &mut row.refused {
                refused.at = refused.at.min(now);
            }
            let row = Some(Box::new(row));
            self.commit(Record::Told { group, lane, row }, out);
        }
    }

    fn restore_members(&mut self, out: &mut Vec<Effect>) {
        let mut mended: Vec<(AlertNo, Option<Arc<AlertRow>>)> = Vec::new();
        for (no, row) in &self.alerts {
            let mut missing = false;
            for group in &row.groups {
                let group = self.groups.get_mut(group).filter(|g| g.row.is_some());
                let Some(group) = group else {
                    missing = true;
                    continue;
                };
                group.members.insert(*no);
                if row.ends_at.is_some() {
                    group.ended.insert(*no);
                    if group.row.as_ref().is_some_and(|row| row.dirty) {
                        group.unflushed.insert(*no);
                    }
                }
            }
            if missing || row.groups.is_empty() {
                let mut row = AlertRow::clone(row);
                row.groups
                    .retain(|no| self.groups.get(no).is_some_and(|g| g.row.is_some()));
                let gone = row.ends_at.is_some() && row.groups.is_empty();
                mended.push((*no, (!gone).then(|| Arc::new(row))));
            }
        }
        for (no, row) in mended {
            if self.alerts.get(&no) != row.as_ref() {
                self.commit(Record::Alert { no, row }, out);
            }
        }
    }

    /// Forgets what a dry run would have told, where this is none, and what groups knew that are
    /// no more.
    fn restore_told(&mut self, out: &mut Vec<Effect>) {
        let dry_run = self.settings.dry_run;
        let mut mended: Vec<(GroupNo, LaneKey, Option<Box<ToldRow>>)> = Vec::new();
        for (no, group) in &self.groups {
            for (lane, row) in &group.told {
                if group.row.is_none() || (row.dry && !dry_run) {
                    mended.push((*no, lane.clone(), None));
                    continue;
                }
                let mut known = row.clone();
                known.firing = filter(&row.firing, |alert| group.members.contains(&alert));
                known.maybe = filter(&row.maybe, |alert| group.members.contains(&alert));
                if known != *row {
                    let known = (!known.is_blank()).then(|| Box::new(known));
                    mended.push((*no, lane.clone(), known));
                }
            }
        }
        for (group, lane, row) in mended {
            self.commit(Record::Told { group, lane, row }, out);
        }
    }

    /// Puts stored jobs back in their slots. Of a lane's jobs the older is the one that was under
    /// way; as after any failed attempt it gives way to a newer one, unless it is a resolve with a
    /// trigger behind it.
    fn restore_jobs(&mut self, out: &mut Vec<Effect>) {
        let mut dropped: Vec<JobNo> = Vec::new();
        for (no, job) in &self.jobs {
            let Some(group) = self.groups.get_mut(&job.group).filter(|g| g.row.is_some()) else {
                dropped.push(*no);
                continue;
            };
            let slots = group.lanes.entry(job.lane.clone()).or_default();
            dropped.extend(slots.newest.take());
            if job.is_resolve() {
                dropped.extend(slots.resolve.replace(*no));
            } else {
                slots.newest = Some(*no);
            }
        }
        for no in dropped {
            self.commit(Record::Job { no, row: None }, out);
        }
    }

    fn reroute(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        self.bind_groups(now, out);
        for (key, queue) in &mut self.queues {
            if let Some(integration) = self.routing.integration(key) {
                queue.configure(integration);
            }
        }
        self.retire_moved(out);
        for no in self.alerts.keys().copied().collect::<Vec<_>>() {
            let Some(row) = self.alerts.get(&no).cloned() else {
                continue;
            };
            if row.ends_at.is_some() {
                self.mark_departed(no, &row);
                continue;
            }
            let groups = self.place(no, &row, now, out);
            if groups != row.groups {
                let mut row = AlertRow::clone(&row);
                row.groups = groups;
                let row = Some(Arc::new(row));
                self.commit(Record::Alert { no, row }, out);
            }
        }
        for no in self.groups.keys().copied().collect::<Vec<_>>() {
            self.review_group(no, now, out);
        }
    }

    /// An alert that has ended stays in its groups; where it is not routed to any more, only those
    /// are told of its end who were told of it.
    fn mark_departed(&mut self, no: AlertNo, row: &AlertRow) {
        let routing = Arc::clone(&self.routing);
        let own: Vec<GroupNo> = routing
            .root()
            .matching(&row.labels)
            .into_iter()
            .filter_map(|route| {
                let identity = (route.index(), route.group_labels(&row.labels));
                self.by_identity.get(&identity).copied()
            })
            .collect();
        for no_of_group in &row.groups {
            if let Some(group) = self.groups.get_mut(no_of_group) {
                if own.contains(no_of_group) {
                    group.departed.remove(&no);
                } else {
                    group.departed.insert(no);
                }
            }
        }
    }

    /// Finds each group's route by its identity; a group without one is left to its resolves.
    fn bind_groups(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let routes: BTreeMap<(Arc<str>, u32, Arc<str>), usize> = self
            .options
            .iter()
            .enumerate()
            .map(|(index, o)| {
                (
                    (Arc::clone(&o.key), o.ordinal, Arc::clone(&o.receiver)),
                    index,
                )
            })
            .collect();
        self.by_identity.clear();
        for no in self.groups.keys().copied().collect::<Vec<_>>() {
            let Some(group) = self.groups.get_mut(&no) else {
                continue;
            };
            let Some(mut row) = group.row.clone() else {
                continue;
            };
            group.route = None;
            group.key = group_key(&row.route_key, &row.labels).into();
            let identity = (
                Arc::clone(&row.route_key),
                row.ordinal,
                Arc::clone(&row.receiver),
            );
            let Some(index) = routes.get(&identity).copied() else {
                continue;
            };
            let options = &self.options[index];
            if row.interval != options.group_interval || row.route_labels != options.labels {
                row.route_labels = options.labels.clone();
                row.interval = options.group_interval;
                if row.flushed {
                    // No group waits longer than it would from now on.
                    row.next_flush = row.next_flush.min(now + row.interval);
                }
                let row = Some(row.clone());
                self.commit(Record::Group { no, row }, out);
            }
            self.attach(no, (index, row.labels));
        }
    }

    /// Where an integration's name stands for another place now, what is open at the old one gets
    /// a lane of its own, with whatever is on its way there.
    fn retire_moved(&mut self, out: &mut Vec<Effect>) {
        let mut moved: Vec<(GroupNo, LaneKey, ToldRow)> = Vec::new();
        for (no, group) in &self.groups {
            for (lane, told) in &group.told {
                let configured = self.routing.integration(&lane.integration);
                let elsewhere = configured.is_some_and(|now| !same_place(now, &told.integration));
                if lane.retired == 0 && told.is_open() && elsewhere {
                    moved.push((*no, lane.clone(), told.clone()));
                }
            }
        }
        for (group, lane, mut row) in moved {
            row.refused = None;
            let retired = self.put_retired(group, &lane, row, out);
            let row = None;
            self.commit(
                Record::Told {
                    group,
                    lane: lane.clone(),
                    row,
                },
                out,
            );
            self.move_jobs(group, &lane, &retired, out);
        }
    }

    fn move_jobs(&mut self, group: GroupNo, from: &LaneKey, to: &LaneKey, out: &mut Vec<Effect>) {
        let Some(slots) = self.lane_mut(group, from) else {
            return;
        };
        let (in_flight, resolve) = (slots.in_flight.take(), slots.resolve.take());
        if let Some((attempt, _)) = in_flight
            && let Some(attempt) = self.attempts.get_mut(&attempt)
        {
            attempt.lane = to.clone();
        }
        for no in in_flight.map(|(_, job)| job).into_iter().chain(resolve) {
            self.unqueue(no);
            if let Some(mut row) = self.jobs.get(&no).cloned() {
                row.lane = to.clone();
                self.commit(
                    Record::Job {
                        no,
                        row: Some(Box::new(row)),
                    },
                    out,
                );
            }
        }
        if let Some(slots) = self.lane_mut(group, to) {
            slots.in_flight = in_flight;
            slots.resolve = resolve;
        }
    }

    /// Brings a group in line with its members and its receivers as they are now.
    pub(super) fn review_group(&mut self, no: GroupNo, now: Timestamp, out: &mut Vec<Effect>) {
        for lane in self.lanes_of(no) {
            self.prune_jobs(no, &lane, out);
            self.pump(no, &lane, now, out);
        }
        if self.is_wanting(no, now) {
            self.touch(no, now, out);
        }
        self.settle(no, out);
        self.retime(no, now);
    }

    /// Takes alerts that left the group out of what waits.
    pub(super) fn prune_jobs(&mut self, no: GroupNo, lane: &LaneKey, out: &mut Vec<Effect>) {
        let Some(group) = self.groups.get(&no) else {
            return;
        };
        let Some(slots) = group.lanes.get(lane) else {
            return;
        };
        let mut pruned = Vec::new();
        for job in [slots.resolve, slots.newest].into_iter().flatten() {
            if let Some(old) = self.jobs.get(&job) {
                let mut row = old.clone();
                row.firing = filter(&old.firing, |alert| group.members.contains(&alert));
                row.resolved = filter(&old.resolved, |alert| group.members.contains(&alert));
                if row != *old {
                    let needless = row.is_resolve() != old.is_resolve()
                        || (row.firing.is_empty() && row.resolved.is_empty());
                    pruned.push((job, (!needless).then(|| Box::new(row))));
                }
            }
        }
        for (job, row) in pruned {
            self.unqueue(job);
            match row {
                Some(_) => self.commit(Record::Job { no: job, row }, out),
                None => self.drop_job(job, out),
            }
        }
    }
}
