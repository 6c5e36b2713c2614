//! Golden files: the bodies of requests, as JSON for people.

use std::collections::BTreeMap;

/// Files by the path that a test names, or why one cannot be read.
pub type Goldens = BTreeMap<String, Result<String, String>>;

/// Beyond so many pairs of lines only what is common at both ends is left out.
const MAX_PAIRS: usize = 4_000_000;
/// The most lines of a difference that are shown.
const MAX_LINES: usize = 60;
/// Lines that are shown around what differs.
const CONTEXT: usize = 2;

/// The text of a golden file for a body: JSON with a field on each line, anything else as it is.
pub fn golden_text(body: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(body) {
        Ok(value) => {
            let text = serde_json::to_string_pretty(&value);
            text.expect("invariant: a JSON value can be written") + "\n"
        }
        Err(_) => body.to_owned(),
    }
}

/// The lines in which a body differs from a golden file, each behind a newline; `None` where they say
/// the same.
pub fn golden_difference(golden: &str, body: &str) -> Option<String> {
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match (parsed(golden), parsed(body)) {
        (Some(expected), Some(got)) if expected == got => return None,
        (None, None) if golden == body => return None,
        _ => {}
    }
    let (golden, body) = (golden_text(golden), golden_text(body));
    let (golden, body): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), body.lines().collect());
    let lines = lines(&golden, &body);
    let changed = |index: usize| lines.get(index).is_some_and(|(sign, _)| *sign != ' ');
    let near = |index: usize| (index.saturating_sub(CONTEXT)..=index + CONTEXT).any(changed);
    let mut text = String::new();
    let shown = lines.iter().enumerate().filter(|(index, _)| near(*index));
    for (count, (_, (sign, line))) in shown.enumerate() {
        if count == MAX_LINES {
            text.push_str("\n  ...");
            break;
        }
        text.push('\n');
        text.push(*sign);
        text.push(' ');
        text.push_str(line);
    }
    Some(text)
}

/// All lines of both, each with `-` (expected), `+` (got) or a blank (both).
fn lines<'t>(expected: &[&'t str], got: &[&'t str]) -> Vec<(char, &'t str)> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = expected.iter().zip(got).take_while(same).count();
    let (expected_rest, got_rest) = (&expected[head..], &got[head..]);
    let tail = expected_rest.iter().rev().zip(got_rest.iter().rev());
    let tail = tail.take_while(same).count();
    let a = &expected_rest[..expected_rest.len() - tail];
    let b = &got_rest[..got_rest.len() - tail];
    let mut lines: Vec<(char, &str)> = expected[..head].iter().map(|line| (' ', *line)).collect();
    if a.len().saturating_mul(b.len()) > MAX_PAIRS {
        lines.extend(a.iter().map(|line| ('-', *line)));
        lines.extend(b.iter().map(|line| ('+', *line)));
    } else {
        middle(a, b, &mut lines);
    }
    lines.extend(expected_rest[a.len()..].iter().map(|line| (' ', *line)));
    lines
}

/// The longest common lines stay, by the table of all pairs.
fn middle<'t>(a: &[&'t str], b: &[&'t str], lines: &mut Vec<(char, &'t str)>) {
    let width = b.len() + 1;
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len()
            && (j == b.len() || common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            lines.push(('-', a[i]));
            i += 1;
        } else {
            lines.push(('+', b[j]));
            j += 1;
        }
    }
}
