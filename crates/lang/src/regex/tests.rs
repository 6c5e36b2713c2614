//! Against Go: `parity.json` holds what Go 1.26's `regexp` says of each pattern: its error, or over
//! all `strings` a digit for each saying whether `^(?s:p)$` and `^(?:p)$` match, and the groups of
//! the first match of `p` itself.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::model::{Labels, MatchOp, Matcher};

fn table() -> Value {
    serde_json::from_str(include_str!("parity.json")).expect("the table is JSON")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

fn bits(regex: &Regex, strings: &[&str]) -> String {
    let digit = |text: &&str| if regex.is_match(text) { '1' } else { '0' };
    strings.iter().map(digit).collect()
}

fn groups(regex: &Regex, text: &str) -> String {
    let Some(captures) = regex.captures(text) else {
        return String::new();
    };
    let group = |at| match captures.raw.get_group(at) {
        Some(span) => format!("{},{}", span.start, span.end),
        None => "-".to_owned(),
    };
    (0..=regex.group_count())
        .map(group)
        .collect::<Vec<_>>()
        .join(";")
}

/// What differs from the table's row, one line each.
fn differences(case: &Value, strings: &[&str]) -> Vec<String> {
    let pattern = text(case, "pattern");
    let mut wrong = Vec::new();
    let mut compare = |what: &str, ours: String, go: &str| {
        if ours != go {
            wrong.push(format!(
                "{pattern:.60} {what}\n  ours {ours:.300}\n  go   {go:.300}"
            ));
        }
    };
    let error = text(case, "error");
    for (what, result) in [
        ("new", Regex::new(pattern)),
        ("anchored", Regex::anchored(pattern)),
        ("line", Regex::anchored_line(pattern)),
    ] {
        match result {
            Err(ours) => compare(what, ours.to_string(), error),
            Ok(_) if !error.is_empty() => compare(what, "accepted".to_owned(), error),
            Ok(regex) if what == "new" => {
                let found: Vec<_> = strings.iter().map(|text| groups(&regex, text)).collect();
                compare("find", found.join(" "), text(case, "find"));
                let names: Vec<_> = regex.group_names().map(|n| n.unwrap_or("")).collect();
                compare("names", names.join(","), text(case, "groups"));
            }
            Ok(regex) => compare(what, bits(&regex, strings), text(case, what)),
        }
    }
    wrong
}

#[test]
fn patterns_mean_what_go_says_they_mean() {
    let table = table();
    let strings = table["strings"].as_array().expect("strings");
    let strings: Vec<_> = strings
        .iter()
        .map(|s| s.as_str().expect("a string"))
        .collect();
    let cases = table["cases"].as_array().expect("cases");
    assert!(cases.len() > 120, "the table has {} cases", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .flat_map(|case| differences(case, &strings))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn replacing_expands_as_in_go() {
    for row in table()["replace"].as_array().expect("replace") {
        let cell = |at: usize| row[at].as_str().expect("a string");
        let regex = Regex::new(cell(0)).expect("the pattern compiles");
        assert_eq!(regex.replace_all(cell(1), cell(2)), cell(3), "{row}");
    }
}

#[track_caller]
fn check_span(pattern: &str, kind: RegexErrorKind, span: (usize, usize)) {
    let error = Regex::new(pattern).expect_err("it is refused");
    assert_eq!((error.kind, error.span), (kind, Span::new(span.0, span.1)));
}

#[test]
fn errors_point_at_the_place() {
    check_span("ab(c", RegexErrorKind::MissingParen, (2, 3));
    check_span("ab(?:c", RegexErrorKind::MissingParen, (2, 3));
    check_span("ab)c", RegexErrorKind::UnexpectedParen, (2, 3));
    check_span("x[abc", RegexErrorKind::MissingBracket, (1, 2));
    check_span("ab**", RegexErrorKind::NestedRepetition, (2, 4));
    check_span("ab\\", RegexErrorKind::TrailingBackslash, (2, 3));
    check_span("é\\yz", RegexErrorKind::Escape, (2, 4));
}

#[test]
fn size_and_depth_are_bounded() {
    let large = "(?:\\pL{100}\\pN{100}){10}|".repeat(200);
    let error = Regex::new(&large).expect_err("too large");
    assert_eq!(error.kind, RegexErrorKind::TooLarge);
    let deep = format!("{}a{}", "(?:b".repeat(80), ")+c".repeat(80));
    assert!(Regex::anchored(&deep).is_ok());
}

#[track_caller]
fn check_fast(pattern: &str, yes: &[&str], no: &[&str]) {
    let regex = Regex::anchored(pattern).expect("it compiles");
    assert!(regex.0.fast.is_some(), "{pattern} has a shortcut");
    for (texts, want) in [(yes, true), (no, false)] {
        for text in texts {
            assert_eq!(regex.is_match(text), want, "{pattern} on {text:?}");
            assert_eq!(
                regex.find(text).is_some(),
                want,
                "{pattern} on {text:?}, slowly"
            );
        }
    }
}

#[test]
fn shortcuts_agree_with_the_automaton() {
    check_fast("", &[""], &["a"]);
    check_fast("a\\.b", &["a.b"], &["axb", "a.b.", ""]);
    check_fast("foo|bar||foo", &["foo", "bar", ""], &["fo", "foobar"]);
    check_fast(".*", &["", "a\nb"], &[]);
    check_fast(".+", &["a", "\n"], &[""]);
    check_fast("aa.*", &["aa", "aa\n"], &["a", "baa"]);
    check_fast("aa.+", &["aab"], &["aa"]);
    check_fast(".*aa", &["aa", "\naa"], &["aab"]);
    check_fast(".+aa", &["aaa"], &["aa"]);
    check_fast(".*aa.*", &["aa", "baab", "\naa\n"], &["a a"]);
}

#[test]
fn matchers_compare_a_missing_label_as_empty() {
    let labels = Labels::from_pairs([("job", "api"), ("text", "a\nb")]);
    let matches = |name: &str, op, value: &str| {
        let (name, value) = (name.to_owned(), value.to_owned());
        let plain = Matcher { name, op, value };
        let matcher = LabelMatcher::new(&plain).expect("it compiles");
        assert_eq!(matcher, matcher.clone());
        assert_eq!(matcher.matcher(), &plain);
        matcher.matches(&labels)
    };
    assert!(matches("job", MatchOp::Equal, "api"));
    assert!(!matches("job", MatchOp::NotEqual, "api"));
    assert!(matches("job", MatchOp::Regex, "a.*"));
    assert!(!matches("job", MatchOp::NotRegex, "a.*"));
    assert!(matches("none", MatchOp::Equal, ""));
    assert!(matches("none", MatchOp::Regex, ".*"));
    assert!(!matches("none", MatchOp::Regex, ".+"));
    assert!(matches("text", MatchOp::Regex, "a.b"));
    let plain = Matcher {
        name: "text".to_owned(),
        op: MatchOp::Regex,
        value: "a.b".to_owned(),
    };
    assert!(
        !LabelMatcher::for_alertmanager(&plain)
            .expect("it compiles")
            .matches(&labels)
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(pattern in r"[\\\[\](){}|*+?^$.,:<>!=a-cpPQEdwsxiUms0-9é-]{0,24}", text in "[a-cé\n]{0,8}") {
        if let Ok(regex) = Regex::anchored(&pattern) {
            prop_assert_eq!(regex.is_match(&text), regex.find(&text).is_some());
            regex.replace_all(&text, &pattern);
        }
    }
}

#[test]
fn the_empty_text_is_judged_without_building() {
    for pattern in [
        "", ".*", ".+", "a?", "a*|b", "a|b", "(a|)", "^$", "\\b", "\\B", "(?:^|a)", "[^a]*",
        "x{0,2}", "$|a",
    ] {
        let built = Regex::anchored(pattern).expect(pattern).is_match("");
        assert_eq!(
            Regex::anchored_matches_empty(pattern),
            Ok(built),
            "{pattern}"
        );
        assert_eq!(Regex::check_anchored(pattern), Ok(()), "{pattern}");
    }
    for pattern in ["(", "a**", "[b-a]", "a{1001}", "(?:a{100}){100}"] {
        assert!(Regex::check_anchored(pattern).is_err(), "{pattern}");
        assert!(Regex::anchored_matches_empty(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |depth: usize| "(".repeat(depth) + "a" + &")".repeat(depth);
    assert!(Regex::new(&nested(MAX_DEPTH - 1)).is_ok());
    let error = Regex::new(&nested(MAX_DEPTH)).expect_err("too deep");
    assert_eq!(error.kind, RegexErrorKind::NestingDepth);
}
