//! Which queries a template may ask, read off its text without running it.

use super::tree::{Branch, Command, List, Node, Operand, Pipe, Term};

/// The queries of a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queries<'t> {
    /// Those whose text stands in the template: `query "up"`, `"up" | query`.
    pub literal: Vec<&'t str>,
    /// Those whose text is made when the template runs, as the template has them.
    pub computed: Vec<String>,
}

/// Those of some lists of nodes.
pub(super) fn of<'t>(lists: impl Iterator<Item = &'t List>) -> Queries<'t> {
    let mut found = Queries::default();
    for list in lists {
        found.list(list);
    }
    found
}

impl<'t> Queries<'t> {
    fn list(&mut self, list: &'t List) {
        for node in list {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipe) => self.pipe(pipe),
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => self.branch(branch),
                Node::Template(call) => {
                    if let Some(pipe) = &call.pipe {
                        self.pipe(pipe);
                    }
                }
            }
        }
    }

    fn branch(&mut self, branch: &'t Branch) {
        self.pipe(&branch.pipe);
        self.list(&branch.list);
        if let Some(otherwise) = &branch.otherwise {
            self.list(otherwise);
        }
    }

    fn pipe(&mut self, pipe: &'t Pipe) {
        for (index, command) in pipe.commands.iter().enumerate() {
            let before = index.checked_sub(1).map(|index| &pipe.commands[index]);
            let mut operands = command.operands.iter();
            if operands.next().is_some_and(is_query) {
                let text = match (operands.next(), before) {
                    (Some(operand), None) => literal(operand),
                    (None, Some(before)) => piped(before),
                    _ => None,
                };
                match text {
                    Some(text) => self.literal.push(text),
                    None => self.computed.push(pipe.to_string()),
                }
            }
            for operand in &command.operands {
                self.inside(operand);
            }
        }
    }

    fn inside(&mut self, operand: &'t Operand) {
        match &operand.term {
            Term::Pipe(pipe) => self.pipe(pipe),
            Term::Chain(operand, _) => self.inside(operand),
            // Without a text, or as an argument, `query` fails or is run without an argument.
            _ => {}
        }
    }
}

fn is_query(operand: &Operand) -> bool {
    matches!(&operand.term, Term::Function(function) if function.name == "query")
}

/// The text that a command hands on, where it is nothing but one.
fn piped(command: &Command) -> Option<&str> {
    match command.operands.as_slice() {
        [operand] => literal(operand),
        _ => None,
    }
}

fn literal(operand: &Operand) -> Option<&str> {
    match &operand.term {
        Term::Text(_, text) => Some(text),
        Term::Pipe(pipe) => match pipe.commands.as_slice() {
            [command] => piped(command),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;

    #[track_caller]
    fn check(text: &str, literal: &[&str], computed: &[&str]) {
        let template = Template::parse("t", text).expect("a template");
        let found = template.queries();
        assert_eq!(found.literal, literal, "{text}");
        assert_eq!(found.computed, computed, "{text}");
    }

    #[test]
    fn queries_are_found_wherever_they_stand() {
        check("{{ $value }} of query", &[], &[]);
        check(r#"{{ query "up" | first | value }}"#, &["up"], &[]);
        check(
            r#"{{ "up" | query | len }} {{ (query ("down")) | len }}"#,
            &["up", "down"],
            &[],
        );
        check(
            r#"{{ range query "a" }}{{ if query "b" }}x{{ else }}{{ query `c` | len }}{{ end }}{{ end }}"#,
            &["a", "b", "c"],
            &[],
        );
        check(
            r#"{{ define "x" }}{{ len (query "a") }}{{ end }}{{ template "x" (query "b") }}"#,
            &["a", "b"],
            &[],
        );
        let made = r#"{{ with printf "up{job='%s'}" $labels.job | query }}{{ . }}{{ end }}"#;
        check(made, &[], &[r#"printf "up{job='%s'}" $labels.job | query"#]);
        check(
            r#"{{ $q := "up" }}{{ query $q | len }}"#,
            &[],
            &["query $q | len"],
        );
    }
}
