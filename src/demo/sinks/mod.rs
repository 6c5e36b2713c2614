//! The services that are told: each takes the very requests that Stentor would send, reads them as the
//! service does, and answers as it does. Nothing leaves the process.

mod pagerduty;
mod slack;

use std::collections::VecDeque;
use std::sync::Arc;

use stentor_core::receiver::{
    Integration, Kind, Message, Outcome, Response, SecretBundle, classify, render,
};
use stentor_lang::model::Timestamp;

pub(crate) use pagerduty::{Incident, PagerDuty};
pub(crate) use slack::{Post, Slack};

/// As much as a service shows, and more than anybody scrolls back.
pub(crate) const KEPT: usize = 200;

/// The services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sinks {
    pub(crate) pagerduty: PagerDuty,
    pub(crate) slack: Slack,
}

/// What a request brought about at the service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Somebody is woken.
    Opened(Arc<Incident>),
    /// An open incident has news.
    Updated(Arc<Incident>),
    /// An incident is over, and what was said then.
    Closed(Arc<Incident>, String),
    /// A message stands in a channel.
    Posted(Arc<Post>),
}

/// A service's answer.
struct Reply {
    status: u16,
    body: String,
}

impl Sinks {
    /// Sends a message to its service: what comes of it for the engine, and what it does there.
    pub(crate) fn deliver(
        &mut self,
        now: Timestamp,
        integration: &Integration,
        message: &Message,
        secrets: &SecretBundle,
    ) -> (Outcome, Option<Effect>) {
        let request = match render(integration, message, secrets) {
            Ok(request) => request,
            Err(error) => return (error.outcome(), None),
        };
        let receiver = &integration.key.receiver;
        let (reply, effect) = match integration.key.kind {
            Kind::PagerDuty => self.pagerduty.receive(now, receiver, &request.body),
            Kind::Slack => self.slack.receive(now, receiver, &request.body),
            Kind::Webhook => (Reply::new(404, "the demo plays no webhook"), None),
        };
        let response = Response {
            status: reply.status,
            retry_after: None,
            body: &reply.body,
        };
        (classify(integration, &response, secrets), effect)
    }
}

impl Reply {
    fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
        }
    }
}

/// Puts the newest in front, and drops the oldest of too many.
fn keep<T>(all: &mut VecDeque<T>, newest: T) {
    all.push_front(newest);
    all.truncate(KEPT);
}

#[cfg(test)]
mod tests;
