//! Slack's incoming webhooks, as far as Stentor speaks to them: each request is a message in a channel.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use stentor_lang::model::Timestamp;

use super::{Effect, Reply, keep};

/// A message in a channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Post {
    /// The receiver's name.
    pub(crate) receiver: Arc<str>,
    pub(crate) at: Timestamp,
    /// Empty where the webhook decides.
    pub(crate) channel: String,
    /// Whether the bar beside it is not the green one.
    pub(crate) firing: bool,
    pub(crate) title: String,
    /// Without markup.
    pub(crate) text: String,
}

/// What Slack shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slack {
    /// The newest first.
    pub(crate) posts: VecDeque<Arc<Post>>,
    /// How many there ever were.
    pub(crate) total: u64,
}

impl Slack {
    pub(super) fn receive(
        &mut self,
        now: Timestamp,
        receiver: &Arc<str>,
        body: &str,
    ) -> (Reply, Option<Effect>) {
        let Ok(post) = serde_json::from_str::<Value>(body) else {
            return (Reply::new(400, "invalid_payload"), None);
        };
        let attachment = &post["attachments"][0];
        let text =
            |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let (title, words) = (text(attachment, "title"), text(attachment, "text"));
        let alone = text(&post, "text");
        if title.is_empty() && words.is_empty() && alone.is_empty() {
            return (Reply::new(400, "no_text"), None);
        }
        let words = if words.is_empty() { alone } else { words };
        let shown = Arc::new(Post {
            receiver: Arc::clone(receiver),
            at: now,
            channel: text(&post, "channel"),
            firing: text(attachment, "color") != "good",
            title: plain(&title),
            text: plain(&words),
        });
        self.total += 1;
        keep(&mut self.posts, Arc::clone(&shown));
        (Reply::new(200, "ok"), Some(Effect::Posted(shown)))
    }
}

/// A text as it is read: links by their names, escaped characters as themselves.
fn plain(markup: &str) -> String {
    let mut out = String::new();
    let mut rest = markup;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        let Some((link, behind)) = behind.split_once('>') else {
            rest = behind;
            break;
        };
        let (_, name) = link.rsplit_once('|').unwrap_or(("", link));
        out.push_str(name);
        rest = behind;
    }
    out.push_str(rest);
    out.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
