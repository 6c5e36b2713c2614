//! Slack's incoming webhooks: one attachment for each state of a group.
//!
//! All data (labels, annotations, values, URLs) is escaped, so that a label value can neither
//! call a channel nor pass for a link; what the configuration says is its writer's own markup.

use serde::{Deserialize, Serialize};

use super::SecretRef;
use super::answer::{Response, by_status, retry_after, shown};
use super::json::to_json;
use super::message::{Message, Status};
use super::target::Outcome;
use super::text::{self, ALERTS_SHOWN, Common, is_web_url, many_lines, shorten};

/// A title's limit in characters, Alertmanager's.
const MAX_TITLE: usize = 1024;

/// Slack advises to keep a text below 4,000 characters and may split longer ones.
const MAX_TEXT: usize = 3900;

/// How much of it the description may take, so that alerts and links have room.
const MAX_DESCRIPTION: usize = 1000;

/// How much of it one alert's line may take.
const MAX_LINE: usize = 400;

/// How much of it the links and notes may take together.
const MAX_END: usize = 900;

/// A link that takes more than this would fill the message.
const MAX_LINK: usize = 400;

/// `slack_configs`, without templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slack {
    /// The webhook's URL.
    pub api_url: SecretRef,
    /// The channel, where the webhook lets it be chosen.
    pub channel: Option<String>,
    /// The name to post under, where the webhook lets it be chosen.
    pub username: Option<String>,
    /// The picture to post under, as an emoji.
    pub icon_emoji: Option<String>,
    /// The same, as a URL.
    pub icon_url: Option<String>,
    /// Whether Slack makes `@name` and `#channel` into links, and so calls people.
    pub link_names: bool,
    /// The colour of the bar, instead of red and green.
    pub color: Option<String>,
    /// The title, instead of the default one.
    pub title: Option<String>,
    /// Where the title leads.
    pub title_link: Option<String>,
    /// A text above the attachment.
    pub pretext: Option<String>,
    /// The text, instead of the default one.
    pub text: Option<String>,
    /// The text of notifications on phones, instead of the title.
    pub fallback: Option<String>,
    /// A line below.
    pub footer: Option<String>,
    /// A picture below the text.
    pub image_url: Option<String>,
    /// A small picture beside it.
    pub thumb_url: Option<String>,
    /// Slack's `callback_id`.
    pub callback_id: Option<String>,
    /// The message's own text, above the attachment.
    pub message_text: Option<String>,
    /// Which parts hold markup.
    pub mrkdwn_in: Vec<String>,
    /// Titles and values below the text.
    pub fields: Vec<Field>,
}

/// A title and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The title.
    pub title: String,
    /// The value.
    pub value: String,
    /// Whether another one fits beside it.
    pub short: bool,
}

#[derive(Serialize)]
struct Post<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_emoji: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_url: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    fallback: String,
    color: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pretext: Option<&'a str>,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title_link: Option<&'a str>,
    text: String,
    #[serde(skip_serializing_if = "<[Field]>::is_empty")]
    fields: &'a [Field],
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumb_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<&'a str>,
    mrkdwn_in: Vec<&'a str>,
}

/// The body of the request.
pub(super) fn body(settings: &Slack, message: &Message) -> String {
    let escape = Escape {
        names: settings.link_names,
    };
    if message.corrected {
        return to_json(&plain(message, &escape));
    }
    to_json(&Post {
        channel: set(settings.channel.as_ref()),
        username: set(settings.username.as_ref()),
        icon_emoji: set(settings.icon_emoji.as_ref()),
        icon_url: set(settings.icon_url.as_ref()),
        link_names: settings.link_names,
        text: set(settings.message_text.as_ref()).map(str::to_owned),
        attachments: vec![attachment(settings, message, &escape)],
    })
}

/// A text and nothing else, to the webhook's own channel.
fn plain(message: &Message, escape: &Escape) -> Post<'static> {
    let mut lines = vec![escape.line(&text::headline(message), MAX_TITLE)];
    lines.extend(end_lines(message, escape));
    Post {
        channel: None,
        username: None,
        icon_emoji: None,
        icon_url: None,
        link_names: false,
        text: Some(lines.join("\n")),
        attachments: Vec::new(),
    }
}

fn attachment<'a>(settings: &'a Slack, message: &'a Message, escape: &Escape) -> Attachment<'a> {
    let headline = escape.line(&text::headline(message), MAX_TITLE);
    let color = match message.status {
        Status::Firing => "danger",
        Status::Resolved => "good",
    };
    let title = match set(settings.title.as_ref()) {
        Some(title) => shorten(title, MAX_TITLE).into_owned(),
        None => headline.clone(),
    };
    let link = Some(&*message.external_url).filter(|url| is_web_url(url));
    let mrkdwn_in = if settings.mrkdwn_in.is_empty() {
        vec!["fallback", "pretext", "text"]
    } else {
        settings.mrkdwn_in.iter().map(String::as_str).collect()
    };
    Attachment {
        fallback: set(settings.fallback.as_ref()).map_or(headline, str::to_owned),
        color: set(settings.color.as_ref()).unwrap_or(color),
        pretext: set(settings.pretext.as_ref()),
        title,
        title_link: set(settings.title_link.as_ref()).or(link),
        text: set(settings.text.as_ref())
            .map_or_else(|| default_text(message, escape), str::to_owned),
        fields: &settings.fields,
        image_url: set(settings.image_url.as_ref()),
        thumb_url: set(settings.thumb_url.as_ref()),
        callback_id: set(settings.callback_id.as_ref()),
        footer: set(settings.footer.as_ref()),
        mrkdwn_in,
    }
}

fn set(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn default_text(message: &Message, escape: &Escape) -> String {
    let common = Common::of(&message.alerts);
    let end = end_lines(message, escape);
    let mut lines = Vec::new();
    if let Some(description) = common.annotations.get("description") {
        let description = shorten(description, MAX_DESCRIPTION);
        let description = many_lines(&description);
        if !description.trim().is_empty() {
            lines.push(escape.text(description.trim(), MAX_DESCRIPTION));
        }
    }
    let length = |lines: &[String]| {
        lines
            .iter()
            .map(|line| line.chars().count() + 1)
            .sum::<usize>()
    };
    let mut room = MAX_TEXT.saturating_sub(length(&lines) + length(&end));
    let alone = message.alerts.len() == 1;
    let mut shown = 0;
    for alert in text::firing_first(message).take(ALERTS_SHOWN) {
        let line = text::alert_line(alert, &common, alone);
        let line = format!("• {}", escape.line(&line, MAX_LINE));
        // The line that counts the others needs room too.
        let Some(left) = room
            .checked_sub(line.chars().count() + 1)
            .filter(|left| *left > 50)
        else {
            break;
        };
        room = left;
        shown += 1;
        lines.push(line);
    }
    if shown < message.alerts.len() {
        lines.push(format!("…and {} more", message.alerts.len() - shown));
    }
    lines.extend(end);
    lines.join("\n")
}

/// Links to runbook and source, and notes; all together within [`MAX_END`] characters.
fn end_lines(message: &Message, escape: &Escape) -> Vec<String> {
    let links: Vec<String> = [
        (text::runbook(message), "Runbook"),
        (text::source(message), "Source"),
    ]
    .into_iter()
    .filter_map(|(url, name)| link(url?, name))
    .collect();
    let mut lines = Vec::new();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
    let mut room = MAX_END.saturating_sub(lines.iter().map(|line| line.chars().count()).sum());
    for note in text::notes(message) {
        let note = format!("_{}_", escape.line(&note, room.min(MAX_LINE)));
        match room.checked_sub(note.chars().count() + 1) {
            Some(left) => room = left,
            None => break,
        }
        lines.push(note);
    }
    lines
}

/// How data becomes Slack's markup.
struct Escape {
    /// Whether Slack calls whoever is named by an `@` in the text.
    names: bool,
}

impl Escape {
    /// Data on one line, at most `limit` characters when escaped.
    fn line(&self, data: &str, limit: usize) -> String {
        self.text(&text::clean(data, limit), limit)
    }

    /// Data of several lines. Slack counts what it receives, so the escaped text is measured, and
    /// an escape is never cut in two.
    fn text(&self, data: &str, limit: usize) -> String {
        let mut out = String::new();
        let mut length = 0;
        // Where to cut, so that the mark of the cut still fits.
        let mut cut = 0;
        for c in data.chars() {
            let mut one = [0; 4];
            let piece: &str = match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                // A character without width, so that no name follows.
                '@' if self.names => "@\u{200b}",
                c => c.encode_utf8(&mut one),
            };
            length += piece.chars().count();
            if length > limit {
                out.truncate(cut);
                out.push('…');
                break;
            }
            out.push_str(piece);
            if length < limit {
                cut = out.len();
            }
        }
        out
    }
}

/// A link to a URL from data, or nothing where that cannot be one.
fn link(url: &str, name: &str) -> Option<String> {
    let unsafe_in_link = |c| matches!(c, '<' | '>' | '|' | '"' | '`');
    let usable =
        is_web_url(url) && url.chars().count() <= MAX_LINK && !url.contains(unsafe_in_link);
    usable.then(|| format!("<{}|{name}>", url.replace('&', "&amp;")))
}

/// What Slack's answers mean. It takes a message only with the text `ok`, or with JSON that says
/// so; a 200 can hold an error.
pub(super) fn classify(response: &Response<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default)]
        ok: bool,
        #[serde(default)]
        error: String,
    }
    let reply = serde_json::from_str::<Reply>(response.body).ok();
    let detail = match &reply {
        Some(reply) if !reply.error.is_empty() => shown(&reply.error),
        _ => shown(response.body),
    };
    let outcome = by_status(response, &detail);
    let taken = match &reply {
        Some(reply) => reply.ok,
        None => response.body.trim() == "ok",
    };
    if outcome != Outcome::Delivered || taken {
        return outcome;
    }
    let why = format!("slack answered {}, but not ok: {detail}", response.status);
    let later = [
        "rate_limited",
        "ratelimited",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
    ];
    if later.contains(&detail.as_str()) {
        return Outcome::Retry {
            after: retry_after(response),
            maybe_delivered: false,
            why,
        };
    }
    Outcome::Refused { why }
}
