//! Everything in HTML: the report of a replay and the page of a running process. Pure functions from data to text;
//! every value is escaped by the templates, and nothing is loaded from anywhere else.

pub(crate) mod live;
pub(crate) mod plot;
pub(crate) mod report;
#[cfg(test)]
mod sample;
mod words;

use std::fmt::Write as _;

use askama::Template;
use sha2::{Digest as _, Sha256};
use stentor_core::receiver::base64;

/// The look of all pages.
const STYLE: &str = include_str!("templates/style.css");

/// What a page may do: show itself, run the one script that it brings, and ask its own server.
fn policy(script: Option<&str>) -> String {
    let mut policy = "default-src 'none'; base-uri 'none'; form-action 'none'; \
                      style-src 'unsafe-inline'"
        .to_owned();
    if let Some(script) = script {
        let digest = base64(&Sha256::digest(script));
        let _ = write!(policy, "; script-src 'sha256-{digest}'; connect-src 'self'");
    }
    policy
}

/// The text of a template.
fn made(template: &impl Template) -> String {
    let text = template.render();
    text.expect("invariant: nothing in a page fails to be written")
}

/// Whether a text from a rule may be a link.
fn is_link(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The class of a severity: how loud its colour is. The word stands beside it always.
fn tone(severity: &str) -> &'static str {
    match severity.to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "fatal" | "high" | "p1" => "critical",
        "error" | "major" | "p2" => "error",
        "warning" | "warn" | "minor" | "medium" | "p3" => "warning",
        _ => "info",
    }
}
