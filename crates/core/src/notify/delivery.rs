//! Attempts: from a waiting notification to its outcome, and what the log remembers of it.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_lang::model::{ALERT_NAME, Duration, Labels, Timestamp};

use super::Notify;
use super::dedup::{Known, needs_update};
use super::lane::same_place;
use super::numbers::{Alerts, AttemptId, GroupNo, JobNo, filter, has, none, union};
use super::queue::backoff;
use super::record::{AlertView, Effect, Event, JobRow, LaneKey, Ready, Record, Refusal, ToldRow};
use crate::receiver::{Alert, Integration, Message, NotifyReason, Outcome, SecretId, Status};

/// How long after its deadline an attempt may still report, since the one who aborts it needs a
/// moment to say what became of it.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) group: GroupNo,
    pub(super) lane: LaneKey,
    job: JobNo,
    /// By what definition it began.
    integration: Arc<Integration>,
    /// What the receiver may believe to fire because of this attempt alone.
    added: Alerts,
    reason: NotifyReason,
    pub(super) deadline: Timestamp,
}

impl Attempt {
    /// When it has failed without an outcome.
    pub(super) fn expires(&self) -> Timestamp {
        self.deadline + ANSWER_GRACE
    }
}

impl Notify {
    /// The notifications that may start now: each is to be followed by [`Notify::start`], however
    /// long the views of its alerts take. Each is handed out once, unless it changes before.
    pub fn ready(&mut self, now: Timestamp) -> Vec<Ready> {
        let jobs: Vec<JobNo> = self
            .queues
            .values_mut()
            .flat_map(|queue| queue.hand_out(now))
            .collect();
        jobs.into_iter().map(|job| self.prepare(job)).collect()
    }

    fn prepare(&mut self, job: JobNo) -> Ready {
        let mut alerts = Vec::new();
        if let Some(row) = self.jobs.get(&job) {
            for no in row.firing.iter().chain(row.resolved.iter()) {
                if let Some(alert) = self.alerts.get(no) {
                    alerts.push((*no, alert.labels.clone()));
                }
            }
        }
        sort_for_message(&mut alerts);
        let order = alerts.iter().map(|(no, _)| *no).collect();
        self.prepared.insert(job, order);
        Ready { job, alerts }
    }

    /// Starts an attempt with what the engine knows of the alerts, in the order in which they were
    /// handed out. Returns whether it started: where the notification was superseded meanwhile
    /// nothing happens, and its successor is handed out by itself.
    pub fn start(
        &mut self,
        job: JobNo,
        views: Vec<AlertView>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(order) = self.prepared.remove(&job) else {
            return false;
        };
        let Some(row) = self.jobs.get(&job).cloned() else {
            return false;
        };
        let Some(integration) = self.integration_of(row.group, &row.lane) else {
            return false;
        };
        assert_eq!(order.len(), views.len(), "one view for each alert");
        let reason = self.reason_at_start(&row, &integration, now);
        let secret = self.secret_for(&row);
        let alerts = self.shown(&row, order, views);
        let added = self.expect_told(&row, &integration, out);
        let deadline = now + integration.timeout;
        let attempt = AttemptId::take(&mut self.counters.attempt);
        self.unqueue(job);
        self.queue(&row.lane).start(now);
        if let Some(slots) = self.lane_mut(row.group, &row.lane) {
            slots.take(job);
            slots.in_flight = Some((attempt, job));
        }
        let message = Arc::new(self.message(&row, alerts, reason, now));
        self.attempts.insert(
            attempt,
            Attempt {
                group: row.group,
                lane: row.lane,
                job,
                integration: Arc::clone(&integration),
                added,
                reason,
                deadline,
            },
        );
        out.push(Effect::Deliver {
            attempt,
            integration,
            message,
            secret,
            deadline,
        });
        true
    }

    /// The reason as things stand now: what was queued as an addition may have become the first
    /// notification, because nothing came of the one before.
    fn reason_at_start(
        &self,
        row: &JobRow,
        integration: &Integration,
        now: Timestamp,
    ) -> NotifyReason {
        if row.forced {
            return row.reason;
        }
        let state = self.state_for(row.group, &row.lane, &row.firing, &row.resolved);
        let known = Known::by(self.told(row.group, &row.lane));
        let repeat = self.repeat_interval(row.group);
        needs_update(
            known.as_ref(),
            &state,
            integration.send_resolved,
            repeat,
            now,
        )
        .unwrap_or(row.reason)
    }

    /// A resolve goes out with the secret by which the incident was opened. Where that was refused
    /// and the receiver is still the same place, the newest one is worth the second attempt.
    fn secret_for(&self, row: &JobRow) -> Option<SecretId> {
        let own_incident = row.is_resolve() || !self.is_current(row.group, &row.lane);
        let renewed = row.corrected && row.lane.retired == 0;
        if row.forced || renewed || !own_incident {
            return None;
        }
        self.told(row.group, &row.lane)?.secret
    }

    /// Notes before a trigger goes out what the receiver may believe from then on. Returns what
    /// this attempt adds to that.
    fn expect_told(
        &mut self,
        row: &JobRow,
        integration: &Arc<Integration>,
        out: &mut Vec<Effect>,
    ) -> Alerts {
        if row.is_resolve() {
            return none();
        }
        let old = self.told(row.group, &row.lane);
        let fresh = || ToldRow::new(Arc::clone(integration), self.settings.dry_run);
        let mut told = old.cloned().unwrap_or_else(fresh);
        if !told.is_open() {
            told.integration = Arc::clone(integration);
            told.secret = None;
            told.dry = self.settings.dry_run;
        }
        if row.forced {
            told.fallback_for.clone_from(&row.fallback_for);
        }
        let unsure = filter(&row.firing, |alert| !has(&told.firing, alert));
        let added = filter(&unsure, |alert| !has(&told.maybe, alert));
        told.maybe = if told.maybe.is_empty() {
            unsure
        } else {
            union(&told.maybe, &unsure)
        };
        self.put_told(row.group, &row.lane, told, out);
        added
    }

    fn shown(&self, row: &JobRow, order: Vec<super::AlertNo>, views: Vec<AlertView>) -> Vec<Alert> {
        let show = |(no, view): (super::AlertNo, AlertView)| {
            let alert = self.alerts.get(&no)?;
            let fires = has(&row.firing, no);
            let status = if fires {
                Status::Firing
            } else {
                Status::Resolved
            };
            Some(Alert {
                status,
                labels: alert.labels.clone(),
                annotations: view.annotations,
                starts_at: alert.starts_at,
                // What fires again had ended by the time when it began anew.
                ends_at: (!fires).then(|| alert.ends_at.unwrap_or(alert.starts_at)),
                generator_url: view.generator_url,
                value: view.value,
                end_reason: alert.end_reason.clone().filter(|_| !fires),
            })
        };
        order.into_iter().zip(views).filter_map(show).collect()
    }

    fn message(
        &self,
        row: &JobRow,
        alerts: Vec<Alert>,
        reason: NotifyReason,
        now: Timestamp,
    ) -> Message {
        let group = self.groups.get(&row.group).and_then(|g| g.row.as_ref());
        Message {
            receiver: Arc::clone(&row.lane.integration.receiver),
            group_key: self.group_key(row.group),
            group_labels: group.map(|group| group.labels.clone()).unwrap_or_default(),
            route_labels: group
                .map(|group| group.route_labels.clone())
                .unwrap_or_default(),
            reason,
            status: if row.is_resolve() {
                Status::Resolved
            } else {
                Status::Firing
            },
            alerts,
            external_url: Arc::clone(&self.settings.external_url),
            now,
            corrected: row.corrected,
            fallback_for: row.fallback_for.clone(),
        }
    }

    /// What came of an attempt, and by which version of the secrets it was made.
    pub fn delivered(
        &mut self,
        attempt: AttemptId,
        outcome: Outcome,
        secret: Option<SecretId>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        self.spent_secrets.extend(secret);
        match self.attempts.remove(&attempt) {
            Some(ended) => self.conclude(&ended, outcome, secret, now, out),
            None => out.push(Effect::Event(Event::UnknownAttempt { attempt })),
        }
        self.drop_spent_secrets(out);
    }

    /// Fails the attempts of which nothing was heard in time: they may have arrived.
    pub(super) fn expire_attempts(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let expired: Vec<AttemptId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.expires() <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            if let Some(attempt) = self.attempts.remove(&id) {
                let outcome = Outcome::Retry {
                    after: None,
                    maybe_delivered: true,
                    why: format!("no outcome within {}", attempt.integration.timeout),
                };
                self.conclude(&attempt, outcome, None, now, out);
            }
        }
    }

    fn conclude(
        &mut self,
        attempt: &Attempt,
        outcome: Outcome,
        secret: Option<SecretId>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        self.queue(&attempt.lane).finish();
        let Some(job) = self.jobs.get(&attempt.job).cloned() else {
            return;
        };
        if let Some(slots) = self.lane_mut(attempt.group, &attempt.lane) {
            slots.in_flight = None;
        }
        match outcome {
            Outcome::Delivered => self.succeed(attempt, &job, secret, now, out),
            Outcome::Retry {
                after,
                maybe_delivered,
                why,
            } => {
                if maybe_delivered {
                    self.remember_secret(attempt, secret, out);
                } else {
                    self.disbelieve(attempt, secret, out);
                }
                self.retry(attempt, job, after, why, now, out);
            }
            Outcome::Refused { why } => {
                self.disbelieve(attempt, secret, out);
                self.refuse(attempt, job, why, now, out);
            }
        }
        self.prune_jobs(attempt.group, &attempt.lane, out);
        self.pump(attempt.group, &attempt.lane, now, out);
        if attempt.lane.retired > 0 {
            let heir = LaneKey::current(&attempt.lane.integration);
            self.pump(attempt.group, &heir, now, out);
        }
        self.settle(attempt.group, out);
        self.retime(attempt.group, now);
    }

    fn succeed(
        &mut self,
        attempt: &Attempt,
        job: &JobRow,
        secret: Option<SecretId>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        self.retire_other_secret(attempt, job, secret, out);
        let old = self.told(attempt.group, &attempt.lane);
        let open = !job.is_resolve();
        let told = ToldRow {
            integration: Arc::clone(&attempt.integration),
            secret: secret
                .or_else(|| old.and_then(|old| old.secret))
                .filter(|_| open),
            firing: Arc::clone(&job.firing),
            resolved: Arc::clone(&job.resolved),
            maybe: none(),
            at: now,
            refused: None,
            fallback_for: job.fallback_for.clone().filter(|_| open),
            dry: self.settings.dry_run,
        };
        self.put_told(attempt.group, &attempt.lane, told, out);
        self.take_over(attempt, secret, out);
        out.push(Effect::Event(Event::Delivered {
            integration: attempt.lane.integration.clone(),
            group_key: self.group_key(attempt.group),
            reason: attempt.reason,
            status: if open {
                Status::Firing
            } else {
                Status::Resolved
            },
            alerts: job.firing.len() + job.resolved.len(),
            attempts: job.attempts + 1,
            latency: now.since(job.created),
        }));
        self.drop_job(attempt.job, out);
    }

    /// An incident that is open under one secret stays to be resolved under it when the receiver
    /// is told by another.
    fn retire_other_secret(
        &mut self,
        attempt: &Attempt,
        job: &JobRow,
        secret: Option<SecretId>,
        out: &mut Vec<Effect>,
    ) {
        let Some(told) = self.told(attempt.group, &attempt.lane) else {
            return;
        };
        let other = secret.is_some() && told.secret.is_some() && told.secret != secret;
        if job.is_resolve() || !other {
            return;
        }
        let mut old = told.clone();
        old.maybe = filter(&old.maybe, |alert| !has(&attempt.added, alert));
        if old.is_open() {
            self.put_retired(attempt.group, &attempt.lane, old, out);
        }
    }

    /// A secret that was in use before is in use again: what was left to be resolved by it is part
    /// of the current incident now.
    fn take_over(&mut self, attempt: &Attempt, secret: Option<SecretId>, out: &mut Vec<Effect>) {
        let current = &attempt.lane;
        let Some(group) = self.groups.get(&attempt.group) else {
            return;
        };
        let same: Vec<LaneKey> = group
            .told
            .iter()
            .filter(|(lane, told)| {
                lane.retired > 0
                    && lane.integration == current.integration
                    && secret.is_some()
                    && told.secret == secret
                    && same_place(&told.integration, &attempt.integration)
                    && group
                        .lanes
                        .get(lane)
                        .is_none_or(|slots| slots.in_flight.is_none())
            })
            .map(|(lane, _)| lane.clone())
            .filter(|_| current.retired == 0)
            .collect();
        for lane in same {
            let slots = self.lane_mut(attempt.group, &lane);
            let jobs: Vec<JobNo> = slots
                .map(|slots| slots.jobs().collect())
                .unwrap_or_default();
            for job in jobs {
                self.drop_job(job, out);
            }
            let (group, row) = (attempt.group, None);
            self.commit(Record::Told { group, lane, row }, out);
        }
    }

    /// Keeps what is open at a receiver under a name of its own. Returns the name.
    pub(super) fn put_retired(
        &mut self,
        group: GroupNo,
        lane: &LaneKey,
        row: ToldRow,
        out: &mut Vec<Effect>,
    ) -> LaneKey {
        let mut lane = lane.clone();
        loop {
            lane.retired += 1;
            if self.told(group, &lane).is_none() {
                break;
            }
        }
        self.put_told(group, &lane, row, out);
        lane
    }

    /// An attempt may have arrived: its secret may be the one that a resolve needs.
    fn remember_secret(
        &mut self,
        attempt: &Attempt,
        secret: Option<SecretId>,
        out: &mut Vec<Effect>,
    ) {
        let Some(job) = self.jobs.get(&attempt.job).cloned() else {
            return;
        };
        if job.is_resolve() || secret.is_none() {
            return;
        }
        self.retire_other_secret(attempt, &job, secret, out);
        let Some(mut told) = self.told(attempt.group, &attempt.lane).cloned() else {
            return;
        };
        if told.secret.is_some() && told.secret != secret {
            told.firing = none();
            told.maybe = Arc::clone(&job.firing);
        }
        told.secret = secret;
        self.put_told(attempt.group, &attempt.lane, told, out);
    }

    /// An attempt did not arrive: what it alone would have told is not believed. Its secret is most
    /// likely that of the attempt before, of which a kill left nothing but the doubt.
    fn disbelieve(&mut self, attempt: &Attempt, secret: Option<SecretId>, out: &mut Vec<Effect>) {
        let Some(mut told) = self.told(attempt.group, &attempt.lane).cloned() else {
            return;
        };
        told.maybe = filter(&told.maybe, |alert| !has(&attempt.added, alert));
        told.secret = told.secret.or(secret).filter(|_| told.is_open());
        self.put_told(attempt.group, &attempt.lane, told, out);
    }

    fn retry(
        &mut self,
        attempt: &Attempt,
        mut job: JobRow,
        after: Option<Duration>,
        why: String,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        job.attempts = job.attempts.saturating_add(1);
        job.next_try = now + backoff(self.settings.seed, attempt.job, job.attempts, after);
        if let Some(after) = after {
            self.queue(&attempt.lane).block(now + after);
        }
        out.push(Effect::Event(Event::Failed {
            integration: attempt.lane.integration.clone(),
            group_key: self.group_key(attempt.group),
            why: why.into(),
            retry_at: job.next_try,
        }));
        self.put_back(attempt, job, out);
    }

    /// A refusal is corrected once; then it is final, and the fallback receiver hears of it.
    fn refuse(
        &mut self,
        attempt: &Attempt,
        mut job: JobRow,
        why: String,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let why: Arc<str> = why.into();
        let group_key = self.group_key(attempt.group);
        let integration = attempt.lane.integration.clone();
        if !job.corrected {
            job.corrected = true;
            job.attempts = job.attempts.saturating_add(1);
            job.next_try = now;
            out.push(Effect::Event(Event::Failed {
                integration,
                group_key,
                why,
                retry_at: now,
            }));
            self.put_back(attempt, job, out);
            return;
        }
        let fallback = self.routing.fallback();
        let fallback = fallback.is_some_and(|receiver| receiver.name == integration.receiver);
        self.log_refusal(attempt, &job, now, out);
        out.push(Effect::Event(Event::Refused {
            integration,
            group_key,
            why: Arc::clone(&why),
            fallback,
            alert_names: self.names_of(&job),
        }));
        self.drop_job(attempt.job, out);
        if !fallback {
            self.fall_back(attempt, &job, &why, now, out);
        }
    }

    fn names_of(&self, job: &JobRow) -> BTreeSet<Arc<str>> {
        let alerts = job.firing.iter().chain(job.resolved.iter());
        let rows = alerts.filter_map(|no| self.alerts.get(no));
        let names: BTreeSet<&str> = rows.map(|row| row.labels.get(ALERT_NAME)).collect();
        names.into_iter().map(Arc::from).collect()
    }

    /// A refused trigger is tried again only with a new state or when it is time to repeat. A
    /// refused resolve is over: whatever the receiver believes, it will not be told otherwise.
    fn log_refusal(
        &mut self,
        attempt: &Attempt,
        job: &JobRow,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let told = self.told(attempt.group, &attempt.lane).cloned();
        let mut told = told.unwrap_or_else(|| {
            ToldRow::new(Arc::clone(&attempt.integration), self.settings.dry_run)
        });
        if job.is_resolve() {
            told.firing = none();
            told.maybe = none();
            told.secret = None;
        } else {
            told.refused = Some(Refusal {
                firing: Arc::clone(&job.firing),
                resolved: Arc::clone(&job.resolved),
                at: now,
            });
        }
        self.put_told(attempt.group, &attempt.lane, told, out);
    }

    /// Sends a copy of what was refused for good to the fallback receiver.
    fn fall_back(
        &mut self,
        attempt: &Attempt,
        job: &JobRow,
        why: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let routing = Arc::clone(&self.routing);
        let integrations = routing.fallback().map_or(&[][..], |r| &r.integrations);
        let fallback_for: Arc<str> = format!("{}: {why}", attempt.lane.integration).into();
        for integration in integrations {
            let lane = LaneKey::current(&integration.key);
            let slots = self.groups.get(&attempt.group);
            let slots = slots.and_then(|group| group.lanes.get(&lane));
            let (resolve, waiting) = slots.map_or((None, None), |s| (s.resolve, s.newest));
            // Where it was told of the trigger it gets a resolve of its own.
            let open = self
                .told(attempt.group, &lane)
                .is_some_and(ToldRow::is_open);
            if job.is_resolve() && (open || resolve.is_some() || !integration.send_resolved) {
                continue;
            }
            let copy = JobRow {
                lane: lane.clone(),
                created: now,
                attempts: 0,
                next_try: now,
                corrected: false,
                fallback_for: Some(Arc::clone(&fallback_for)),
                forced: true,
                ..job.clone()
            };
            self.put_job(copy, waiting, out);
            self.pump(attempt.group, &lane, now, out);
        }
    }

    /// Lines a job up again after an attempt, unless something newer waits: a trigger gives way,
    /// and its successor takes over the wait.
    fn put_back(&mut self, attempt: &Attempt, job: JobRow, out: &mut Vec<Effect>) {
        let no = attempt.job;
        let Some(slots) = self.lane_mut(attempt.group, &attempt.lane) else {
            return;
        };
        let successor = if job.is_resolve() {
            slots.resolve
        } else {
            slots.front()
        };
        let Some(successor) = successor else {
            *(if job.is_resolve() {
                &mut slots.resolve
            } else {
                &mut slots.newest
            }) = Some(no);
            self.commit(
                Record::Job {
                    no,
                    row: Some(Box::new(job)),
                },
                out,
            );
            return;
        };
        out.push(Effect::Event(Event::Superseded {
            integration: job.lane.integration.clone(),
            group_key: self.group_key(job.group),
        }));
        if let Some(mut next) = self.jobs.get(&successor).cloned() {
            self.unqueue(successor);
            next.attempts = next.attempts.max(job.attempts);
            next.next_try = next.next_try.max(job.next_try);
            let row = Some(Box::new(next));
            self.commit(Record::Job { no: successor, row }, out);
        }
        self.drop_job(no, out);
    }

    /// Lets go of secrets that nothing refers to. While an attempt is under way any of them may be
    /// the one that it uses.
    pub(super) fn drop_spent_secrets(&mut self, out: &mut Vec<Effect>) {
        if !self.attempts.is_empty() || self.spent_secrets.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.spent_secrets) {
            if !self.secrets.contains_key(&id) {
                self.commit(Record::Secret { id }, out);
            }
        }
    }
}

/// Alertmanager's order of the alerts in a message: by the labels `job` and `instance`, those
/// without them last, then by the label sets (`alert.AlertSlice.Less`).
fn sort_for_message(alerts: &mut Vec<(super::AlertNo, Labels)>) {
    let mut keyed: Vec<_> = alerts
        .iter()
        .map(|(no, labels)| {
            let (job, instance) = (labels.get("job"), labels.get("instance"));
            let key = (job.is_empty(), job, instance.is_empty(), instance);
            (key, *no, labels)
        })
        .collect();
    keyed.sort_by(|(a, _, a_labels), (b, _, b_labels)| {
        a.cmp(b).then_with(|| before(a_labels, b_labels))
    });
    let sorted = keyed
        .into_iter()
        .map(|(_, no, labels)| (no, labels.clone()))
        .collect();
    *alerts = sorted;
}

/// The order of `model.LabelSet.Before`: fewer labels first; else by the first label that differs,
/// where the set that lacks the smaller name comes first.
fn before(a: &Labels, b: &Labels) -> Ordering {
    let by_count = a.len().cmp(&b.len());
    if by_count != Ordering::Equal {
        return by_count;
    }
    for ((name, value), (other_name, other_value)) in a.iter().zip(b) {
        let order = other_name.cmp(name).then(value.cmp(other_value));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
