//! From tokens to the tree, with Go's messages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::functions::{self, Function};
use super::lex::{Kind, Token, lex};
use super::literal;
use super::tree::{Branch, Call, Command, List, Node, Operand, Pipe, Term};
use crate::model::labels::quote;
use crate::model::{Diagnostic, Span};
use crate::regex::{Regex, RegexError};

/// How deep blocks and parentheses may nest. Go allows 10,000 parentheses; no template that a
/// person wrote comes near this, and the tree is walked recursively.
pub(super) const MAX_NESTING: usize = 100;

/// The code of all diagnostics of templates.
pub(super) const CODE: &str = "template/syntax";

/// A parsed template, with what the quick questions about it need.
pub(super) struct Parsed {
    pub(super) root: List,
    pub(super) defined: BTreeMap<Box<str>, List>,
    pub(super) regexes: Regexes,
    pub(super) uses_value: bool,
    pub(super) uses_query: bool,
}

/// Constant patterns, each compiled when it is first run.
pub(super) type Regexes = BTreeMap<Box<str>, OnceLock<std::result::Result<Regex, RegexError>>>;

impl Parsed {
    /// A text without actions: most labels and many annotations.
    fn plain(text: &str) -> Self {
        let text = (!text.is_empty()).then(|| Node::Text(text.into()));
        Self {
            root: text.into_iter().collect(),
            defined: BTreeMap::new(),
            regexes: BTreeMap::new(),
            uses_value: false,
            uses_query: false,
        }
    }
}

/// Parses a text in which the given variables exist.
pub(super) fn parse(text: &str, variables: &[&'static str]) -> Result<Parsed, Diagnostic> {
    if !text.contains("{{") {
        return Ok(Parsed::plain(text));
    }
    let mut parser = Parser {
        tokens: lex(text),
        at: 0,
        variables: variables.iter().map(|v| (*v).into()).collect(),
        ranges: 0,
        depth: 0,
        open: Vec::new(),
        defined: BTreeMap::new(),
        regexes: BTreeMap::new(),
        uses_value: false,
        uses_query: false,
    };
    let root = parser.top()?;
    Ok(Parsed {
        root,
        defined: parser.defined,
        regexes: parser.regexes,
        uses_value: parser.uses_value,
        uses_query: parser.uses_query,
    })
}

struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
    variables: Vec<Cow<'static, str>>,
    /// How many `range`s are open in this definition.
    ranges: usize,
    depth: usize,
    /// The keywords of the open blocks.
    open: Vec<Span>,
    defined: BTreeMap<Box<str>, List>,
    regexes: Regexes,
    uses_value: bool,
    uses_query: bool,
}

type Result<T, E = Diagnostic> = std::result::Result<T, E>;

/// What ended a list of nodes; `else` may have `if` or `with` behind it, not yet read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListEnd {
    End,
    Else,
}

impl ListEnd {
    const fn as_str(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

enum Step {
    Node(Node),
    End(ListEnd),
}

impl<'t> Parser<'t> {
    fn next(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        if !matches!(token.kind, Kind::Eof | Kind::Error) {
            self.at += 1;
        }
        token
    }

    fn peek(&self) -> &Token<'t> {
        &self.tokens[self.at]
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
    }

    fn next_word(&mut self) -> Token<'t> {
        self.skip_space();
        self.next()
    }

    fn peek_word(&mut self) -> Kind {
        self.skip_space();
        self.peek().kind
    }

    /// An error at the token read last.
    fn error_here<T>(&self, message: impl Into<String>) -> Result<T> {
        let last = self.at.saturating_sub(1);
        error(self.tokens[last].span, message)
    }

    fn unexpected<T>(&self, token: &Token<'t>, context: &str) -> Result<T> {
        if token.kind == Kind::Error {
            return self.lexical(token);
        }
        let message = format!("unexpected {} in {context}", token.describe());
        let mut diagnostic = Diagnostic::error(CODE, token.span, message);
        if matches!(token.kind, Kind::Char | Kind::Assign | Kind::Pipe) {
            diagnostic = diagnostic.with_hint(
                "templates have no operators: write `eq`, `lt`, `gt`, `and`, `or`, `not` before \
                 their arguments",
            );
        }
        Err(diagnostic)
    }

    /// The error that ended the scan. An action that is not closed is shown where it begins.
    fn lexical<T>(&self, token: &Token<'t>) -> Result<T> {
        if token.text == "unclosed action" {
            let open = self.tokens.iter().rfind(|t| t.kind == Kind::LeftDelim);
            let span = open.map_or(token.span, |open| open.span);
            let diagnostic = Diagnostic::error(CODE, span, token.text.clone());
            return Err(diagnostic.with_hint("this `{{` has no `}}`"));
        }
        error(token.span, token.text.clone())
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<()> {
        let token = self.next_word();
        if token.kind == kind {
            return Ok(());
        }
        self.unexpected(&token, context)
    }

    fn top(&mut self) -> Result<List> {
        let mut root = List::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let start = self.at;
                self.at += 1;
                if self.peek_word() == Kind::Define {
                    self.define()?;
                    continue;
                }
                self.at = start;
            }
            match self.text_or_action()? {
                Step::Node(node) => root.push(node),
                Step::End(end) => {
                    return self.error_here(format!("unexpected {}", end.as_str()));
                }
            }
        }
        Ok(root)
    }

    /// `{{ define "name" }} ... {{ end }}`; the keyword comes next.
    fn define(&mut self) -> Result<()> {
        let context = "define clause";
        let keyword = self.next_word().span;
        let token = self.next_word();
        let name = self.template_name(&token, context)?;
        self.expect(Kind::RightDelim, context)?;
        self.definition(keyword, name, context)
    }

    /// The body of a definition, in which no variable of the outside exists.
    fn definition(&mut self, keyword: Span, name: Box<str>, context: &str) -> Result<()> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (list, end) = self.block(keyword)?;
        if end != ListEnd::End {
            return self.error_here(format!("unexpected {} in {context}", end.as_str()));
        }
        self.variables = outer;
        self.ranges = ranges;
        let empty = is_empty(&list);
        match self.defined.get(&name) {
            Some(old) if !is_empty(old) && !empty => {
                let message = format!("multiple definition of template {}", quote(&name));
                return error(keyword, message);
            }
            Some(old) if !is_empty(old) => {}
            _ => drop(self.defined.insert(name, list)),
        }
        Ok(())
    }

    /// Nodes until `{{ end }}` or `{{ else }}` of the block whose keyword is given.
    fn block(&mut self, keyword: Span) -> Result<(List, ListEnd)> {
        self.open.push(keyword);
        self.enter(keyword)?;
        let mut list = List::new();
        loop {
            if self.peek_word() == Kind::Eof {
                let diagnostic = Diagnostic::error(CODE, keyword, "unexpected EOF");
                return Err(diagnostic.with_hint("this block has no `{{ end }}`"));
            }
            match self.text_or_action()? {
                Step::Node(node) => list.push(node),
                Step::End(end) => {
                    self.open.pop();
                    self.depth -= 1;
                    return Ok((list, end));
                }
            }
        }
    }

    fn enter(&mut self, span: Span) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return error(span, "max expression depth exceeded");
        }
        Ok(())
    }

    fn text_or_action(&mut self) -> Result<Step> {
        let token = self.next_word();
        match token.kind {
            Kind::Text => Ok(Step::Node(Node::Text(token.text.into_owned().into()))),
            Kind::LeftDelim => self.action(),
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Step> {
        self.skip_space();
        let start = self.at;
        let token = self.next();
        let node = match token.kind {
            Kind::Block => self.block_clause(token.span)?,
            Kind::Break | Kind::Continue => self.jump(&token)?,
            Kind::Else => return self.otherwise().map(Step::End),
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Step::End(ListEnd::End));
            }
            Kind::If => Node::If(self.branch(token.span, "if")?),
            Kind::With => Node::With(self.branch(token.span, "with")?),
            Kind::Range => Node::Range(self.branch(token.span, "range")?),
            Kind::Template => self.call()?,
            _ => {
                self.at = start;
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        };
        Ok(Step::Node(node))
    }

    fn jump(&mut self, keyword: &Token<'t>) -> Result<Node> {
        let name = format!("{{{{{}}}}}", keyword.text);
        self.expect(Kind::RightDelim, &name)?;
        if self.ranges == 0 {
            return error(keyword.span, format!("{name} outside {{{{range}}}}"));
        }
        Ok(if keyword.kind == Kind::Break {
            Node::Break
        } else {
            Node::Continue
        })
    }

    /// `else`, the rest of which is read unless it is `else if` or `else with`.
    fn otherwise(&mut self) -> Result<ListEnd> {
        if !matches!(self.peek_word(), Kind::If | Kind::With) {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(ListEnd::Else)
    }

    fn branch(&mut self, keyword: Span, context: &'static str) -> Result<Box<Branch>> {
        let variables = self.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let range = usize::from(context == "range");
        self.ranges += range;
        let (list, end) = self.block(keyword)?;
        self.ranges -= range;
        let otherwise = match end {
            ListEnd::End => None,
            ListEnd::Else => Some(self.else_list(keyword, context)?),
        };
        self.variables.truncate(variables);
        Ok(Box::new(Branch {
            pipe,
            list,
            otherwise,
        }))
    }

    fn else_list(&mut self, keyword: Span, context: &'static str) -> Result<List> {
        let chained = self.peek().clone();
        self.enter(keyword)?;
        let list = match (context, chained.kind) {
            ("if", Kind::If) => {
                self.at += 1;
                vec![Node::If(self.branch(chained.span, "if")?)]
            }
            ("with", Kind::With) => {
                self.at += 1;
                vec![Node::With(self.branch(chained.span, "with")?)]
            }
            _ => {
                let (list, end) = self.block(keyword)?;
                if end != ListEnd::End {
                    return self.error_here(format!("expected end; found {}", end.as_str()));
                }
                list
            }
        };
        self.depth -= 1;
        Ok(list)
    }

    fn block_clause(&mut self, keyword: Span) -> Result<Node> {
        let context = "block clause";
        let token = self.next_word();
        let name = self.template_name(&token, context)?;
        let pipe = Some(self.pipeline(context, Kind::RightDelim)?);
        self.definition(keyword, name.clone(), context)?;
        Ok(Node::Template(Call {
            at: token.span.start,
            name,
            pipe,
        }))
    }

    fn call(&mut self) -> Result<Node> {
        let context = "template clause";
        let token = self.next_word();
        let name = self.template_name(&token, context)?;
        let pipe = if self.peek_word() == Kind::RightDelim {
            self.at += 1;
            None
        } else {
            Some(self.pipeline(context, Kind::RightDelim)?)
        };
        Ok(Node::Template(Call {
            at: token.span.start,
            name,
            pipe,
        }))
    }

    fn template_name(&self, token: &Token<'t>, context: &str) -> Result<Box<str>> {
        match token.kind {
            Kind::QuotedString | Kind::RawString => unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn pipeline(&mut self, context: &'static str, end: Kind) -> Result<Pipe> {
        self.skip_space();
        let mut pipe = Pipe {
            at: self.peek().span.start,
            variables: Vec::new(),
            assigns: false,
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let start = {
                self.skip_space();
                self.at
            };
            let token = self.next();
            if token.kind == end {
                self.check_pipeline(&pipe, context)?;
                return Ok(pipe);
            }
            if !starts_operand(token.kind) {
                return self.unexpected(&token, context);
            }
            self.at = start;
            pipe.commands.push(self.command()?);
        }
    }

    /// `$x :=`, `$x =`, and in `range` `$i, $x :=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<()> {
        while self.peek_word() == Kind::Variable {
            let start = self.at;
            let variable = self.next();
            self.skip_space();
            let next = self.peek().clone();
            let comma = next.kind == Kind::Char && next.text == ",";
            if !comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.at = start;
                return Ok(());
            }
            self.at += 1;
            pipe.assigns = next.kind == Kind::Assign;
            let name: Box<str> = variable.text.into_owned().into();
            pipe.variables.push(name.clone());
            self.variables.push(Cow::Owned(name.into_string()));
            if !comma {
                return Ok(());
            }
            if context != "range" || pipe.variables.len() >= 2 {
                return self.error_here(format!("too many declarations in {context}"));
            }
            if !matches!(
                self.peek_word(),
                Kind::Variable | Kind::RightDelim | Kind::RightParen
            ) {
                return self.error_here("range can only initialize variables");
            }
        }
        Ok(())
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Result<()> {
        if pipe.commands.is_empty() {
            return self.error_here(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            let first = &command.operands[0];
            if matches!(
                first.term,
                Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text(..)
            ) {
                let stage = index + 1;
                let message = format!("non executable command in pipeline stage {stage}");
                return error(Span::new(first.at, first.at + 1), message);
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command> {
        self.skip_space();
        let at = self.peek().span.start;
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            operands.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.at -= 1;
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if operands.is_empty() {
            return self.error_here("empty command");
        }
        self.collect_regex(&operands);
        Ok(Command { at, operands })
    }

    /// Keeps a place for a constant pattern, so that it is compiled once.
    fn collect_regex(&mut self, operands: &[Operand]) {
        let [function, pattern, ..] = operands else {
            return;
        };
        if let (Term::Function(function), Term::Text(_, pattern)) = (&function.term, &pattern.term)
            && matches!(function.name, "match" | "reReplaceAll")
        {
            self.regexes.entry(pattern.clone()).or_default();
        }
    }

    /// A term and the fields behind it; nothing where none begins here.
    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some(operand) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(operand));
        }
        let at = self.peek().span.start;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.field_name());
        }
        let term = match operand.term {
            Term::Field(mut names) => {
                names.extend(fields);
                Term::Field(names)
            }
            Term::Variable(name, mut names) => {
                names.extend(fields);
                Term::Variable(name, names)
            }
            Term::Bool(_) | Term::Text(..) | Term::Number(_) | Term::Nil | Term::Dot => {
                let term = quote(&operand.to_string());
                return self.error_here(format!("unexpected . after term {term}"));
            }
            _ => Term::Chain(Box::new(operand), fields),
        };
        Ok(Some(Operand { at, term }))
    }

    fn field_name(&mut self) -> Box<str> {
        let token = self.next();
        let name = &token.text[1..];
        self.uses_value |= name == "Value";
        name.into()
    }

    fn term(&mut self) -> Result<Option<Operand>> {
        self.skip_space();
        let start = self.at;
        let token = self.next();
        let term = match token.kind {
            Kind::Identifier => Term::Function(self.function(&token)?),
            Kind::Dot => {
                self.uses_value = true;
                Term::Dot
            }
            Kind::Nil => Term::Nil,
            Kind::Variable => self.variable(&token)?,
            Kind::Field => {
                self.at = start;
                Term::Field(vec![self.field_name()])
            }
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::Number | Kind::CharConstant => match literal::number(&token.text) {
                Ok(number) => Term::Number(number),
                Err(message) => return error(token.span, message),
            },
            Kind::LeftParen => {
                self.enter(token.span)?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                let at = pipe.at;
                let term = Term::Pipe(Box::new(pipe));
                return Ok(Some(Operand { at, term }));
            }
            Kind::QuotedString | Kind::RawString => {
                let text = unquote(&token)?;
                Term::Text(token.text.into_owned().into(), text)
            }
            _ => {
                self.at = start;
                return Ok(None);
            }
        };
        let at = token.span.start;
        Ok(Some(Operand { at, term }))
    }

    fn function(&mut self, token: &Token<'t>) -> Result<&'static Function> {
        let name = &*token.text;
        let Some(function) = functions::find(name) else {
            let message = format!("function {} not defined", quote(name));
            let mut diagnostic = Diagnostic::error(CODE, token.span, message);
            if self
                .variables
                .iter()
                .any(|v| v.strip_prefix('$') == Some(name))
            {
                diagnostic = diagnostic.with_hint(format!("a variable is written `${name}`"));
            } else if let Some(near) = functions::similar(name) {
                diagnostic = diagnostic.with_hint(format!("did you mean `{near}`?"));
            }
            return Err(diagnostic);
        };
        self.uses_query |= name == "query";
        Ok(function)
    }

    fn variable(&mut self, token: &Token<'t>) -> Result<Term> {
        let name: Box<str> = token.text.as_ref().into();
        if !self.variables.iter().any(|known| **known == *name) {
            let message = format!("undefined variable {}", quote(&name));
            let mut diagnostic = Diagnostic::error(CODE, token.span, message);
            if !self.open.is_empty() && self.variables.len() == 1 {
                diagnostic = diagnostic.with_hint(
                    "a defined template sees no variable of the outside: pass what it needs with \
                     `{{ template \"name\" (args $labels $value) }}`",
                );
            }
            return Err(diagnostic);
        }
        self.uses_value |= &*name == "$value" || &*name == "$";
        Ok(Term::Variable(name, Vec::new()))
    }
}

fn error<T>(span: Span, message: impl Into<String>) -> Result<T> {
    Err(Diagnostic::error(CODE, span, message))
}

/// The text that a quoted token means.
fn unquote(token: &Token<'_>) -> Result<Box<str>> {
    match literal::unquote(&token.text) {
        Some(text) => Ok(text.into()),
        None => error(token.span, "invalid syntax"),
    }
}

fn starts_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::CharConstant
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Nil
            | Kind::RawString
            | Kind::QuotedString
            | Kind::Variable
            | Kind::LeftParen
    )
}

/// Whether a definition holds nothing but spaces, so that another one may replace it.
fn is_empty(list: &List) -> bool {
    list.iter()
        .all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}
