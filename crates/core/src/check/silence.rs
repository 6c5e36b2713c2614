//! Comments that switch lints off: `# stentor: disable NAME, NAME: why`.
//!
//! Inside a rule, or above it, such a comment is about that rule; above a group, about the group; above
//! all, about the file. It must say why: whoever finds the rule in a year has to know.

use stentor_lang::model::{Diagnostic, Span};
use stentor_lang::yaml::{Mapping, Node};

use super::written::Rules;
use super::{name, names, nearest};

/// The code of findings about the comments themselves.
const CODE: &str = "check/silence";
const MARK: &str = "# stentor: disable";

/// Removes the findings that comments switch off, and reports comments that are wrong.
pub(super) fn apply(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    let text = &*rules.source.text;
    if !text.contains(MARK) {
        return;
    }
    let mut places = Places::default();
    for document in &rules.parsed.documents {
        places.collect(document);
    }
    for (at, _) in text.match_indices(MARK) {
        let line = text[at..].lines().next().unwrap_or_default();
        let said = &line[MARK.len()..];
        let whole = Span::new(at, at + line.len());
        let Some((list, _why)) = said
            .split_once(':')
            .filter(|(_, why)| !why.trim().is_empty())
        else {
            let message = "the comment says not why the lint is switched off";
            let finding = Diagnostic::warning(CODE, whole, message);
            findings.push(finding.with_hint("write `# stentor: disable NAME: why`"));
            continue;
        };
        let reach = places.reach(at, text.len());
        for wanted in list.split(',').map(str::trim) {
            if names().any(|known| known == wanted) {
                findings.retain(|finding| {
                    name(finding.code) != wanted || !contains(reach, finding.span.start)
                });
            } else {
                let finding =
                    Diagnostic::warning(CODE, whole, format!("there is no lint `{wanted}`"));
                findings.push(match nearest(wanted) {
                    Some(near) => finding.with_hint(format!("did you mean `{near}`?")),
                    None => finding,
                });
            }
        }
    }
}

fn contains(span: Span, at: usize) -> bool {
    span.start <= at && at < span.end
}

/// Where documents, groups and rules stand.
#[derive(Default)]
struct Places {
    rules: Vec<Span>,
    /// Rules, groups and whole documents.
    all: Vec<Span>,
}

impl Places {
    fn collect(&mut self, node: &Node) {
        match node {
            Node::Scalar(_) => {}
            Node::Sequence(sequence) => sequence.items.iter().for_each(|item| self.collect(item)),
            Node::Mapping(mapping) => {
                let has = |keys: &[&str]| keys.iter().any(|key| mapping.get(key).is_some());
                if has(&["alert", "record"]) {
                    self.rules.push(mapping.span);
                    self.all.push(mapping.span);
                } else if has(&["groups", "rules", "spec"]) {
                    self.all.push(mapping.span);
                }
                self.entries(mapping);
            }
        }
    }

    fn entries(&mut self, mapping: &Mapping) {
        mapping
            .entries
            .iter()
            .for_each(|entry| self.collect(&entry.value));
    }

    /// What a comment is about: the rule around it, or whatever begins next.
    fn reach(&self, comment: usize, end: usize) -> Span {
        if let Some(rule) = self.rules.iter().find(|rule| contains(**rule, comment)) {
            return *rule;
        }
        let behind = self.all.iter().filter(|place| place.start > comment);
        let next = behind.min_by_key(|place| (place.start, std::cmp::Reverse(place.end)));
        next.copied().unwrap_or(Span::new(comment, end))
    }
}
