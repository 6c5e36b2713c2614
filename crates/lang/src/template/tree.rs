//! The parsed template. Every node knows its byte in the user's text, and prints as Go prints it in
//! run-time errors.

use std::fmt;

use super::functions::Function;

/// A list of nodes: a whole template or the body of a block.
pub(super) type List = Vec<Node>;

/// A piece of a template.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(Box<str>),
    Action(Pipe),
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template(Call),
    Break,
    Continue,
}

/// `if`, `with` or `range`.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) list: List,
    pub(super) otherwise: Option<List>,
}

/// `{{ template "name" pipe }}`
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) at: usize,
    pub(super) name: Box<str>,
    pub(super) pipe: Option<Pipe>,
}

/// Commands, each of which gets the value of the one before it, and the variables set to the result.
#[derive(Debug, Clone)]
pub(super) struct Pipe {
    pub(super) at: usize,
    pub(super) variables: Vec<Box<str>>,
    /// `=` instead of `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand and its arguments.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) at: usize,
    /// Never empty.
    pub(super) operands: Vec<Operand>,
}

/// A value or a function, at its place.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) term: Term,
}

/// What an operand is.
#[derive(Debug, Clone)]
pub(super) enum Term {
    Bool(bool),
    Dot,
    Nil,
    Number(Number),
    /// The text as it was written, and what it means.
    Text(Box<str>, Box<str>),
    /// `.a.b`
    Field(Vec<Box<str>>),
    /// `$name.a.b`
    Variable(Box<str>, Vec<Box<str>>),
    /// `(...).a.b`, or a function's result.
    Chain(Box<Operand>, Vec<Box<str>>),
    Function(&'static Function),
    Pipe(Box<Pipe>),
}

/// A number constant, which takes the type that its place needs.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) text: Box<str>,
    pub(super) int: Option<i64>,
    pub(super) float: f64,
    /// Whether it is a float where nothing else is asked for.
    pub(super) is_float: bool,
}

/// A node that an error can point at.
#[derive(Clone, Copy)]
pub(super) enum At<'t> {
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
    Call(&'t Call),
}

impl At<'_> {
    /// Its byte in the user's text.
    pub(super) fn byte(self) -> usize {
        match self {
            Self::Pipe(node) => node.at,
            Self::Command(node) => node.at,
            Self::Operand(node) => node.at,
            Self::Call(node) => node.at,
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipe(node) => node.fmt(f),
            Self::Command(node) => node.fmt(f),
            Self::Operand(node) => node.fmt(f),
            Self::Call(node) => node.fmt(f),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{{{template {}",
            crate::model::labels::quote(&self.name)
        )?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let operator = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {operator} ", self.variables.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            operand.fmt_inside(f)?;
        }
        Ok(())
    }
}

impl Operand {
    /// As a part of something larger, where a pipe needs its parentheses.
    fn fmt_inside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Pipe(pipe) => write!(f, "({pipe})"),
            _ => fmt::Display::fmt(self, f),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = |f: &mut fmt::Formatter<'_>, fields: &[Box<str>]| {
            fields.iter().try_for_each(|field| write!(f, ".{field}"))
        };
        match &self.term {
            Term::Bool(value) => value.fmt(f),
            Term::Dot => f.write_str("."),
            Term::Nil => f.write_str("nil"),
            Term::Number(number) => f.write_str(&number.text),
            Term::Text(written, _) => f.write_str(written),
            Term::Field(names) => fields(f, names),
            Term::Variable(name, names) => {
                f.write_str(name)?;
                fields(f, names)
            }
            Term::Chain(operand, names) => {
                operand.fmt_inside(f)?;
                fields(f, names)
            }
            Term::Function(function) => f.write_str(function.name),
            Term::Pipe(pipe) => pipe.fmt(f),
        }
    }
}
