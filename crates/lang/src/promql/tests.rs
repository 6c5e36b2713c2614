//! The parser against tables made with Prometheus 3.14's own, and against upstream's scripts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::ast::Expr;
use super::parser::{MAX_NESTING, MAX_OPERATORS};
use super::{ParseOptions, matcher_text, parse, parse_metric_labels, parse_selector};
use crate::model::Diagnostic;
use crate::yaml;

const PRINTED: &str = include_str!("../../../../tests/promql/printed.tsv");
const REFUSED: &str = include_str!("../../../../tests/promql/refused.tsv");
const DIGESTS: &str = include_str!("../../../../tests/promql/printed.digests");

#[track_caller]
fn read(text: &str) -> Expr {
    match parse(text, ParseOptions::all()) {
        Ok(expr) => expr,
        Err(errors) => panic!("{text:?}: {errors:?}"),
    }
}

#[track_caller]
fn refuse(text: &str) -> Vec<Diagnostic> {
    match parse(text, ParseOptions::default()) {
        Ok(expr) => panic!("{text:?} was read as {expr}"),
        Err(errors) => errors,
    }
}

/// Lines of a table but comments, in columns.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .filter(|line| !line.starts_with("# ") || line.contains('\t'))
        .map(|line| line.split('\t').collect())
}

/// The printed text is the same tree, and is printed as it is.
#[track_caller]
fn check_round_trip(text: &str) -> String {
    let expr = read(text);
    let printed = expr.to_string();
    let again = read(&printed);
    assert_eq!(again, expr, "{text:?} printed as {printed:?}");
    assert_eq!(again.to_string(), printed, "{text:?}");
    printed
}

#[test]
fn expressions_print_as_in_prometheus() {
    let mut count = 0;
    for row in rows(PRINTED) {
        let [text, printed] = row[..] else {
            panic!("a row of two columns, not {row:?}");
        };
        assert_eq!(read(text).to_string(), printed, "{text:?}");
        count += 1;
    }
    assert!(count > 200, "{count} rows");
}

#[test]
fn printed_expressions_read_back_as_the_same_tree() {
    for row in rows(PRINTED) {
        check_round_trip(row[0]);
    }
    // these two are printed by upstream so that they read back as something else, or not at all
    assert_eq!(
        check_round_trip("foo offset (5m) + 3m"),
        "foo offset (5m + 3m)"
    );
    assert_eq!(check_round_trip("info(foo, {})"), "info(foo, {})");
}

#[test]
fn refused_expressions_are_refused_with_upstreams_words() {
    let mut count = 0;
    for row in rows(REFUSED) {
        let [text, span, message] = row[..] else {
            panic!("a row of three columns, not {row:?}");
        };
        let error = &refuse(text)[0];
        let found = format!("{}..{}", error.span.start, error.span.end);
        assert_eq!(
            (found.as_str(), error.message.as_str()),
            (span, message),
            "{text:?}"
        );
        count += 1;
    }
    assert!(count > 180, "{count} rows");
}

#[test]
fn errors_lie_inside_the_text() {
    for row in rows(REFUSED) {
        for error in refuse(row[0]) {
            let span = error.span;
            assert!(
                span.start <= span.end && span.end <= row[0].len(),
                "{:?}: {error:?}",
                row[0]
            );
        }
    }
}

#[track_caller]
fn check_hint(text: &str, at: &str, hint: &str) {
    let error = &refuse(text)[0];
    assert_eq!(&text[error.span.range()], at, "{text:?}");
    assert_eq!(error.hint.as_deref(), Some(hint), "{text:?}");
}

#[test]
fn errors_say_what_to_do() {
    check_hint(
        "sum by job (foo)",
        "job",
        "put the labels in parentheses: `(job)`",
    );
    check_hint("foo{a=b}", "b", "put the value in quotes: `\"b\"`");
    check_hint("rate(foo)", "foo", "add a range, such as `[5m]`");
    check_hint(
        "rate(sum(foo))",
        "sum(foo)",
        "a range of an expression is a subquery: `[5m:]`",
    );
    check_hint(
        "sum(foo)[5m]",
        "[5m]",
        "a range of an expression is a subquery: `[5m:]`",
    );
    check_hint(
        "sum(1)",
        "1",
        "`vector(...)` makes an instant vector of a number",
    );
    check_hint(
        "round(foo, bar)",
        "bar",
        "`scalar(...)` makes a number of a vector with one element",
    );
    check_hint("1 == 1", "==", "write `== bool`");
    check_hint("ratee(foo[5m])", "ratee", "did you mean `rate`?");
    check_hint(
        "foo offset step()",
        "step()",
        "enable the feature flag promql-duration-expr",
    );
}

#[test]
fn all_errors_of_types_are_reported() {
    let errors = refuse("rate(foo) + abs(1) + sum(2)");
    let messages: Vec<_> = errors.iter().map(|e| e.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "expected type range vector in call to function \"rate\", got instant vector",
            "expected type instant vector in call to function \"abs\", got scalar",
            "expected type instant vector in aggregation expression, got scalar",
        ]
    );
}

#[track_caller]
fn check_spans(text: &str, expected: &[&str]) {
    let mut found = Vec::new();
    read(text).walk(&mut |expr| found.push(text[expr.span().range()].to_owned()));
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn every_node_has_its_place() {
    check_spans(
        " sum by (a) ( rate( foo{b=\"c\"}[5m] offset 1m ) ) / (2) ",
        &[
            "sum by (a) ( rate( foo{b=\"c\"}[5m] offset 1m ) ) / (2)",
            "sum by (a) ( rate( foo{b=\"c\"}[5m] offset 1m ) )",
            "rate( foo{b=\"c\"}[5m] offset 1m )",
            "foo{b=\"c\"}[5m] offset 1m",
            "(2)",
            "2",
        ],
    );
    check_spans(
        "-foo @ 3 ^ topk(1, bar anchored) without(a)",
        &[
            "-foo @ 3 ^ topk(1, bar anchored) without(a)",
            "foo @ 3 ^ topk(1, bar anchored) without(a)",
            "foo @ 3",
            "topk(1, bar anchored) without(a)",
            "1",
            "bar anchored",
        ],
    );
    check_spans(
        "max(foo)[1h:5m] @ end()",
        &["max(foo)[1h:5m] @ end()", "max(foo)", "foo"],
    );
}

#[test]
fn the_tree_answers_what_it_reads() {
    let expr = read(
        "ALERTS{alertname=\"a\"} or rate({__name__=\"b\"}[5m]) or {job=\"c\"} \
         or {__name__=~\"d.*\"} or info(e, {x=\"y\"})",
    );
    let names: Vec<_> = expr.metric_names().into_iter().collect();
    assert_eq!(names, ["ALERTS", "b", "e", "target_info"]);
    assert_eq!(expr.selectors().len(), 6);
    let texts: Vec<_> = expr.selectors()[0].matchers().map(matcher_text).collect();
    assert_eq!(texts, ["alertname=\"a\"", "__name__=\"ALERTS\""]);
    assert!(expr.has_selector_without_name());
}

#[track_caller]
fn check_questions(text: &str, without_name: bool, depends_on_range: bool) {
    let expr = read(text);
    assert_eq!(expr.has_selector_without_name(), without_name, "{text:?}");
    assert_eq!(expr.depends_on_range(), depends_on_range, "{text:?}");
}

#[test]
fn the_tree_answers_what_it_depends_on() {
    check_questions("foo", false, false);
    check_questions("foo @ 3", false, false);
    check_questions("{a=\"b\"}", true, false);
    check_questions("rate({__name__=~\"b\"}[5m])", true, false);
    check_questions("info(foo, {a=\"b\"})", false, false);
    check_questions("info({a=\"b\"})", true, false);
    check_questions("sum(foo @ start())", false, true);
    check_questions("rate(foo[5m] @ end())", false, true);
    check_questions("max_over_time(foo[1h:5m] @ end())", false, true);
    check_questions("foo offset (2 * step())", false, true);
    check_questions("rate(foo[5m * 2])", false, false);
    check_questions("rate(foo[max_of(range(), 1m)])", false, true);
    check_questions("max_over_time(foo[1h:step()])", false, true);
    check_questions("foo + step()", false, true);
    check_questions("vector(end())", false, true);
}

#[test]
fn selectors_and_label_sets_are_read_alone() {
    let texts = |text: &str| -> Vec<String> {
        let matchers = parse_selector(text).expect(text);
        matchers.iter().map(matcher_text).collect()
    };
    assert_eq!(texts("foo{a!=\"b\"}"), ["a!=\"b\"", "__name__=\"foo\""]);
    assert_eq!(texts("{\"a.b\"=~\"c\"}"), ["\"a.b\"=~\"c\""]);
    assert_eq!(texts("{}"), Vec::<String>::new());
    for text in [
        "",
        "1",
        "foo[5m]",
        "foo{",
        "foo + bar",
        "rate(foo)",
        "{a=~\"(\"}",
    ] {
        assert!(parse_selector(text).is_err(), "{text:?}");
    }
    let set = |text: &str| parse_metric_labels(text).expect(text).to_string();
    assert_eq!(set("foo{a=\"b\",}"), "{__name__=\"foo\", a=\"b\"}");
    assert_eq!(
        set("{\"foo.bar\", \"c d\"='e'}"),
        "{__name__=\"foo.bar\", \"c d\"=\"e\"}"
    );
    assert_eq!(set("foo"), "{__name__=\"foo\"}");
    for text in [
        "foo{a!=\"b\"}",
        "foo{a}",
        "{a=\"b\"",
        "foo bar",
        "{a=\"b\" c=\"d\"}",
    ] {
        assert!(parse_metric_labels(text).is_err(), "{text:?}");
    }
}

/// Deep trees are walked by recursion everywhere: the limits must fit in a small stack.
#[test]
fn depth_has_a_limit_that_fits_in_a_megabyte_of_stack() {
    let run = || {
        let nested = |levels: usize| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
        let chain = |operators: usize| format!("1{}", " + 1".repeat(operators));
        let deepest = nested(MAX_NESTING - 1);
        assert_eq!(check_round_trip(&deepest), deepest);
        let longest = chain(MAX_OPERATORS);
        assert_eq!(check_round_trip(&longest), longest);
        let powers = "1 ^ ".repeat(MAX_NESTING - 1) + "1";
        assert_eq!(check_round_trip(&powers), powers);
        for text in [
            nested(100_000),
            "-".repeat(100_000),
            "abs(".repeat(100_000),
            "sum by (a) (".repeat(100_000),
            "1 ^ ".repeat(100_000),
            format!("foo[{}1m", "(".repeat(100_000)),
            format!("foo[{}1m", "-".repeat(100_000)),
            format!("foo{}", "[1m:1m]".repeat(100_000)),
            chain(100_000),
        ] {
            let error = &parse(&text, ParseOptions::all()).expect_err("too deep")[0];
            assert_eq!(error.code, "promql/limit");
        }
    };
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let thread = small.spawn(run).expect("a thread");
    assert!(thread.join().is_ok());
}

fn conformance(folder: &str) -> Option<Vec<PathBuf>> {
    let shared = std::env::var_os("STENTOR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let root = shared.join("conformance").join(folder);
    if !root.exists() {
        assert!(std::env::var_os("CI").is_none(), "no {}", root.display());
        return None;
    }
    let mut files = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Some(files)
}

#[expect(clippy::print_stdout, reason = "whoever runs the tests must know")]
fn skipped() {
    println!("SKIPPED: the conformance data is not there");
}

/// The expression of a line such as `eval instant at 5m sum(foo)`.
fn evaluated(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("eval")?;
    let (_, rest) = rest.split_once(' ')?;
    let rest = match rest.strip_prefix("instant at ") {
        Some(rest) => rest,
        None => rest.strip_prefix("range from ")?.split_once(" step ")?.1,
    };
    Some(rest.split_once(' ')?.1)
}

/// The expressions of the scripts, with whether their evaluation must fail.
fn script_expressions(files: &[PathBuf]) -> Vec<(String, bool)> {
    let mut found: Vec<(String, bool)> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("a script");
        for line in text.lines() {
            if let Some(expr) = evaluated(line) {
                found.push((expr.to_owned(), line.trim_start().starts_with("eval_fail")));
            } else if line.trim_start().starts_with("expect fail")
                && let Some(last) = found.last_mut()
            {
                last.1 = true;
            }
        }
    }
    found
}

fn rule_expressions(node: &yaml::Node, found: &mut Vec<String>) {
    if let Some(items) = node.as_sequence() {
        for item in items {
            rule_expressions(item, found);
        }
    }
    let Some(mapping) = node.as_mapping() else {
        return;
    };
    for entry in &mapping.entries {
        match entry.value.as_scalar() {
            Some(scalar) if entry.key.text() == "expr" => found.push(scalar.text().to_owned()),
            _ => rule_expressions(&entry.value, found),
        }
    }
}

fn fnv1a(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn upstreams_scripts_are_read_and_printed() {
    let Some(files) = conformance("promql") else {
        return skipped();
    };
    let expressions = script_expressions(&files);
    assert!(expressions.len() > 1_200, "{}", expressions.len());
    for (expr, may_fail) in expressions {
        if !may_fail || parse(&expr, ParseOptions::all()).is_ok() {
            check_round_trip(&expr);
        }
    }
}

#[test]
fn conformance_data_prints_as_in_prometheus() {
    let (Some(scripts), Some(rules)) = (conformance("promql"), conformance("rules")) else {
        return skipped();
    };
    let mut expressions: Vec<String> = script_expressions(&scripts)
        .into_iter()
        .map(|(expr, _)| expr)
        .collect();
    for file in rules {
        let text = std::fs::read_to_string(file).expect("a rule file");
        for document in &yaml::parse(&text).documents {
            rule_expressions(document, &mut expressions);
        }
    }
    let digests: BTreeMap<&str, &str> = DIGESTS
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(key, _)| *key != "#")
        .collect();
    let mut count = 0;
    for expr in &expressions {
        if let Some(expected) = digests.get(fnv1a(expr).as_str()) {
            let printed = read(expr).to_string();
            assert_eq!(
                &fnv1a(&printed),
                expected,
                "{expr:?} printed as {printed:?}"
            );
            count += 1;
        }
    }
    assert!(count > 1_800, "{count} expressions");
}

/// Words that follow each other in any order.
fn soup() -> impl Strategy<Value = String> {
    let words: Vec<&str> = "and or unless atan2 sum avg by without on ignoring group_left bool \
        group_right offset @ start end step range max_of min_of anchored smoothed fill fill_left \
        ( ( ) ) [ ] { } , : + - * / % ^ == != < > <= >= </ >/ = =~ !~ 5m 1h 0 1 2.5 1e3 0x1f inf \
        nan foo bar a:b rate info limitk topk quantile label_replace \"a\" 'b' `c` # ! $ é \\ \""
        .split_whitespace()
        .collect();
    let gap = prop_oneof![Just(""), Just(" "), Just("\n")];
    let piece = (proptest::sample::select(words), gap);
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(word, gap)| [word, gap])
            .collect()
    })
}

/// Whether a text is of an expression whose number upstream prints with a sign of its own, which
/// may then bind otherwise: `inf ^ foo` is printed `+Inf ^ foo`.
fn has_signed_base(printed: &str) -> bool {
    printed.contains("Inf ^")
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in soup()) {
        for options in [ParseOptions::all(), ParseOptions::default()] {
            match parse(&text, options) {
                Err(errors) => {
                    prop_assert!(!errors.is_empty());
                    for error in errors {
                        prop_assert!(text.get(error.span.range()).is_some(), "{error:?}");
                    }
                }
                Ok(expr) => {
                    let printed = expr.to_string();
                    if !has_signed_base(&printed) {
                        prop_assert_eq!(parse(&printed, options), Ok(expr));
                    }
                }
            }
        }
        let _ = parse_selector(&text);
        let _ = parse_metric_labels(&text);
    }

    #[test]
    fn no_characters_make_the_parser_panic(text in "\\PC{0,40}") {
        let _ = parse(&text, ParseOptions::all());
    }
}
