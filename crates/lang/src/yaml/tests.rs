use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::model::{SourceText, Span};

/// The tree in one line, and the diagnostics below it.
#[track_caller]
fn check(text: &str, expected: &Expect) {
    let parsed = parse(text);
    let source = SourceText::new("f", text);
    let mut shown = String::new();
    for document in &parsed.documents {
        show(document, &mut shown);
        shown.push('\n');
    }
    for diagnostic in &parsed.diagnostics {
        shown.push_str(&diagnostic.one_line(&source));
        if let Some(hint) = &diagnostic.hint {
            let _ = write!(shown, " ({hint})");
        }
        shown.push('\n');
    }
    expected.assert_eq(&shown);
}

fn show(node: &Node, out: &mut String) {
    match node {
        Node::Scalar(scalar) if scalar.is_null() => out.push('~'),
        Node::Scalar(scalar) => {
            let _ = write!(out, "{:?}", scalar.value);
        }
        Node::Sequence(sequence) => {
            out.push('[');
            for item in &sequence.items {
                show(item, out);
                out.push(' ');
            }
            out.push(']');
        }
        Node::Mapping(mapping) => {
            out.push('{');
            for entry in &mapping.entries {
                let _ = write!(out, "{}:", entry.key.value);
                show(&entry.value, out);
                out.push(' ');
            }
            out.push('}');
        }
    }
}

#[test]
fn trees() {
    check(
        "a: 1\nb: [x, {y: z}]\nc:\n",
        &expect![[r#"
        {a:"1" b:["x" {y:"z" } ] c:~ }
    "#]],
    );
    check("", &expect![[""]]);
    check("# only a comment\n", &expect![[""]]);
    check(
        "\u{feff}a: b",
        &expect![[r#"
        {a:"b" }
    "#]],
    );
    check(
        "a: 1\n---\nb: 2\n...\n---\n",
        &expect![[r#"
        {a:"1" }
        {b:"2" }
        ~
    "#]],
    );
    check(
        "a: &x {k: v}\nb: *x\n",
        &expect![[r#"
        {a:{k:"v" } b:{k:"v" } }
    "#]],
    );
    check(
        "a: |\n  text",
        &expect![[r#"
        {a:"text" }
    "#]],
    );
}

#[test]
fn merge_keys() {
    check(
        "- &a {x: 1, y: 2}\n- {<<: *a, y: 3}\n",
        &expect![[r#"
        [{x:"1" y:"2" } {y:"3" x:"1" } ]
    "#]],
    );
    check(
        "- &a {x: 1}\n- &b {x: 2, z: 3}\n- {<<: [*a, *b]}\n",
        &expect![[r#"
            [{x:"1" } {x:"2" z:"3" } {x:"1" z:"3" } ]
        "#]],
    );
    check(
        "'<<': {x: 1}\n",
        &expect![[r#"
        {<<:{x:"1" } }
    "#]],
    );
    check(
        "<<: 5\n",
        &expect![[r#"
        {}
        f:1:5: `<<` wants a mapping or a list of mappings, not a text
    "#]],
    );
}

#[test]
fn errors() {
    check(
        "a: 1\nb: 2\na: 3\n",
        &expect![[r#"
            {a:"1" b:"2" }
            f:3:1: key `a` is already set in line 1 (a key may stand only once in a mapping: remove one of the two)
        "#]],
    );
    check(
        "{{ $x }}: 1\n",
        &expect![[r#"
        {}
        f:1:2: a mapping cannot be a key here (a value that begins with `{{` needs quotes around it)
        f:1:1: a mapping cannot be a key here
    "#]],
    );
    check(
        "a: {{ $labels.x }} is down\n",
        &expect![[r#"
            f:1:5: a mapping cannot be a key here (a value that begins with `{{` needs quotes around it)
        "#]],
    );
    check(
        "a: b: c\n",
        &expect![[r#"
        f:1:5: mapping values are not allowed in this context (a value that holds `: ` needs quotes around it, or a `|` and a line of its own)
    "#]],
    );
    check(
        "a:\n\t- b\n",
        &expect![[r#"
        f:2:2: tabs disallowed within this context (block indentation) (indent with spaces: YAML allows no tabs there)
    "#]],
    );
    check(
        "a: @x\n",
        &expect![[r#"
        f:1:4: unexpected character: `@' (a value that begins with this character needs quotes around it)
    "#]],
    );
    check(
        "a: [1,\n",
        &expect![[r#"
        f:1:4: unclosed bracket '['
    "#]],
    );
    check(
        "a: *nowhere\n",
        &expect![[r#"
        f:1:4: while parsing node, found unknown anchor
    "#]],
    );
    check(
        "a: &x [*x]\n",
        &expect![[r#"
        f:1:8: the alias stands inside the value that it repeats
    "#]],
    );
    check(
        "ok: 1\n---\n: : :\n  - ]\n",
        &expect![[r#"
        {ok:"1" }
        f:4:5: while parsing a block mapping, did not find expected key
    "#]],
    );
}

#[test]
fn hostile_texts_end_in_errors() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(laughs, "a{level}: &a{level} [{before}]");
    }
    let mut deep = "a0: &a0 x\n".to_owned();
    for level in 1..200 {
        let (open, close) = ("[".repeat(50), "]".repeat(50));
        let _ = writeln!(deep, "a{level}: &a{level} {open}*a{}{close}", level - 1);
    }
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(5000)
    );
    for text in [
        "[".repeat(200_000),
        "{".repeat(200_000),
        "- ".repeat(200_000),
        laughs,
        deep,
        long,
        "? ".repeat(100_000),
        "&a ".repeat(1000),
        "!".repeat(10_000),
    ] {
        let parsed = parse(&text);
        let short = &text[..text.len().min(20)];
        assert!(!parsed.diagnostics.is_empty(), "{short}");
    }
}

#[test]
fn what_plain_scalars_mean() {
    use Resolved::{Bool, Float, Integer, Null, Text};
    for (text, v2, v3) in [
        ("yes", Bool(true), Text),
        ("off", Bool(false), Text),
        ("y", Bool(true), Text),
        ("True", Bool(true), Bool(true)),
        ("tRue", Text, Text),
        ("~", Null, Null),
        ("", Null, Null),
        ("Null", Null, Null),
        ("12", Integer(12), Integer(12)),
        ("-12", Integer(-12), Integer(-12)),
        ("1_000", Integer(1000), Integer(1000)),
        ("0x1F", Integer(31), Integer(31)),
        ("010", Integer(8), Integer(8)),
        ("0o10", Integer(8), Integer(8)),
        ("0b101", Integer(5), Integer(5)),
        ("08", Float(8.0), Float(8.0)),
        ("1.5", Float(1.5), Float(1.5)),
        ("1e3", Float(1000.0), Float(1000.0)),
        (".inf", Float(f64::INFINITY), Float(f64::INFINITY)),
        ("1.2.3", Text, Text),
        ("-", Text, Text),
        ("e", Text, Text),
        ("5m", Text, Text),
    ] {
        let scalar = Scalar {
            value: text.to_owned(),
            style: Style::Plain,
            tag: None,
            span: Span::default(),
        };
        assert_eq!(scalar.resolve(Flavor::V2), v2, "{text}");
        assert_eq!(scalar.resolve(Flavor::V3), v3, "{text}");
    }
}

/// Finds each of the value's words through its offset: the source there must be the same word.
#[track_caller]
fn check_offsets(text: &str) {
    let parsed = parse(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    let scalar = parsed.documents[0].as_mapping().expect("a mapping").entries[0]
        .value
        .as_scalar()
        .expect("a scalar");
    let mut from = 0;
    for word in scalar.text().split_whitespace() {
        let at = from + scalar.text()[from..].find(word).expect("the word");
        from = at + word.len();
        let span = scalar.source_span(text, Span::new(at, from));
        assert_eq!(&text[span.range()], word, "{text}");
        assert_eq!(scalar.source_offset(text, at), span.start, "{text}");
        assert_eq!(scalar.source_offset(text, from), span.end, "{text}");
    }
}

#[test]
fn places_in_values_are_places_in_the_source() {
    check_offsets("a: one\n");
    check_offsets("a: one  two # three\n");
    check_offsets("a: öne\n  two\n\n  thrée\nb: x\n");
    check_offsets("a: |\n  one ä\n   two\n\n  three\nb: x\n");
    check_offsets("a: |2-   # comment\n    one\n  two\n");
    check_offsets("a: >+\n  one\n  two\n\n    three\n  four\n\n\nb: x\n");
    check_offsets("a: >-\n\n\n  one\n");
    check_offsets("a: 'one two\n  three'\n");
    check_offsets("a: \"one  two\n\n  three\"\n");
    check_offsets("a: !!str one two\n");
    check_offsets("a: &anchor\n  one two\n");
}

#[test]
fn places_behind_quotes_and_escapes() {
    for (text, word) in [
        ("a: 'it''s down'\n", "down"),
        ("a: \"x\\ty\\n down\"\n", "down"),
        ("a: \"\\u00e9\\x41\\U0001F600 down\"\n", "down"),
        ("a: \"\\uD834\\uDD1E\\\"\\\\ down\"\n", "down"),
        ("a: \"fo\\\n  ld  down\"\n", "down"),
        ("a: \"tab\\tand \\  space\\_  down\"\n", "down"),
    ] {
        let parsed = parse(text);
        let scalar = parsed.documents[0].as_mapping().expect("a mapping").entries[0]
            .value
            .as_scalar()
            .expect("a scalar");
        let at = scalar.value.find(word).expect("the word");
        let span = scalar.source_span(text, Span::new(at, at + word.len()));
        assert_eq!(&text[span.range()], word, "{text}");
    }
}

#[test]
fn an_empty_range_stays_on_its_line() {
    let text = "a: |\n  up ==\n\nb: x\n";
    let parsed = parse(text);
    let scalar = parsed.documents[0].as_mapping().expect("a mapping").entries[0]
        .value
        .as_scalar()
        .expect("a scalar");
    let end = scalar.value.len();
    let span = scalar.source_span(text, Span::new(end, end));
    assert_eq!(span, Span::at(text.find("==").expect("is there") + 2));
}

#[test]
fn fields_report_every_mistake() {
    let text = "name: [x]\ninterval: 5\nlimit: many\non: maybe\nrules: 7\nlabels: {a: ~, b: {}, c: 0x1F}\n\
                roules: []\ntenant: 5\nfor: -3m\nwait: 1.5h\nflag: 'true'\n";
    let parsed = parse(text);
    let source = SourceText::new("f", text);
    let mut problems = Vec::new();
    let mut fields =
        Fields::new(&parsed.documents[0], "the group", &mut problems).expect("mapping");
    assert_eq!(fields.string("name"), None);
    assert_eq!(fields.duration("interval"), None);
    assert_eq!(fields.duration("for"), None);
    assert_eq!(fields.duration("wait"), None);
    assert_eq!(fields.unsigned("limit"), None);
    assert_eq!(fields.bool("on"), None);
    assert_eq!(fields.bool("flag"), None);
    assert!(fields.list("rules").is_empty());
    let labels = fields.map_of_strings("labels");
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| (name.value.as_str(), value.value.as_str()))
        .collect();
    assert_eq!(labels, [("a", ""), ("c", "0x1F")]);
    fields.refuse("tenant", "one process reads one tenant");
    assert_eq!(fields.required_string("expr"), None);
    fields.finish();
    let shown: Vec<String> = problems
        .iter()
        .map(|problem| {
            let hint = problem.hint.as_deref().unwrap_or("-");
            format!("{} ({hint})", problem.one_line(&source))
        })
        .collect();
    expect![[r#"
        f:1:7: field `name` must be a text, not a list (-)
        f:2:11: field `interval`: not a valid duration string: "5" (a duration needs a unit: `5s` or `5m`)
        f:9:6: field `for`: not a valid duration string: "-3m" (a duration cannot be negative here)
        f:10:7: field `wait`: unknown unit "." in duration "1.5h" (durations look like `30s`, `5m` or `1h30m`: whole numbers, larger units first)
        f:3:8: field `limit` must be a whole number, 0 or more, not `many` (-)
        f:4:5: field `on` must be true or false, not `maybe` (-)
        f:11:7: field `flag` must be true or false, not `true` (-)
        f:5:8: field `rules` must be a list, not a text (-)
        f:6:19: `b` in `labels` must be a text, not a mapping (-)
        f:8:1: field `tenant` in the group is not supported: one process reads one tenant (-)
        f:1:1: the group has no field `expr` (-)
        f:7:1: unknown field `roules` in the group (did you mean `rules`?)
    "#]].assert_eq(&(shown.join("\n") + "\n"));
}

#[test]
fn a_slip_of_the_fingers_is_understood() {
    let known = [
        "expr",
        "for",
        "labels",
        "annotations",
        "keep_firing_for",
        "alert",
    ];
    for (word, near) in [
        ("exp", Some("expr")),
        ("lables", Some("labels")),
        ("annotation", Some("annotations")),
        ("keep-firing-for", Some("keep_firing_for")),
        ("Alert", Some("alert")),
        ("fro", Some("for")),
        ("zebra", None),
        ("x", None),
    ] {
        assert_eq!(closest(word, known), near, "{word}");
    }
}
