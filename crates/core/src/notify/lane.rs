//! The notifications of one group to one integration: at most one is under way, and two wait.
//!
//! A newer state of the group takes the place of one that waits, but a resolve that waits goes
//! out before the trigger behind it: else nobody would be paged anew.

use std::sync::Arc;

use stentor_lang::model::{Duration, Timestamp};

use super::Notify;
use super::dedup::{Known, State, is_refused, needs_update};
use super::numbers::{Alerts, AttemptId, GroupNo, JobNo, filter, has, none};
use super::record::{Effect, Event, JobRow, LaneKey, Record, ToldRow};
use crate::receiver::{Integration, NotifyReason, Settings};

/// What waits and what is under way.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) in_flight: Option<(AttemptId, JobNo)>,
    /// A resolve that waits.
    pub(super) resolve: Option<JobNo>,
    /// A trigger that waits, behind the resolve.
    pub(super) newest: Option<JobNo>,
}

impl Lane {
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.is_some() || self.front().is_some()
    }

    /// What goes out next.
    pub(super) fn front(&self) -> Option<JobNo> {
        self.resolve.or(self.newest)
    }

    /// All its notifications.
    pub(super) fn jobs(&self) -> impl Iterator<Item = JobNo> {
        let under_way = self.in_flight.map(|(_, job)| job);
        [under_way, self.resolve, self.newest].into_iter().flatten()
    }

    /// Takes a job out of its slot.
    pub(super) fn take(&mut self, job: JobNo) {
        for slot in [&mut self.resolve, &mut self.newest] {
            if *slot == Some(job) {
                *slot = None;
            }
        }
    }

    fn forget(&mut self, job: JobNo) {
        self.take(job);
        if self.in_flight.is_some_and(|(_, flying)| flying == job) {
            self.in_flight = None;
        }
    }
}

/// What is to become of the notification at the front of a lane.
enum Verdict {
    Send,
    /// The receiver wants no resolves: only the log changes.
    Log,
    Drop,
}

/// Whether both definitions reach the same place, so that an incident opened by one is closed by
/// the other.
pub(super) fn same_place(a: &Integration, b: &Integration) -> bool {
    match (&a.settings, &b.settings) {
        (Settings::PagerDuty(a), Settings::PagerDuty(b)) => {
            a.routing_key == b.routing_key && a.url == b.url
        }
        (Settings::Slack(a), Settings::Slack(b)) => {
            a.api_url == b.api_url && a.channel == b.channel
        }
        (Settings::Webhook(a), Settings::Webhook(b)) => a.url == b.url,
        _ => false,
    }
}

impl Notify {
    pub(super) fn told(&self, no: GroupNo, lane: &LaneKey) -> Option<&ToldRow> {
        self.groups.get(&no)?.told.get(lane)
    }

    fn lane(&self, no: GroupNo, lane: &LaneKey) -> Option<&Lane> {
        self.groups.get(&no)?.lanes.get(lane)
    }

    pub(super) fn lane_mut(&mut self, no: GroupNo, lane: &LaneKey) -> Option<&mut Lane> {
        let group = self.groups.get_mut(&no)?;
        Some(group.lanes.entry(lane.clone()).or_default())
    }

    pub(super) fn group_key(&self, no: GroupNo) -> Arc<str> {
        self.groups
            .get(&no)
            .map_or_else(|| Arc::from(""), |group| Arc::clone(&group.key))
    }

    /// Whether a lane is one of those that the group's route leads to. The others only resolve.
    pub(super) fn is_current(&self, no: GroupNo, lane: &LaneKey) -> bool {
        let Some(group) = self.groups.get(&no).filter(|group| group.route.is_some()) else {
            return false;
        };
        let own = group
            .row
            .as_ref()
            .is_some_and(|row| row.receiver == lane.integration.receiver);
        own && lane.retired == 0 && self.routing.integration(&lane.integration).is_some()
    }

    /// The integration that serves a lane: as it is configured, else as it was when it was told.
    pub(super) fn integration_of(&self, no: GroupNo, lane: &LaneKey) -> Option<Arc<Integration>> {
        let configured = (lane.retired == 0)
            .then(|| self.routing.integration(&lane.integration))
            .flatten();
        let told = self.told(no, lane).map(|told| &told.integration);
        configured.or(told).cloned()
    }

    pub(super) fn repeat_interval(&self, no: GroupNo) -> Duration {
        let route = self.groups.get(&no).and_then(|group| group.route);
        route.map_or(Duration::from_millis(i64::MAX), |route| {
            self.options[route].repeat_interval
        })
    }

    /// A group's state as a lane is to show it. What is routed elsewhere now is shown to those
    /// only who were told of it here, and asks for nothing.
    pub(super) fn state_for(
        &self,
        no: GroupNo,
        lane: &LaneKey,
        firing: &Alerts,
        resolved: &Alerts,
    ) -> State {
        let told = self.told(no, lane);
        let open =
            |alert| told.is_some_and(|told| has(&told.firing, alert) || has(&told.maybe, alert));
        let departed = self.groups.get(&no).map(|group| &group.departed);
        let current = self.is_current(no, lane);
        let (mut shown, mut asks, mut ended) =
            (Arc::clone(firing), Arc::clone(firing), Arc::clone(resolved));
        if !current {
            (shown, asks, ended) = (filter(firing, open), none(), filter(resolved, open));
            if self.is_told_by_newer_secret(no, lane) {
                // Perhaps all is one incident there: it ends when nothing of the group fires.
                shown = Arc::clone(firing);
                ended = if shown.is_empty() { ended } else { none() };
            }
        } else if let Some(departed) = departed.filter(|departed| !departed.is_empty()) {
            let own = |alert| !departed.contains(&alert);
            shown = filter(firing, |alert| own(alert) || open(alert));
            asks = filter(firing, own);
            ended = filter(resolved, |alert| own(alert) || open(alert));
        }
        let integration = self.integration_of(no, lane);
        if integration.is_none_or(|integration| !integration.send_resolved) && !shown.is_empty() {
            ended = none();
        }
        State {
            firing: shown,
            asks,
            resolved: ended,
        }
    }

    /// Whether the group still goes to the place of a retired lane, by another secret, or has
    /// anything else open there.
    fn is_told_by_newer_secret(&self, no: GroupNo, lane: &LaneKey) -> bool {
        let (Some(group), Some(own)) = (self.groups.get(&no), self.told(no, lane)) else {
            return false;
        };
        let mut others = group.told.iter().filter(|(other, told)| {
            *other != lane
                && other.integration == lane.integration
                && told.is_open()
                && same_place(&told.integration, &own.integration)
        });
        let configured = self.routing.integration(&lane.integration);
        let goes_on = configured.is_some_and(|now| same_place(now, &own.integration))
            && self.is_current(no, &LaneKey::current(&lane.integration));
        lane.retired > 0 && (goes_on || others.next().is_some())
    }

    /// Whether the same place still has to hear a resolve by an older secret. A trigger waits for
    /// that, since it may be the same incident.
    fn awaits_older_resolve(&self, no: GroupNo, lane: &LaneKey) -> bool {
        let (Some(group), Some(integration)) =
            (self.groups.get(&no), self.integration_of(no, lane))
        else {
            return false;
        };
        lane.retired == 0
            && group.told.iter().any(|(other, told)| {
                other.retired > 0
                    && other.integration == lane.integration
                    && same_place(&told.integration, &integration)
                    && group.lanes.get(other).is_some_and(Lane::is_busy)
            })
    }

    /// What the receiver will know once all that goes out before a new trigger is delivered.
    fn foreseen(&self, no: GroupNo, lane: &LaneKey, now: Timestamp) -> Option<Known> {
        let slots = self.lane(no, lane);
        let flying = slots.and_then(|slots| slots.in_flight.map(|(_, job)| job));
        let resolve = slots.and_then(|slots| slots.resolve);
        match resolve.or(flying).and_then(|job| self.jobs.get(&job)) {
            Some(job) => Some(Known::after(job, now)),
            None => Known::by(self.told(no, lane)),
        }
    }

    /// Queues a group's newest state where the receiver needs to hear of it, in the place of the
    /// one that waits. Returns whether there was room.
    pub(super) fn queue_state(
        &mut self,
        no: GroupNo,
        lane: &LaneKey,
        state: &State,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> bool {
        let waiting = self.lane(no, lane).and_then(|slots| slots.newest);
        if waiting.is_some_and(|job| self.is_forced_and_open(job)) {
            return true;
        }
        let Some(integration) = self.integration_of(no, lane) else {
            return true;
        };
        let repeat = self.repeat_interval(no);
        let known = self.foreseen(no, lane, now);
        let reason = needs_update(
            known.as_ref(),
            state,
            integration.send_resolved,
            repeat,
            now,
        )
        .filter(|_| !is_refused(self.told(no, lane), state, repeat, now));
        match (reason, waiting) {
            (None, None) => true,
            (None, Some(job)) => {
                self.supersede(job, out);
                true
            }
            (Some(reason), _) => {
                let job = self.new_job(no, lane, state, reason, now);
                self.put_job(job, waiting, out)
            }
        }
    }

    fn new_job(
        &self,
        group: GroupNo,
        lane: &LaneKey,
        state: &State,
        reason: NotifyReason,
        now: Timestamp,
    ) -> JobRow {
        JobRow {
            group,
            lane: lane.clone(),
            firing: Arc::clone(&state.firing),
            resolved: Arc::clone(&state.resolved),
            reason,
            created: now,
            attempts: 0,
            next_try: now,
            corrected: false,
            fallback_for: self
                .told(group, lane)
                .and_then(|told| told.fallback_for.clone()),
            forced: false,
        }
    }

    /// Whether a waiting notification tells the fallback receiver of something that still fires:
    /// then it stays, whatever the group's own receivers need.
    fn is_forced_and_open(&self, job: JobNo) -> bool {
        let Some(row) = self.jobs.get(&job) else {
            return false;
        };
        let fires = |alert| {
            self.alerts
                .get(alert)
                .is_some_and(|row| row.ends_at.is_none())
        };
        row.forced && row.firing.iter().any(fires)
    }

    /// Puts a job in its slot. A trigger takes the place of the one that waits, with the wait that
    /// the receiver's trouble cost it; a resolve makes the waiting trigger needless.
    pub(super) fn put_job(
        &mut self,
        mut job: JobRow,
        waiting: Option<JobNo>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let old = waiting.and_then(|no| Some((no, self.jobs.get(&no)?.clone())));
        if let Some((_, old)) = &old {
            if old.firing == job.firing && old.resolved == job.resolved {
                return true;
            }
            job.attempts = old.attempts;
            job.next_try = old.next_try.max(job.next_try);
            job.created = old.created;
        } else if self.queue(&job.lane).is_full() {
            out.push(Effect::Event(Event::LimitReached {
                integration: job.lane.integration.clone(),
                group_key: self.group_key(job.group),
                limit: super::MAX_WAITING,
            }));
            return false;
        }
        if let Some((no, _)) = old.as_ref().filter(|_| job.is_resolve()) {
            self.supersede(*no, out);
        }
        let no = match &old {
            Some((no, _)) if !job.is_resolve() => {
                self.unqueue(*no);
                *no
            }
            _ => JobNo::take(&mut self.counters.job),
        };
        let (group, lane) = (job.group, job.lane.clone());
        out.push(Effect::Event(Event::Queued {
            integration: lane.integration.clone(),
            group_key: self.group_key(group),
            reason: job.reason,
            firing: job.firing.len(),
            resolved: job.resolved.len(),
        }));
        let resolve = job.is_resolve();
        self.commit(
            Record::Job {
                no,
                row: Some(Box::new(job)),
            },
            out,
        );
        if let Some(slots) = self.lane_mut(group, &lane) {
            *(if resolve {
                &mut slots.resolve
            } else {
                &mut slots.newest
            }) = Some(no);
        }
        true
    }

    /// Looks again at what is to go out next, now that the receiver knows more or less than when
    /// it was queued, and lines it up.
    pub(super) fn pump(
        &mut self,
        no: GroupNo,
        lane: &LaneKey,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        loop {
            let Some(slots) = self
                .lane(no, lane)
                .filter(|slots| slots.in_flight.is_none())
            else {
                return;
            };
            let Some(job) = slots.front() else {
                return;
            };
            let Some(row) = self.jobs.get(&job).cloned() else {
                return;
            };
            match self.verdict(job, &row, now) {
                Verdict::Send if !row.is_resolve() && self.awaits_older_resolve(no, lane) => {
                    self.unqueue(job);
                    return;
                }
                Verdict::Send => {
                    self.queue(lane).add(row.next_try, job);
                    return;
                }
                Verdict::Log => self.log_end(no, lane, now, out),
                Verdict::Drop => {
                    self.supersede(job, out);
                    continue;
                }
            }
            self.drop_job(job, out);
        }
    }

    fn verdict(&self, no: JobNo, row: &JobRow, now: Timestamp) -> Verdict {
        let Some(integration) = self.integration_of(row.group, &row.lane) else {
            return Verdict::Drop;
        };
        let silent = row.is_resolve() && (!integration.send_resolved || row.resolved.is_empty());
        if row.forced {
            let open = row.is_resolve() || self.is_forced_and_open(no);
            return match (silent, open) {
                (true, _) => Verdict::Log,
                (false, true) => Verdict::Send,
                (false, false) => Verdict::Drop,
            };
        }
        let state = self.state_for(row.group, &row.lane, &row.firing, &row.resolved);
        let known = Known::by(self.told(row.group, &row.lane));
        let repeat = self.repeat_interval(row.group);
        match needs_update(
            known.as_ref(),
            &state,
            integration.send_resolved,
            repeat,
            now,
        ) {
            Some(_) if silent => Verdict::Log,
            Some(_) => Verdict::Send,
            None => Verdict::Drop,
        }
    }

    /// The receiver wants to hear of no end: it is logged as told.
    fn log_end(&mut self, group: GroupNo, lane: &LaneKey, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(mut row) = self.told(group, lane).cloned() else {
            return;
        };
        row.firing = none();
        row.maybe = none();
        row.secret = None;
        row.refused = None;
        row.at = now;
        self.put_told(group, lane, row, out);
    }

    /// Writes what a receiver knows; nothing where there is nothing to remember.
    pub(super) fn put_told(
        &mut self,
        group: GroupNo,
        lane: &LaneKey,
        row: ToldRow,
        out: &mut Vec<Effect>,
    ) {
        let row = (!row.is_blank()).then_some(row);
        if self.told(group, lane) != row.as_ref() {
            let (lane, row) = (lane.clone(), row.map(Box::new));
            self.commit(Record::Told { group, lane, row }, out);
        }
    }

    fn supersede(&mut self, job: JobNo, out: &mut Vec<Effect>) {
        if let Some(row) = self.jobs.get(&job) {
            out.push(Effect::Event(Event::Superseded {
                integration: row.lane.integration.clone(),
                group_key: self.group_key(row.group),
            }));
        }
        self.drop_job(job, out);
    }

    /// Removes a job and all that points to it.
    pub(super) fn drop_job(&mut self, no: JobNo, out: &mut Vec<Effect>) {
        self.unqueue(no);
        let Some(row) = self.jobs.get(&no) else {
            return;
        };
        let (group, lane) = (row.group, row.lane.clone());
        if let Some(slots) = self.lane_mut(group, &lane) {
            slots.forget(no);
        }
        self.commit(Record::Job { no, row: None }, out);
    }

    /// Takes a job out of its integration's queue.
    pub(super) fn unqueue(&mut self, no: JobNo) {
        self.prepared.remove(&no);
        if let Some(row) = self.jobs.get(&no)
            && let Some(queue) = self.queues.get_mut(&row.lane.integration)
        {
            queue.remove(row.next_try, no);
        }
    }

    /// The queue of a lane's integration.
    pub(super) fn queue(&mut self, lane: &LaneKey) -> &mut super::Queue {
        let configured = self.routing.integration(&lane.integration);
        self.queues
            .entry(lane.integration.clone())
            .or_insert_with(|| {
                let mut queue = super::Queue::default();
                if let Some(integration) = configured {
                    queue.configure(integration);
                }
                queue
            })
    }

    /// Whether some receiver of a group needs to hear of its state and nothing says so yet,
    /// repeats aside.
    pub(super) fn is_wanting(&self, no: GroupNo, now: Timestamp) -> bool {
        let (firing, resolved) = self.members(no);
        let repeat = self.repeat_interval(no);
        self.lanes_of(no).into_iter().any(|lane| {
            let Some(integration) = self.integration_of(no, &lane) else {
                return false;
            };
            if self
                .lane(no, &lane)
                .is_some_and(|slots| slots.newest.is_some())
            {
                return false;
            }
            let state = self.state_for(no, &lane, &firing, &resolved);
            let known = self.foreseen(no, &lane, now);
            let wants = integration.send_resolved;
            needs_update(known.as_ref(), &state, wants, repeat, now)
                .filter(|reason| *reason != NotifyReason::RepeatInterval)
                .is_some_and(|_| !is_refused(self.told(no, &lane), &state, repeat, now))
        })
    }
}
