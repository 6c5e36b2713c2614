//! A report as Markdown for a pull request: the figures, and the timeline folded away.
//!
//! Labels come from foreign systems: whatever Markdown or HTML would make something of is escaped.

use std::fmt::Write as _;

use stentor_core::report::Report;

use super::clock::Clock;
use super::words::{self, Table};

/// GitHub takes a summary of 1 MiB; the lines of a timeline are some hundred bytes.
const MOST_EVENTS: usize = 2000;

/// The whole report.
pub(super) fn show(report: &Report, clock: Clock) -> String {
    let mut out = "## Replay\n\n".to_owned();
    for line in words::summary(report, clock) {
        let _ = writeln!(out, "- {}", escaped(&line));
    }
    let errors = words::errors(report, clock);
    if !errors.is_empty() {
        let _ = writeln!(
            out,
            "\n**Errors of rules: {}**\n",
            report.timeline.error_count
        );
        for line in errors {
            let _ = writeln!(out, "- {}", escaped(&line));
        }
    }
    for (title, found) in [
        ("Incidents", words::incidents(report, clock)),
        ("Receivers", words::receivers(report, clock)),
        ("Rules", words::rules(report)),
    ] {
        if !found.rows.is_empty() {
            let _ = writeln!(out, "\n### {title}\n\n{}", table(&found).trim_end());
        }
    }
    let events = events(report, clock);
    let count = events.rows.len();
    if count > 0 {
        folded(
            &mut out,
            &format!("Timeline: {}", words::count(count, "event")),
            &events,
        );
    }
    out
}

/// Transitions and notifications by time.
fn events(report: &Report, clock: Clock) -> Table {
    let timeline = &report.timeline;
    let mut rows: Vec<(stentor_lang::model::Timestamp, Vec<String>)> = Vec::new();
    for transition in &timeline.transitions {
        let name = &timeline.rules[transition.rule].rule.alert;
        let labels = transition.labels.without("alertname");
        rows.push((
            transition.at,
            vec![
                clock.time(transition.at),
                words::change(transition).to_owned(),
                format!("{name} {labels}{}", words::value(transition)),
            ],
        ));
    }
    for told in &timeline.notifications {
        let what = format!("{} {}", told.integration, words::told(told));
        rows.push((told.at, vec![clock.time(told.at), "told".to_owned(), what]));
    }
    rows.sort_by_key(|(at, _)| *at);
    Table {
        head: vec!["time", "event", "what"],
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    }
}

/// A table behind a line to click on.
pub(super) fn folded(out: &mut String, summary: &str, found: &Table) {
    let shown = Table {
        head: found.head.clone(),
        rows: found.rows.iter().take(MOST_EVENTS).cloned().collect(),
    };
    let more = found.rows.len() - shown.rows.len();
    let _ = writeln!(
        out,
        "\n<details><summary>{}</summary>\n\n{}",
        escaped(summary),
        table(&shown)
    );
    if more > 0 {
        let _ = writeln!(out, "and {more} more\n");
    }
    out.push_str("</details>\n");
}

/// A table of GitHub's Markdown.
pub(super) fn table(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(table.head.iter().map(|head| escaped(head)).collect());
    out += &line(table.head.iter().map(|_| "---".to_owned()).collect());
    for row in &table.rows {
        out += &line(row.iter().map(|cell| escaped(cell)).collect());
    }
    out
}

/// A text that stays what it is: punctuation behind a backslash, HTML as entities, in one line.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::cli::diagnostics::visible(text).chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Else a mention notifies people, a number links to an issue, and a URL is a link.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.replace("://", ":&#47;&#47;")
        .replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_in_a_text_is_markup() {
        for (text, expected) in [
            ("plain text, 1 (2)", "plain text, 1 (2)"),
            ("a|b\nc", "a\\|b c"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("[x](http://y)", "\\[x\\](http:&#47;&#47;y)"),
            ("@team #1 `x`", "&#64;team &#35;1 \\`x\\`"),
            ("\u{1b}[31m", "\u{fffd}\\[31m"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
