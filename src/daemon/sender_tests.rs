use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::daemon::fake::{Fake, Reply};
use crate::daemon::store::{Sqlite, writer};
use stentor_core::notify::AttemptId;
use stentor_core::receiver::{
    Alert, HttpConfig, IntegrationKey, Kind, Message, NotifyReason, SecretRef, Settings, Status,
    Webhook,
};
use stentor_lang::model::{self, Labels, Timestamp};

struct Silent;

impl writer::Outlet for Silent {
    fn deliver(&mut self, _: Deliver) {}
    fn news(&mut self, _: writer::News) {}
}

fn sender(directory: &Path, secrets: &[(&str, &str)], dry_run: bool) -> Sender {
    let (store, _) = Sqlite::open(directory, "now", Duration::ZERO).expect("opened");
    let (handle, _) = writer::start(store, Silent, writer::PROBE_INTERVAL).expect("started");
    Sender::new(handle, inline(secrets), dry_run)
}

fn inline(secrets: &[(&str, &str)]) -> Arc<Inline> {
    let owned = secrets
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    Arc::new(Inline(owned.collect::<BTreeMap<_, _>>()))
}

fn delivery(secret: Option<SecretId>) -> Deliver {
    let integration = Integration {
        key: IntegrationKey {
            receiver: "hook".into(),
            kind: Kind::Webhook,
            index: 0,
        },
        send_resolved: true,
        timeout: model::Duration::from_secs(20),
        rate_limit: 100,
        rate_window: model::Duration::from_secs(1),
        http: HttpConfig::default(),
        settings: Settings::Webhook(Webhook {
            url: SecretRef::Inline("url".to_owned()),
            max_alerts: 0,
        }),
    };
    let alert = Alert {
        status: Status::Firing,
        labels: Labels::from_pairs([("alertname", "Down")]),
        annotations: Vec::new().into(),
        starts_at: Timestamp::from_millis(1_000),
        ends_at: None,
        generator_url: "".into(),
        value: Some(1.0),
        end_reason: None,
    };
    let message = Message {
        receiver: "hook".into(),
        group_key: "{}:{}".into(),
        group_labels: Labels::default(),
        route_labels: Labels::default(),
        reason: NotifyReason::FirstNotification,
        status: Status::Firing,
        alerts: vec![alert],
        external_url: "".into(),
        now: Timestamp::from_millis(2_000),
        corrected: false,
        fallback_for: None,
    };
    Deliver {
        attempt: AttemptId(1),
        integration: Arc::new(integration),
        message: Arc::new(message),
        secret,
        deadline: Timestamp::EPOCH,
    }
}

const LONG: Duration = Duration::from_secs(20);

/// The outcome of one attempt at a server with this answer.
async fn outcome(reply: Reply, within: Duration) -> Outcome {
    let fake = Fake::start([reply]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("{}/hook/canary-in-path", fake.url());
    let sender = sender(directory.path(), &[("url", &url)], false);
    let (outcome, id) = sender.attempt(&delivery(None), within).await;
    assert!(id.is_some());
    assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
    assert_eq!(fake.requests().len(), 1);
    assert!(fake.requests()[0].starts_with("POST /hook/canary-in-path HTTP/1.1\r\n"));
    assert!(fake.requests()[0].contains("content-type: application/json\r\n"));
    outcome
}

#[tokio::test]
async fn answers_are_classified() {
    assert_eq!(
        outcome(Reply::text(200, ""), LONG).await,
        Outcome::Delivered
    );
    let refused = outcome(Reply::text(400, "no /hook/canary-in-path"), LONG).await;
    assert!(matches!(refused, Outcome::Refused { .. }), "{refused:?}");
    let wait = Reply::with_headers(429, "Retry-After: 7\r\n", b"");
    let retry = outcome(wait, LONG).await;
    let seven = Some(model::Duration::from_secs(7));
    assert!(matches!(retry, Outcome::Retry { after, .. } if after == seven));
}

#[tokio::test]
async fn a_broken_or_missing_answer_may_have_arrived() {
    for (reply, within) in [
        (Reply::Cut(Vec::new()), LONG),
        (
            Reply::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_vec()),
            LONG,
        ),
        (Reply::Hang, Duration::from_millis(50)),
    ] {
        let outcome = outcome(reply, within).await;
        let Outcome::Retry {
            maybe_delivered, ..
        } = &outcome
        else {
            panic!("{outcome:?}");
        };
        assert!(maybe_delivered, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Fake::start([Reply::text(200, "")]).await;
    let location = format!("Location: {}/x\r\n", other.url());
    for status in [301, 302, 307, 308] {
        let moved = outcome(Reply::with_headers(status, &location, b""), LONG).await;
        assert!(matches!(moved, Outcome::Refused { .. }), "{moved:?}");
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_resolve_uses_what_its_trigger_used() {
    let old = Fake::start([Reply::text(200, "")]).await;
    let new = Fake::start([Reply::text(200, "")]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let sender = sender(directory.path(), &[("url", &old.url())], false);
    let (_, first) = sender.attempt(&delivery(None), LONG).await;
    sender.set_inline(inline(&[("url", &new.url())]));
    let (_, second) = sender.attempt(&delivery(None), LONG).await;
    assert_ne!(first, second);
    let (outcome, third) = sender.attempt(&delivery(first), LONG).await;
    assert_eq!((outcome, third), (Outcome::Delivered, first));
    assert_eq!((old.requests().len(), new.requests().len()), (2, 1));
    sender.attempt(&delivery(Some(SecretId(99))), LONG).await;
    assert_eq!(new.requests().len(), 2);
}

#[tokio::test]
async fn a_missing_secret_is_tried_again_and_a_dry_run_needs_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = sender(directory.path(), &[], false)
        .attempt(&delivery(None), LONG)
        .await
        .0;
    assert!(matches!(missing, Outcome::Retry { .. }), "{missing:?}");
    let directory = tempfile::tempdir().expect("a directory");
    let dry = sender(directory.path(), &[], true)
        .attempt(&delivery(None), LONG)
        .await;
    assert_eq!(dry, (Outcome::Delivered, None));
}
