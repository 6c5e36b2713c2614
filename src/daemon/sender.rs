//! Carries notifications to their receivers: finds the secrets, lets `receiver` write the request
//! and read the answer, and sends. It decides nothing, and no secret leaves it but in a request.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use stentor_core::engine::Deliver;
use stentor_core::receiver::{
    Failure, Integration, Outcome, Request, Response, SecretBundle, SecretId, classify,
    classify_failure, render,
};
use tokio::time::timeout;

use super::secrets::Inline;
use super::store::Change;
use super::store::writer::{Handle, Job};
use super::transport::{
    BodyError, Redirects, Transports, describe, failure, header_map, read_body,
};

/// Services answer in a few hundred bytes; what is behind this is not read.
const ANSWER_BYTES: usize = 64 * 1024;

/// Where the sender will be: the store's thread starts deliveries, and the sender needs that thread.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<OnceLock<Arc<Sender>>>);

impl Slot {
    /// Puts the sender there, once.
    pub(crate) fn fill(&self, sender: Arc<Sender>) {
        assert!(self.0.set(sender).is_ok(), "invariant: there is one sender");
    }

    /// The sender; deliveries begin only after it is there.
    pub(crate) fn get(&self) -> &Arc<Sender> {
        self.0
            .get()
            .expect("invariant: the sender is there before the engine")
    }
}

/// Sends notifications.
pub(crate) struct Sender {
    store: Handle,
    transports: Transports,
    inline: RwLock<Arc<Inline>>,
    /// Nothing is sent; it is logged instead.
    dry_run: bool,
}

impl Sender {
    pub(crate) fn new(store: Handle, inline: Arc<Inline>, dry_run: bool) -> Self {
        Self {
            store,
            transports: Transports::default(),
            inline: RwLock::new(inline),
            dry_run,
        }
    }

    /// The secrets of a new configuration.
    pub(crate) fn set_inline(&self, inline: Arc<Inline>) {
        *self.inline.write().unwrap_or_else(PoisonError::into_inner) = inline;
    }

    /// Makes one attempt. Names the version of the secrets that was used; it is durable then.
    pub(crate) async fn attempt(
        &self,
        delivery: &Deliver,
        within: Duration,
    ) -> (Outcome, Option<SecretId>) {
        if self.dry_run {
            log_only(delivery);
            return (Outcome::Delivered, None);
        }
        let integration = &delivery.integration;
        let (secrets, problems) = self.secrets(delivery).await;
        for problem in problems {
            tracing::warn!(receiver = %integration.key, "secret not found: {problem}");
        }
        let request = match render(integration, &delivery.message, &secrets) {
            Ok(request) => request,
            Err(error) => return (error.outcome(), None),
        };
        let id = self.store.keep_secret(secrets.clone()).await;
        let within = within.min(integration.timeout.to_std());
        let sent = timeout(within, self.send(integration, request, &secrets)).await;
        let outcome = sent.unwrap_or_else(|_| classify_failure(Failure::Timeout, "", &secrets));
        if let Some(id) = id {
            // Had nothing referred to it in between, it would have been on its way out.
            self.store.send(Job::Change(Change::KeepSecret(id)));
        }
        (outcome, id)
    }

    /// The version that the engine names, for a resolve that must use what its trigger used; else
    /// the present ones.
    async fn secrets(&self, delivery: &Deliver) -> (SecretBundle, Vec<String>) {
        if let Some(id) = delivery.secret {
            if let Some(bundle) = self.store.secret(id).await {
                return (bundle, Vec::new());
            }
            tracing::error!(
                receiver = %delivery.integration.key,
                "the secrets of an open incident are lost; trying the present ones"
            );
        }
        let inline = self.inline.read().unwrap_or_else(PoisonError::into_inner);
        inline.resolve(&delivery.integration.secret_refs())
    }

    async fn send(
        &self,
        integration: &Integration,
        request: Request,
        secrets: &SecretBundle,
    ) -> Outcome {
        let failed = |class, detail: &str| classify_failure(class, detail, secrets);
        let remote = integration.key.to_string();
        let client = self
            .transports
            .client(&remote, &integration.http, secrets, Redirects::Never);
        let (client, headers) = match (client, header_map(&request.headers)) {
            (Ok(client), Ok(headers)) => (client, headers),
            (Err(why), _) | (_, Err(why)) => return failed(Failure::Malformed, &why),
        };
        let sent = client
            .post(&request.url)
            .headers(headers)
            .body(request.body);
        let mut response = match sent.send().await {
            Ok(response) => response,
            Err(error) => {
                let class = failure(&error);
                return failed(class, &describe(&error.without_url()));
            }
        };
        let retry_after = response.headers().get(reqwest::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let status = response.status().as_u16();
        let body = match read_body(&mut response, ANSWER_BYTES).await {
            Ok(body) => body,
            // The status says enough.
            Err(BodyError::TooLarge) => Vec::new(),
            Err(BodyError::Broken(why)) => return failed(Failure::Reset, &why),
        };
        let response = Response {
            status,
            retry_after,
            body: &String::from_utf8_lossy(&body),
        };
        classify(integration, &response, secrets)
    }
}

fn log_only(delivery: &Deliver) {
    let message = &delivery.message;
    tracing::info!(
        receiver = %delivery.integration.key,
        group = &*message.group_key,
        status = message.status.as_str(),
        reason = message.reason.to_string(),
        alerts = message.alerts.len(),
        "dry run: would notify"
    );
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
