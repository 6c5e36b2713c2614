//! What is worth saying about rules that load: one lint a file, each a function from a rule file
//! to findings. Nothing here refuses a rule, prints, or looks at what a data source holds.

mod duplicate;
mod recording;

use stentor_lang::model::Diagnostic;

use crate::rulefile::RuleFile;

/// All lints over one rule file, in the order of the file.
pub fn lint(file: &RuleFile) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    duplicate::lint(file, &mut findings);
    recording::lint(file, &mut findings);
    findings.sort_by_key(|finding| finding.span.start);
    findings
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use stentor_lang::model::SourceText;

    use super::lint;
    use crate::rulefile::{LoadOptions, load};

    #[track_caller]
    fn check(text: &str, expected: &Expect) {
        let source = SourceText::new("f", text);
        let file = load(&source, &LoadOptions::default()).expect("is good");
        let findings = lint(&file);
        let lines = findings
            .iter()
            .map(|finding| format!("{:?} {}\n", finding.level, finding.one_line(&source)));
        expected.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn rules_that_say_the_same_twice() {
        check(
            "groups:\n- name: g\n  labels: {team: a}\n  rules:\n  - {alert: A, expr: 1}\n  - {alert: A, expr: 2}\n  \
             - {alert: A, expr: 2, labels: {team: b}}\n- name: h\n  rules:\n  - {alert: A, expr: 3, labels: {team: a}}\n",
            &expect![[r#"
                Warning f:6:13: rule `A` repeats the name and labels of the rule at f:5:13
                Warning f:10:13: rule `A` repeats the name and labels of the rule at f:5:13
            "#]],
        );
    }

    #[test]
    fn recording_rules_are_named() {
        check(
            "groups: [{name: g, rules: [{record: 'a:b', expr: 1}]}]\n",
            &expect![[r#"
                Note f:1:37: recording rule `a:b` loads and is not evaluated here
            "#]],
        );
    }
}
