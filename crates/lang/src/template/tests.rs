//! Against Go: `parity.json` holds what Prometheus 3.14's own template package makes of each text,
//! run by Go 1.26: the output, or the error of parsing or of running it.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::regex::Regex;

/// The labels, external labels and answers that the table was made with.
struct World {
    labels: Labels,
    external: Labels,
    answers: QueryAnswers,
}

fn series(pairs: &[(&str, &str)], value: f64) -> Answered {
    (Labels::from_pairs(pairs.iter().copied()), value)
}

fn world() -> World {
    let labels = Labels::from_pairs([
        ("instance", "web-1.example.org:9090"),
        ("job", "api"),
        ("severity", "page"),
        ("le", "0.5"),
        ("utf8 name", "ü"),
        ("num", "12"),
    ]);
    let external = Labels::from_pairs([("region", "eu-1"), ("cluster", "blue")]);
    let up = vec![
        series(
            &[("__name__", "up"), ("instance", "b"), ("job", "api")],
            1.0,
        ),
        series(&[("__name__", "up"), ("instance", "a"), ("job", "db")], 0.0),
    ];
    let dup = vec![
        series(&[("a", "2"), ("n", "1")], 1.0),
        series(&[("a", "1"), ("n", "2")], 2.0),
        series(&[("a", "2"), ("n", "3")], 3.0),
    ];
    let one = vec![series(&[("instance", "x"), ("__value__", "sv")], 42.5)];
    let answers = [
        ("up", Ok(up)),
        ("one", Ok(one)),
        ("up{job=\"api\"}", Ok(vec![series(&[("job", "api")], 7.0)])),
        ("none", Ok(vec![])),
        ("dup", Ok(dup)),
        ("bad", Err("query failed: bad".to_owned())),
        (
            "up{job='api'}",
            Err("query failed: up{job='api'}".to_owned()),
        ),
    ];
    World {
        labels,
        external,
        answers: answers
            .map(|(expr, answer)| (expr.to_owned(), answer))
            .into(),
    }
}

impl World {
    fn data(&self, value: f64) -> AlertData<'_> {
        AlertData {
            labels: &self.labels,
            value,
            external_labels: &self.external,
            external_url: "http://stentor.example.org/base",
            path_prefix: Some("/base"),
        }
    }

    fn expand(&self, text: &str, value: f64) -> Result<Expansion, String> {
        let template = Template::parse("__alert_X", text).map_err(|d| d.message)?;
        let at = Timestamp::from_millis(1_700_000_000_123);
        let expansion = template.expand(&self.data(value), at, &self.answers);
        expansion.map_err(|error| error.to_string())
    }
}

/// Go's parse error without what names the template and the line; ours says it by the span.
fn bare(go: &str) -> &str {
    let message = go.strip_prefix("template: __alert_X:").unwrap_or(go);
    let message = message
        .split_once(": ")
        .map_or(message, |(_, message)| message);
    let message = message.strip_prefix("template: ").unwrap_or(message);
    message.split(" started at ").next().unwrap_or(message)
}

#[test]
fn templates_give_what_go_gives() {
    let table: Json = serde_json::from_str(include_str!("parity.json")).expect("JSON");
    let world = world();
    let mut wrong = Vec::new();
    let cases = table.as_array().expect("a list");
    assert!(cases.len() > 150, "the table has {} cases", cases.len());
    for case in cases {
        let field = |name: &str| case[name].as_str();
        let text = field("text").expect("a text");
        let value = field("value").map_or(1234.5, |v| v.parse().expect("a number"));
        let ours = match world.expand(text, value) {
            Ok(Expansion::Done(text)) => text,
            Ok(Expansion::Needs(needs)) => format!("needs {needs:?}"),
            Err(message) => message,
        };
        let go = match (field("want"), field("error"), field("parse")) {
            (Some(go), ..) | (_, Some(go), _) => go,
            (_, _, Some(go)) => bare(go),
            _ => panic!("{case} has no expectation"),
        };
        if ours != go {
            wrong.push(format!(
                "{text} with {value}\n  ours {ours:?}\n  go   {go:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn missing_answers_are_named_at_once() {
    let world = world();
    let expand = |text: &str| {
        let template = Template::parse("__alert_X", text).expect("it parses");
        assert!(template.uses_query());
        template.expand(&world.data(1.0), Timestamp::EPOCH, &QueryAnswers::new())
    };
    let needs = |text: &str| match expand(text) {
        Ok(Expansion::Needs(needs)) => needs,
        other => panic!("{text} gave {other:?}"),
    };
    assert_eq!(
        needs("{{ query \"a\" | first | value }}{{ printf \"b%d\" 1 | query }}{{ query \"a\" }}"),
        ["a", "b1"]
    );
    // What depends on an answer is not asked for before it is there.
    assert_eq!(
        needs(
            "{{ range query \"a\" }}{{ query \"x\" }}{{ end }}{{ with query \"b\" }}{{ query \"y\" }}\
             {{ else }}{{ query \"z\" }}{{ end }}{{ if or (query \"c\") 1 }}{{ query \"w\" }}{{ end }}"
        ),
        ["a", "b", "c"]
    );
    // An error that comes of a missing answer is none yet.
    assert_eq!(needs("{{ query \"a\" | first | .x }}{{ len 1 }}"), ["a"]);
    let many = "{{ printf \"q%d\" . | query }}";
    let many = format!("{{{{ range 40 }}}}{many}{{{{ end }}}}");
    assert_eq!(needs(&many).len(), MAX_QUERIES);
}

#[track_caller]
fn check_limit(text: &str, message: &str) {
    let error = world().expand(text, 1.0).expect_err("it is stopped");
    assert!(error.contains(message), "{error:.300}");
}

#[test]
fn bombs_end_in_errors() {
    check_limit(
        "{{ range 9223372036854775807 }}{{ end }}",
        "more than 1000000 steps",
    );
    check_limit(
        "{{ range 10000000 }}aaaaaaaaaaaaaaaa{{ end }}",
        "the output is longer than",
    );
    let doubling = "{{ $x := \"aaaaaaaa\" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}";
    check_limit(doubling, "a text is longer than");
    check_limit(
        "{{ printf \"%1000000d%1000000d\" 1 2 }}",
        "a text is longer than",
    );
    check_limit("{{ printf \"%.9000000f\" 1.5 }}", "a text is longer than");
    check_limit(
        "{{ $x := printf \"%1000000d\" 1 }}{{ reReplaceAll \".\" $x $x }}",
        "a text is longer than",
    );
    check_limit(
        "{{ $x := printf \"%1000000d\" 1 }}{{ range 1000000 }}{{ $y := toUpper $x }}{{ end }}",
        "more than 1000000 steps",
    );
    check_limit(
        "{{ range 1000000 }}{{ $y := match (printf \"x%d\" .) \"y\" }}{{ end }}",
        "more than 1000000 steps",
    );
    check_limit(
        "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        "exceeded maximum template depth (200)",
    );
    let deep = "{{ if true }}".repeat(90) + "{{ template \"a\" }}" + &"{{ end }}".repeat(90);
    check_limit(
        &format!("{{{{ define \"a\" }}}}{deep}{{{{ end }}}}{{{{ template \"a\" }}}}"),
        "exceeded maximum template depth (200)",
    );
    check_limit(
        &"{{ if true }}".repeat(100_000),
        "max expression depth exceeded",
    );
    check_limit(
        &format!("{{{{ {}", "(".repeat(100_000)),
        "max expression depth exceeded",
    );
    check_limit(
        &format!(
            "{{{{ if 0 }}}}{}{{{{ end }}}}",
            "{{ else if 0 }}".repeat(10_000)
        ),
        "max expression depth exceeded",
    );
}

#[track_caller]
fn check_span(text: &str, message: &str, shown: &str) {
    let diagnostic = Template::parse("__alert_X", text).expect_err("it is refused");
    assert_eq!(diagnostic.message, message);
    assert_eq!(&text[diagnostic.span.range()], shown);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    check_span(
        "a {{ $labels.job | titel }}",
        "function \"titel\" not defined",
        "titel",
    );
    check_span(
        "a {{ $label.job }}",
        "undefined variable \"$label\"",
        "$label",
    );
    check_span("a\n{{ if $value }}b", "unexpected EOF", "if");
    check_span("a {{ $value ", "unclosed action", "{{");
    check_span("a {{ $value > 1 }}", "unexpected \">\" in operand", ">");
    check_span("a {{ end }}", "unexpected {{end}}", "}}");
    check_span(
        "{{ 1 | 2 }}",
        "non executable command in pipeline stage 2",
        "2",
    );
    let hint = |text| {
        Template::parse("__alert_X", text)
            .expect_err("refused")
            .hint
    };
    assert_eq!(
        hint("{{ titel 1 }}").as_deref(),
        Some("did you mean `title`?")
    );
    assert_eq!(hint("{{ value $x }}"), None);
    assert_eq!(
        hint("{{ labels.job }}").as_deref(),
        Some("a variable is written `$labels`")
    );
}

#[test]
fn quick_questions_are_answered() {
    let questions = |text: &str| {
        let template = Template::parse("__alert_X", text).expect("it parses");
        (
            template.is_plain(),
            template.uses_value(),
            template.uses_query(),
        )
    };
    assert_eq!(questions("just text"), (true, false, false));
    assert_eq!(questions(""), (true, false, false));
    assert_eq!(questions("a{{/* comment */}}"), (true, false, false));
    assert_eq!(questions("{{ $labels.job }}"), (false, false, false));
    assert_eq!(questions("{{ $value }}"), (false, true, false));
    assert_eq!(questions("{{ .Value }}"), (false, true, false));
    assert_eq!(questions("{{ query \"x\" }}"), (false, false, true));
}

#[test]
fn errors_take_the_place_of_the_text() {
    let world = world();
    let template = Template::parse("__alert_X", "{{ gt $value 1 }}").expect("it parses");
    let error = template.expand(&world.data(2.0), Timestamp::EPOCH, &world.answers);
    assert_eq!(
        error.expect_err("types differ").placeholder(),
        "<error expanding template: error executing template __alert_X: template: __alert_X:1:115: \
         executing \"__alert_X\" at <gt $value 1>: error calling gt: incompatible types for \
         comparison: float64 and int>"
    );
}

/// Pieces of which random templates are made, so that many of them parse.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    " ",
    "-",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "\"x\"",
    "`y`",
    "'z'",
    "1",
    "-2.5",
    "0x1p4",
    "$",
    ".",
    "$labels",
    ".job",
    "$value",
    "$x",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    "nil",
    "true",
    "printf",
    "\"%v %*.*[2]d %q\"",
    "len",
    "index",
    "slice",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "humanize",
    "title",
    "query",
    "first",
    "match",
    "reReplaceAll",
    "stripPort",
    "toTime",
    "args",
    "print",
    "html",
    "js",
    "é",
    "/*",
    "*/",
];

proptest! {
    #[test]
    fn nothing_panics(
        picks in prop::collection::vec(0..PIECES.len(), 0..40),
        value in prop::num::f64::ANY,
    ) {
        let text: String = picks.iter().map(|at| PIECES[*at]).collect();
        let spaced: Vec<_> = picks.iter().map(|at| PIECES[*at]).collect();
        let _ = world().expand(&text, value);
        let _ = world().expand(&format!("{{{{ {} }}}}", spaced.join(" ")), value);
    }

    #[test]
    fn no_function_panics(
        function in prop::sample::select(functions::names()),
        args in prop::collection::vec(0..ARGUMENTS.len(), 0..4),
        value in prop::num::f64::ANY,
    ) {
        let args: Vec<_> = args.iter().map(|at| ARGUMENTS[*at]).collect();
        let text = format!("{{{{ {function} {} }}}}", args.join(" "));
        let _ = world().expand(&text, value);
    }

    #[test]
    fn no_format_panics(format in "%[#0+ -]{0,3}[0-9*]{0,2}(\\.[0-9*]{0,2})?(\\[[0-9]\\])?[a-zA-Z%é]", value in prop::num::f64::ANY) {
        for arg in ["$value", "3", "-3", "\"aé\"", "$labels", "nil", "true", "(toTime 1)"] {
            let text = format!("{{{{ printf \"{format}\" {arg} 2 }}}}");
            let _ = world().expand(&text, value);
        }
    }
}

const ARGUMENTS: &[&str] = &[
    "1",
    "-1",
    "0",
    "1.5",
    "\"aé\"",
    "\"\"",
    "\"[::1]:8\"",
    "\"%d %s\"",
    "$labels",
    "$value",
    ".",
    "nil",
    "true",
    "(query \"up\")",
    "(query \"up\" | first)",
    "(query \"later\")",
    "(args 1 2)",
    "(toTime $value)",
    "(toDuration $value)",
    "(safeHtml \"x\")",
    "(index \"abc\" 1)",
];

#[test]
fn templates_may_be_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Template>();
    check::<crate::regex::LabelMatcher>();
}

/// The deepest that is accepted must fit into the stacks of threads that were not made for it.
#[test]
fn depth_fits_in_a_megabyte_of_stack() {
    let deep = |open: &str, close: &str, n: usize| open.repeat(n) + "1" + &close.repeat(n);
    let body = deep("{{ if true }}", "{{ end }}", 90) + "{{ template \"a\" }}";
    let texts = [
        format!("{{{{ define \"a\" }}}}{body}{{{{ end }}}}{{{{ template \"a\" }}}}"),
        format!("{{{{ {} }}}}", deep("(", ")", 99)),
        format!("{{{{ {} }}}}", deep("(print ", ")", 99)),
        deep("{{ range 1 }}", "{{ else }}{{ end }}", 99),
    ];
    let run = move || {
        for text in texts {
            let _ = world().expand(&text, 1.0);
        }
        let regex = deep("(", ")", 240);
        assert!(Regex::anchored(&regex).is_ok_and(|regex| regex.is_match("1")));
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    thread.expect("a thread").join().expect("it fits");
}
