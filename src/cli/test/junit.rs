//! Results as `JUnit` XML, in the structure that promtool writes (`util/junitxml`): a suite for each file,
//! a case for each test.

use std::fmt::Write as _;

use super::Suite;

/// The results of all files.
pub(super) fn xml(suites: &[Suite], now: &str) -> String {
    let mut text = String::from("<testsuites>");
    for suite in suites {
        let failures: usize = suite.cases.iter().map(|case| case.failures.len()).sum();
        let _ = write!(
            text,
            r#"<testsuite name="{}" tests="{}" failures="{failures}" errors="{}" skipped="0" timestamp="{}">"#,
            escaped(&suite.name),
            suite.cases.len().max(usize::from(suite.aborted.is_some())),
            usize::from(suite.aborted.is_some()),
            if suite.aborted.is_some() { "" } else { now },
        );
        if let Some(why) = &suite.aborted {
            let why = escaped(why);
            let _ = write!(
                text,
                r#"<testcase name="unknown"><error>{why}</error></testcase>"#
            );
        }
        for case in &suite.cases {
            let _ = write!(text, r#"<testcase name="{}">"#, escaped(&case.name));
            for failure in &case.failures {
                let _ = write!(text, "<failure>{}</failure>", escaped(failure));
            }
            text.push_str("</testcase>");
        }
        text.push_str("</testsuite>");
    }
    text.push_str("</testsuites>\n");
    text
}

/// A text for XML 1.0; what has no place there becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#xA;"),
            '\t' => out.push_str("&#x9;"),
            '\r' => out.push_str("&#xD;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Case, Exit, Suite};
    use super::*;

    #[test]
    fn promtools_structure() {
        let suite = |name: &str, aborted: Option<&str>, cases| Suite {
            name: name.to_owned(),
            aborted: aborted.map(str::to_owned),
            cases,
            summary: String::new(),
            findings: Vec::new(),
            log: String::new(),
            coverage: None,
            exit: Exit::Failed,
        };
        let case = |name: &str, failures: &[&str]| Case {
            name: name.to_owned(),
            failures: failures.iter().map(|text| (*text).to_owned()).collect(),
        };
        let suites = [
            suite(
                "a.yml",
                None,
                vec![
                    case("<one>", &[]),
                    case("unnamed#1", &["x & \"y\"\n\u{1b}"]),
                ],
            ),
            suite("b.yml", Some("no such file"), Vec::new()),
        ];
        expect_test::expect![[r#"
            <testsuites><testsuite name="a.yml" tests="2" failures="1" errors="0" skipped="0" timestamp="T"><testcase name="&lt;one&gt;"></testcase><testcase name="unnamed#1"><failure>x &amp; &quot;y&quot;&#xA;�</failure></testcase></testsuite><testsuite name="b.yml" tests="1" failures="0" errors="1" skipped="0" timestamp=""><testcase name="unknown"><error>no such file</error></testcase></testsuite></testsuites>
        "#]]
        .assert_eq(&xml(&suites, "T"));
    }
}
