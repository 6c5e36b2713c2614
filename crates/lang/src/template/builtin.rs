//! Go's own functions, with Go's errors (`text/template/funcs.go`).

#![expect(
    clippy::unnecessary_wraps,
    reason = "all functions stand in one table, so they have one signature"
)]

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::rc::Rc;

use super::exec::Env;
use super::format;
use super::functions::{Fault, Outcome};
use super::value::{Text, Value};

type Args<'a, 'd> = &'a [Value<'d>];

/// `and` and `or` are run by the executor, since they do not evaluate all their arguments.
pub(super) fn short_circuit<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(args.last().cloned().unwrap_or(Value::Nil))
}

/// No value here is a function.
pub(super) fn call<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Err(match &args[0] {
        Value::Nil => "call of nil".into(),
        _ => Fault::NoFunction,
    })
}

pub(super) fn not<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Bool(!args[0].truth()))
}

pub(super) fn print<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(format::sprint(args)?.into())
}

pub(super) fn println<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(format::sprintln(args)?.into())
}

pub(super) fn printf<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let Value::Text(format) = &args[0] else {
        return Err("the format is no text".into());
    };
    Ok(format::sprintf(format, &args[1..])?.into())
}

/// The text of all arguments, as `html`, `js` and `urlquery` take it.
fn joined<'d>(args: Args<'_, 'd>) -> Result<String, Fault> {
    if let [Value::Text(text)] = args {
        return Ok(text.to_string());
    }
    // A value that is not there becomes a text here, as where an action prints it.
    let shown = |arg: &Value<'d>| match arg {
        Value::Nil => Value::from("<no value>"),
        arg => arg.clone(),
    };
    let args: Vec<_> = args.iter().map(shown).collect();
    Ok(format::sprint_indirect(&args)?)
}

pub(super) fn html<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let text = joined(args)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    Ok(out.into())
}

pub(super) fn js<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let text = joined(args)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            ' '..='\x7f' => out.push(c),
            c if super::printer::is_printable(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
        }
    }
    Ok(out.into())
}

pub(super) fn urlquery<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(query_escape(&joined(args)?).into())
}

/// Go's `url.QueryEscape`.
pub fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The type behind a pointer.
fn pointed(value: &Value<'_>) -> &'static str {
    let name = value.type_name();
    name.strip_prefix('*').unwrap_or(name)
}

pub(super) fn len<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    if let Some(length) = args[0].len() {
        return Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)));
    }
    Err(match &args[0] {
        Value::Nil => "reflect: call of reflect.Value.Type on zero Value".into(),
        value => format!("len of type {}", pointed(value)).into(),
    })
}

pub(super) fn index<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let mut item = args[0].clone();
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    for at in &args[1..] {
        item = match &item {
            Value::Text(text) | Value::Html(text) => {
                let at = position(at, text.len())?;
                let byte = text.as_bytes().get(at);
                Value::Byte(*byte.ok_or("reflect: string index out of range")?)
            }
            Value::Samples(samples) => {
                let at = position(at, samples.len())?;
                Value::Sample(samples.get(at).ok_or("reflect: slice index out of range")?)
            }
            Value::Labels(labels) => labels.get(map_key(at)?).into(),
            Value::Args(args) => args.get(map_key(at)?).cloned().unwrap_or(Value::Nil),
            Value::Nil => return Err("index of nil pointer".into()),
            item => return Err(format!("can't index item of type {}", pointed(item)).into()),
        };
    }
    Ok(item)
}

fn map_key<'a>(key: &'a Value<'_>) -> Result<&'a str, Fault> {
    match key {
        Value::Text(text) => Ok(text),
        Value::Nil => Err("value is nil; should be of type string".into()),
        key => Err(format!("value has type {}; should be string", key.type_name()).into()),
    }
}

/// An index into something of a length, which may stand just behind its end.
fn position(at: &Value<'_>, length: usize) -> Result<usize, Fault> {
    let number = match (at.whole(), at) {
        (Some(number), _) => number,
        (None, Value::Nil) => return Err("cannot index slice/array with nil".into()),
        (None, at) => {
            let name = at.type_name();
            return Err(format!("cannot index slice/array with type {name}").into());
        }
    };
    let inside = usize::try_from(number).ok().filter(|at| *at <= length);
    inside.ok_or_else(|| format!("index out of range: {number}").into())
}

pub(super) fn slice<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let (item, indexes) = (&args[0], &args[1..]);
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let length = match item {
        Value::Text(_) | Value::Html(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Value::Text(text) | Value::Html(text) => text.len(),
        Value::Samples(samples) => samples.len(),
        item => return Err(format!("can't slice item of type {}", pointed(item)).into()),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [from, to, capacity] = bounds;
    for (low, high) in [(from, to), (to, capacity)] {
        if low > high {
            return Err(format!("invalid slice index: {low} > {high}").into());
        }
    }
    Ok(match item {
        Value::Samples(samples) => Value::Samples(Rc::from(&samples[from..to])),
        Value::Html(text) => Value::Html(sub_text(text, from, to)),
        Value::Text(text) => Value::Text(sub_text(text, from, to)),
        _ => Value::Nil,
    })
}

/// Bytes of a text; a character that is cut through becomes replacement characters.
fn sub_text<'d>(text: &Text<'d>, from: usize, to: usize) -> Text<'d> {
    match text {
        Text::Borrowed(text) => match text.get(from..to) {
            Some(part) => Text::Borrowed(part),
            None => Text::Made(String::from_utf8_lossy(&text.as_bytes()[from..to]).into()),
        },
        Text::Made(text) => Text::Made(String::from_utf8_lossy(&text.as_bytes()[from..to]).into()),
    }
}

/// How Go's comparisons group types.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Basic {
    Bool,
    Int,
    Uint,
    Float,
    Text,
}

fn basic(value: &Value<'_>) -> Option<Basic> {
    Some(match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_) | Value::Whole(..) => Basic::Int,
        Value::Byte(_) => Basic::Uint,
        Value::Float(_) => Basic::Float,
        Value::Text(_) | Value::Html(_) => Basic::Text,
        _ => return None,
    })
}

/// Go's kinds of the values that are not basic.
const fn kind(value: &Value<'_>) -> u8 {
    match value {
        Value::Labels(_) | Value::Args(_) => 1,
        Value::Samples(_) => 2,
        Value::Data(_) => 3,
        Value::Sample(_) | Value::Time(_) | Value::Duration(_) => 4,
        _ => 0,
    }
}

fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Text(left) | Value::Html(left), Value::Text(right) | Value::Html(right)) => {
            Some((**left).cmp(&**right))
        }
        _ => Some(left.whole()?.cmp(&right.whole()?)),
    }
}

fn incompatible(left: &Value<'_>, right: &Value<'_>) -> Fault {
    let (left, right) = (left.type_name(), right.type_name());
    format!("incompatible types for comparison: {left} and {right}").into()
}

const BAD_TYPE: &str = "invalid type for comparison";

fn equal(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    let (left_basic, right_basic) = (basic(left), basic(right));
    if left_basic.is_some() && right_basic.is_some() {
        let whole = |basic| matches!(basic, Some(Basic::Int | Basic::Uint));
        if left_basic != right_basic && !(whole(left_basic) && whole(right_basic)) {
            return Err(incompatible(left, right));
        }
        return Ok(order(left, right) == Some(Ordering::Equal));
    }
    match (left, right) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        _ if left_basic.is_some() || right_basic.is_some() => Err(incompatible(left, right)),
        (Value::Sample(left), Value::Sample(right)) => Ok(std::ptr::eq(*left, *right)),
        _ if kind(left) == 4 && kind(right) == 4 => Ok(false),
        _ => Err(not_comparable(left, right)?),
    }
}

fn not_comparable(left: &Value<'_>, right: &Value<'_>) -> Result<Fault, Fault> {
    let text = |verb, value: &Value<'_>| format::sprintf(verb, std::slice::from_ref(value));
    let (left_type, right_type) = (left.type_name(), right.type_name());
    Ok(if kind(left) == kind(right) {
        format!("non-comparable type {}: {right_type}", text("%s", right)?).into()
    } else {
        // Go swaps the verbs of the second pair.
        let (left, right) = (text("%s", left)?, text("%v", right)?);
        format!("non-comparable types {left}: {left_type}, {right_type}: {right}").into()
    })
}

fn less(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    let (Some(left_basic), Some(right_basic)) = (basic(left), basic(right)) else {
        return Err(BAD_TYPE.into());
    };
    let whole = |basic| matches!(basic, Basic::Int | Basic::Uint);
    if left_basic != right_basic && !(whole(left_basic) && whole(right_basic)) {
        return Err(incompatible(left, right));
    }
    if left_basic == Basic::Bool {
        return Err(BAD_TYPE.into());
    }
    Ok(order(left, right) == Some(Ordering::Less))
}

fn less_or_equal(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    Ok(less(left, right)? || equal(left, right)?)
}

pub(super) fn eq<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let (first, others) = (&args[0], &args[1..]);
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn ne<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Bool(!equal(&args[0], &args[1])?))
}

pub(super) fn lt<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Bool(less(&args[0], &args[1])?))
}

pub(super) fn le<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Bool(less_or_equal(&args[0], &args[1])?))
}

// Go negates `<=` and `<`, so that a comparison with NaN is true here.
pub(super) fn gt<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Bool(!less_or_equal(&args[0], &args[1])?))
}

pub(super) fn ge<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Bool(!less(&args[0], &args[1])?))
}
