//! Runs a parsed template, with Go's semantics and run-time errors (`text/template/exec.go`).

use std::collections::BTreeSet;
use std::rc::Rc;

use super::format;
use super::functions::{Fault, Function, Param};
use super::methods;
use super::tree::{At, Branch, Call, Command, List, Node, Operand, Pipe, Term};
use super::value::Value;
use super::{
    AlertData, MAX_DEPTH, MAX_OUTPUT_BYTES, MAX_QUERIES, MAX_STEPS, MAX_TEXT_BYTES, QueryAnswers,
    Template,
};
use crate::model::Timestamp;
use crate::model::labels::quote;
use crate::regex::{Regex, RegexError};

/// What functions see of the world.
pub(super) struct Env<'d> {
    pub(super) template: &'d Template,
    pub(super) data: &'d AlertData<'d>,
    pub(super) at: Timestamp,
    pub(super) answers: &'d QueryAnswers,
    /// All queries that were asked.
    pub(super) asked: BTreeSet<String>,
    /// Those of them that are not answered, in order.
    pub(super) needs: Vec<String>,
    /// What the run has cost, against [`MAX_STEPS`].
    pub(super) steps: usize,
}

/// Bytes of text that a function may handle for one step.
const BYTES_PER_STEP: usize = 64;
/// The steps for compiling an expression that is not a constant of the template.
const COMPILE_STEPS: usize = 1000;
/// Bytes of pattern times bytes of text for one step.
const MATCH_WORK_PER_STEP: usize = 512;

impl Env<'_> {
    /// An expression to be run over a text, compiled only once where it is a constant of the
    /// template.
    pub(super) fn regex(&mut self, pattern: &str, text: &str) -> Result<Regex, RegexError> {
        self.steps += pattern.len().saturating_mul(text.len()) / MATCH_WORK_PER_STEP;
        if let Some(regex) = self.template.regexes.get(pattern) {
            return regex.get_or_init(|| Regex::new(pattern)).clone();
        }
        self.steps += COMPILE_STEPS;
        Regex::new(pattern)
    }
}

/// The run ends with this error.
pub(super) struct Stop(pub(super) Box<str>);

type Result<T, E = Stop> = std::result::Result<T, E>;

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// What a function or method is called with: the value that a method is of, the operands behind its
/// name, and the value of the command before it in the pipe.
struct Given<'d> {
    receiver: Option<Value<'d>>,
    operands: &'d [Operand],
    last: Option<Value<'d>>,
}

impl Given<'_> {
    const fn nothing() -> Self {
        Self {
            receiver: None,
            operands: &[],
            last: None,
        }
    }

    const fn is_empty(&self) -> bool {
        self.operands.is_empty() && self.last.is_none()
    }
}

/// A run under way.
pub(super) struct Exec<'d> {
    pub(super) env: Env<'d>,
    pub(super) out: String,
    /// The name of the definition that runs.
    name: &'d str,
    variables: Vec<(&'d str, Value<'d>)>,
    /// Where an error would point.
    at: Option<At<'d>>,
    depth: usize,
}

impl<'d> Exec<'d> {
    pub(super) fn new(env: Env<'d>) -> Self {
        let (template, data) = (env.template, env.data);
        let variables = vec![
            ("$", Value::Data(data)),
            ("$labels", Value::Labels(data.labels)),
            ("$externalLabels", Value::Labels(data.external_labels)),
            ("$externalURL", Value::from(data.external_url)),
            ("$value", Value::Float(data.value)),
        ];
        Self {
            env,
            out: String::with_capacity(template.text.len() + template.text.len() / 2),
            name: &template.name,
            variables,
            at: None,
            depth: 0,
        }
    }

    pub(super) fn run(&mut self) -> Result<()> {
        let template = self.env.template;
        let dot = Value::Data(self.env.data);
        self.list(&dot, &template.root)?;
        Ok(())
    }

    fn fail<T>(&self, message: impl std::fmt::Display) -> Result<T> {
        let template = self.env.template;
        let Some(at) = self.at else {
            return Err(Stop(format!("template: {}: {message}", self.name).into()));
        };
        let place = template.place(at.byte());
        let name = quote(self.name);
        Err(Stop(
            format!("template: {place}: executing {name} at <{at}>: {message}").into(),
        ))
    }

    fn step(&mut self) -> Result<()> {
        self.spend(1)
    }

    fn spend(&mut self, steps: usize) -> Result<()> {
        self.env.steps += steps;
        if self.env.steps > MAX_STEPS {
            return self.fail(format_args!("more than {MAX_STEPS} steps"));
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format_args!(
                "exceeded maximum template depth ({MAX_DEPTH})"
            ));
        }
        Ok(())
    }

    fn list(&mut self, dot: &Value<'d>, list: &'d List) -> Result<Flow> {
        self.enter()?;
        for node in list {
            match self.node(dot, node)? {
                Flow::Next => {}
                flow => {
                    self.depth -= 1;
                    return Ok(flow);
                }
            }
        }
        self.depth -= 1;
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Value<'d>, node: &'d Node) -> Result<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(dot, pipe)?;
                if pipe.variables.is_empty() {
                    format::print_value(&mut self.out, &value);
                }
            }
            Node::If(branch) => return self.branch(dot, branch, false),
            Node::With(branch) => return self.branch(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template(call) => self.call_template(dot, call)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        if self.out.len() > MAX_OUTPUT_BYTES {
            return self.fail(format_args!(
                "the output is longer than {MAX_OUTPUT_BYTES} bytes"
            ));
        }
        Ok(Flow::Next)
    }

    fn branch(&mut self, dot: &Value<'d>, branch: &'d Branch, with: bool) -> Result<Flow> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = if value.is_pending() {
            // What a query decides is left until it is answered.
            Flow::Next
        } else if value.truth() {
            self.list(if with { &value } else { dot }, &branch.list)?
        } else if let Some(otherwise) = &branch.otherwise {
            self.list(dot, otherwise)?
        } else {
            Flow::Next
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value<'d>, branch: &'d Branch) -> Result<Flow> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let ran = match &value {
            Value::Pending => true,
            Value::Int(_) | Value::Whole(..) | Value::Byte(_) => {
                if branch.pipe.variables.len() > 1 {
                    let shown = self.shown(&value)?;
                    let message = "to iterate over more than one variable";
                    return self.fail(format_args!("can't use {shown} {message}"));
                }
                let count = value.whole().unwrap_or(0);
                let numbers = (0..count).map(|n| (Value::Nil, value.with_whole(n)));
                self.iterate(branch, numbers)?
            }
            Value::Labels(labels) => {
                let pairs = labels.iter().map(|(k, v)| (Value::from(k), Value::from(v)));
                self.iterate(branch, pairs)?
            }
            Value::Args(args) => {
                let args = Rc::clone(args);
                let pairs = args.iter().map(|(k, v)| (k.clone().into(), v.clone()));
                self.iterate(branch, pairs)?
            }
            Value::Samples(samples) => {
                let samples = samples.iter().zip(0..);
                let pairs = samples.map(|(s, at)| (Value::Int(at), Value::Sample(s)));
                self.iterate(branch, pairs)?
            }
            Value::Nil => false,
            value => {
                let shown = self.shown(value)?;
                return self.fail(format_args!("range can't iterate over {shown}"));
            }
        };
        let mut flow = Flow::Next;
        if let (false, Some(otherwise)) = (ran, &branch.otherwise) {
            flow = self.list(dot, otherwise)?;
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// A value as `%v` shows it, behind pointers too.
    fn shown(&self, value: &Value<'d>) -> Result<String> {
        let mut shown = String::new();
        format::print_value(&mut shown, value);
        if shown.len() > MAX_TEXT_BYTES {
            return self.too_long();
        }
        Ok(shown)
    }

    fn too_long<T>(&self) -> Result<T> {
        self.fail(format_args!("a text is longer than {MAX_TEXT_BYTES} bytes"))
    }

    /// Runs the body for each pair of key and element; false if there was none.
    fn iterate(
        &mut self,
        branch: &'d Branch,
        pairs: impl Iterator<Item = (Value<'d>, Value<'d>)>,
    ) -> Result<bool> {
        let mark = self.variables.len();
        let mut any = false;
        for (key, element) in pairs {
            any = true;
            self.step()?;
            self.set_range_variables(&branch.pipe, key, &element)?;
            let flow = self.list(&element, &branch.list)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(any)
    }

    fn set_range_variables(
        &mut self,
        pipe: &'d Pipe,
        key: Value<'d>,
        element: &Value<'d>,
    ) -> Result<()> {
        let values = match &*pipe.variables {
            [] => return Ok(()),
            [_] => vec![element.clone()],
            [_, _, ..] => vec![key, element.clone()],
        };
        if pipe.assigns {
            for (name, value) in pipe.variables.iter().zip(values) {
                self.assign(name, value)?;
            }
        } else {
            // The pipe has just declared them, so they are on top.
            let top = self.variables.len() - values.len();
            for (slot, value) in self.variables[top..].iter_mut().zip(values) {
                slot.1 = value;
            }
        }
        Ok(())
    }

    fn call_template(&mut self, dot: &Value<'d>, call: &'d Call) -> Result<()> {
        self.at = Some(At::Call(call));
        let template = self.env.template;
        let (name, list): (&'d str, &'d List) = match template.defined.get_key_value(&call.name) {
            Some((name, list)) => (name, list),
            None if *call.name == *template.name => (&template.name, &template.root),
            None => {
                return self.fail(format_args!("template {} not defined", quote(&call.name)));
            }
        };
        let dot = match &call.pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Nil,
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let outer = std::mem::replace(&mut self.name, name);
        self.list(&dot, list)?;
        self.variables = variables;
        self.name = outer;
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value<'d>) -> Result<()> {
        match self.variables.iter_mut().rfind(|(known, _)| *known == name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => self.fail(format_args!("undefined variable: {name}")),
        }
    }

    fn pipe(&mut self, dot: &Value<'d>, pipe: &'d Pipe) -> Result<Value<'d>> {
        self.at = Some(At::Pipe(pipe));
        self.enter()?;
        let mut value = None;
        for command in &pipe.commands {
            self.step()?;
            value = Some(self.command(dot, command, value)?);
        }
        self.depth -= 1;
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    /// Runs a command; `last` is the value of the command before it in its pipe.
    fn command(
        &mut self,
        dot: &Value<'d>,
        command: &'d Command,
        last: Option<Value<'d>>,
    ) -> Result<Value<'d>> {
        let first = &command.operands[0];
        let given = Given {
            receiver: None,
            operands: &command.operands[1..],
            last,
        };
        match &first.term {
            Term::Function(function) => {
                self.at = Some(At::Operand(first));
                return self.call(dot, function, At::Command(command), given);
            }
            Term::Field(_) | Term::Chain(..) => return self.value(dot, first, given),
            Term::Variable(_, fields) if !fields.is_empty() => {
                return self.value(dot, first, given);
            }
            Term::Pipe(_) => {}
            _ => self.at = Some(At::Operand(first)),
        }
        if !given.is_empty() {
            return self.fail(format_args!("can't give argument to non-function {first}"));
        }
        if let Term::Nil = first.term {
            return self.fail("nil is not a command");
        }
        self.value(dot, first, Given::nothing())
    }

    /// The value of an operand, which takes what it was given where it ends in a method.
    fn value(
        &mut self,
        dot: &Value<'d>,
        operand: &'d Operand,
        given: Given<'d>,
    ) -> Result<Value<'d>> {
        match &operand.term {
            Term::Pipe(pipe) => return self.pipe(dot, pipe),
            Term::Chain(..) | Term::Variable(..) | Term::Field(_) => {}
            _ => self.at = Some(At::Operand(operand)),
        }
        Ok(match &operand.term {
            Term::Bool(value) => Value::Bool(*value),
            Term::Dot => dot.clone(),
            Term::Text(_, text) => Value::from(&**text),
            Term::Number(number) => match number.int {
                Some(int) if !number.is_float => Value::Int(int),
                _ => Value::Float(number.float),
            },
            Term::Field(names) => {
                self.at = Some(At::Operand(operand));
                return self.fields(dot, operand, dot.clone(), names, given);
            }
            Term::Variable(name, names) => {
                self.at = Some(At::Operand(operand));
                let value = self.variable(name)?;
                if names.is_empty() {
                    return Ok(value);
                }
                return self.fields(dot, operand, value, names, given);
            }
            Term::Chain(inner, names) => {
                self.at = Some(At::Operand(operand));
                if matches!(inner.term, Term::Nil) {
                    return self.fail(format_args!(
                        "indirection through explicit nil in {operand}"
                    ));
                }
                let value = self.value(dot, inner, Given::nothing())?;
                return self.fields(dot, operand, value, names, given);
            }
            Term::Function(function) => {
                return self.call(dot, function, At::Operand(operand), Given::nothing());
            }
            Term::Nil | Term::Pipe(_) => Value::Nil,
        })
    }

    fn variable(&self, name: &str) -> Result<Value<'d>> {
        match self.variables.iter().rfind(|(known, _)| *known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.fail(format_args!("undefined variable: {name}")),
        }
    }

    fn fields(
        &mut self,
        dot: &Value<'d>,
        operand: &'d Operand,
        mut value: Value<'d>,
        names: &'d [Box<str>],
        given: Given<'d>,
    ) -> Result<Value<'d>> {
        let Some((last, names)) = names.split_last() else {
            return Ok(value);
        };
        // Go names the static type of what an interface holds by the interface.
        let mut interface = false;
        for name in names {
            let nothing = Given::nothing();
            (value, interface) = self.member(dot, operand, value, name, nothing, interface)?;
        }
        let (value, _) = self.member(dot, operand, value, last, given, interface)?;
        Ok(value)
    }

    /// A method's result, or a field.
    fn member(
        &mut self,
        dot: &Value<'d>,
        operand: &'d Operand,
        value: Value<'d>,
        name: &str,
        mut given: Given<'d>,
        interface: bool,
    ) -> Result<(Value<'d>, bool)> {
        let Some(known) = methods::of(&value) else {
            return self.field(&value, name, !given.is_empty(), interface);
        };
        let Some(method) = known.iter().find(|method| method.name == name) else {
            if !matches!(value, Value::Time(_) | Value::Duration(_)) {
                return self.field(&value, name, !given.is_empty(), interface);
            }
            let type_name = value.type_name();
            let names: Vec<_> = known.iter().map(|method| method.name).collect();
            return self.fail(format_args!(
                "method {name} of {type_name} is not supported: there are {}",
                names.join(", ")
            ));
        };
        given.receiver = Some(value);
        let result = self.call(dot, method, At::Operand(operand), given)?;
        Ok((result, false))
    }

    fn field(
        &self,
        value: &Value<'d>,
        name: &str,
        arguments: bool,
        interface: bool,
    ) -> Result<(Value<'d>, bool)> {
        let found = match value {
            Value::Nil if interface => {
                return self.fail(format_args!("nil pointer evaluating interface {{}}.{name}"));
            }
            Value::Nil | Value::Pending => return Ok((value.clone(), false)),
            Value::Labels(labels) => Some((Value::from(labels.get(name)), false)),
            Value::Args(args) => Some((args.get(name).cloned().unwrap_or(Value::Nil), true)),
            Value::Data(data) => match name {
                "Labels" => Some((Value::Labels(data.labels), false)),
                "ExternalLabels" => Some((Value::Labels(data.external_labels), false)),
                "ExternalURL" => Some((Value::from(data.external_url), false)),
                "Value" => Some((Value::Float(data.value), true)),
                _ => None,
            },
            Value::Sample(sample) => match name {
                "Labels" => Some((Value::Labels(&sample.0), false)),
                "Value" => Some((Value::Float(sample.1), true)),
                _ => None,
            },
            _ => None,
        };
        match found {
            Some(_) if arguments && matches!(value, Value::Labels(_) | Value::Args(_)) => {
                self.fail(format_args!("{name} is not a method but has arguments"))
            }
            Some(_) if arguments => self.fail(format_args!(
                "{name} has arguments but cannot be invoked as function"
            )),
            Some(found) => Ok(found),
            None => {
                let type_name = if interface {
                    "interface {}"
                } else {
                    value.type_name()
                };
                self.fail(format_args!(
                    "can't evaluate field {name} in type {type_name}"
                ))
            }
        }
    }

    /// Calls a function; an error of its own points at `node`.
    fn call(
        &mut self,
        dot: &Value<'d>,
        function: &'static Function,
        node: At<'d>,
        given: Given<'d>,
    ) -> Result<Value<'d>> {
        let Given {
            receiver,
            operands,
            last,
        } = given;
        let count = operands.len() + usize::from(last.is_some());
        self.check_count(function, count, operands.len())?;
        if matches!(function.name, "and" | "or") {
            return self.short_circuit(dot, function.name == "or", operands, last);
        }
        let mut args = Vec::with_capacity(count + usize::from(receiver.is_some()));
        args.extend(receiver);
        for (index, operand) in operands.iter().enumerate() {
            let param = param(function, index);
            args.push(self.argument(dot, param, operand)?);
        }
        if let Some(last) = last {
            args.push(self.validate(last, param(function, count - 1))?);
        }
        if args.iter().any(Value::is_pending) {
            return Ok(Value::Pending);
        }
        let bytes: usize = args.iter().map(text_len).sum();
        self.spend(bytes / BYTES_PER_STEP)?;
        let result = (function.run)(&mut self.env, &args);
        let fault = match result {
            Ok(Value::Text(text)) if text.len() > MAX_TEXT_BYTES => Fault::TooLong,
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        self.at = Some(node);
        let name = function.name;
        match fault {
            Fault::NoFunction => {
                let type_name = args[0].type_name();
                let callee = match (operands.first(), &args[0]) {
                    (Some(operand), _) => operand.to_string(),
                    (None, Value::Text(text) | Value::Html(text)) => text.to_string(),
                    (None, _) => format!("<{type_name} Value>"),
                };
                self.fail(format_args!(
                    "error calling call: non-function {callee} of type {type_name}"
                ))
            }
            Fault::Message(message) => self.fail(format_args!("error calling {name}: {message}")),
            Fault::TooLong => self.too_long(),
            Fault::TooManyQueries => self.fail(format_args!("more than {MAX_QUERIES} queries")),
        }
    }

    fn check_count(&self, function: &Function, count: usize, written: usize) -> Result<()> {
        let (name, wanted) = (function.name, function.params.len());
        if function.variadic.is_some() {
            if count < wanted {
                return self.fail(format_args!(
                    "wrong number of args for {name}: want at least {wanted} got {written}"
                ));
            }
        } else if count != wanted {
            return self.fail(format_args!(
                "wrong number of args for {name}: want {wanted} got {count}"
            ));
        }
        Ok(())
    }

    fn short_circuit(
        &mut self,
        dot: &Value<'d>,
        until: bool,
        operands: &'d [Operand],
        last: Option<Value<'d>>,
    ) -> Result<Value<'d>> {
        let mut value = Value::Nil;
        for operand in operands {
            value = self.argument(dot, Param::Any, operand)?;
            if value.is_pending() || value.truth() == until {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn argument(
        &mut self,
        dot: &Value<'d>,
        param: Param,
        operand: &'d Operand,
    ) -> Result<Value<'d>> {
        self.at = Some(At::Operand(operand));
        match (&operand.term, param) {
            (Term::Nil, Param::Text) => self.fail("cannot assign nil to string"),
            (Term::Bool(_) | Term::Number(_), Param::Text) => {
                self.fail(format_args!("expected string; found {operand}"))
            }
            (Term::Bool(_) | Term::Number(_) | Term::Text(..), Param::Samples | Param::Sample) => {
                let type_name = param.type_name();
                self.fail(format_args!(
                    "can't handle {operand} for arg of type {type_name}"
                ))
            }
            _ => {
                let value = self.value(dot, operand, Given::nothing())?;
                self.validate(value, param)
            }
        }
    }

    /// Refuses a value of another type than a parameter's.
    fn validate(&self, value: Value<'d>, param: Param) -> Result<Value<'d>> {
        let good = match (&value, param) {
            (Value::Pending, _) | (_, Param::Any) => true,
            (Value::Nil, Param::Text) => return self.fail("invalid value; expected string"),
            (Value::Nil, Param::Samples | Param::Sample) => true,
            (Value::Text(_), Param::Text) => true,
            (Value::Samples(_), Param::Samples) => true,
            (Value::Sample(_), Param::Sample) => true,
            _ => false,
        };
        if good {
            return Ok(value);
        }
        let (wanted, got) = (param.type_name(), value.type_name());
        self.fail(format_args!(
            "wrong type for value; expected {wanted}; got {got}"
        ))
    }
}

fn text_len(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) | Value::Html(text) => text.len(),
        _ => 0,
    }
}

fn param(function: &Function, index: usize) -> Param {
    let further = function.variadic.unwrap_or(Param::Any);
    function.params.get(index).copied().unwrap_or(further)
}
