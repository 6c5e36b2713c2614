//! The functions that Prometheus adds for rules (`template/template.go`, release 3.14).

#![expect(
    clippy::unnecessary_wraps,
    reason = "all functions stand in one table, so they have one signature"
)]

use std::net::IpAddr;
use std::rc::Rc;

use super::exec::Env;
use super::functions::{Fault, Outcome};
use super::humanize as human;
use super::literal::parse_float;
use super::time::GoTime;
use super::value::{Text, Value, Whole};
use super::{MAX_QUERIES, MAX_TEXT_BYTES, builtin};
use crate::model::Duration;

type Args<'a, 'd> = &'a [Value<'d>];

/// What Go reports where a nil sample is used.
const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

/// The text argument at a place; the executor has checked its type.
fn text<'a, 'd>(args: Args<'a, 'd>, at: usize) -> &'a Text<'d> {
    match &args[at] {
        Value::Text(text) => text,
        _ => &Text::Borrowed(""),
    }
}

/// Prometheus' `ConvertToFloat`.
fn number(value: &Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Text(text) => Ok(parse_float(text)?),
        #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
        Value::Int(value) | Value::Whole(Whole::Int64, value) => Ok(*value as f64),
        value => Err(format!("can't convert {} to float", value.type_name()).into()),
    }
}

/// The answer to a query, or its place among those that are needed.
pub(super) fn query<'d>(env: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let expr = text(args, 0);
    if !env.asked.contains(&**expr) {
        if env.asked.len() == MAX_QUERIES {
            return Err(Fault::TooManyQueries);
        }
        env.asked.insert(expr.to_string());
    }
    match env.answers.get(&**expr) {
        Some(Ok(samples)) => Ok(Value::Samples(samples.iter().collect())),
        Some(Err(message)) => Err(message.clone().into()),
        None => {
            if !env.needs.iter().any(|need| **need == **expr) {
                env.needs.push(expr.to_string());
            }
            Ok(Value::Pending)
        }
    }
}

pub(super) fn first<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    match &args[0] {
        Value::Samples(samples) if !samples.is_empty() => Ok(Value::Sample(samples[0])),
        _ => Err("first() called on vector with no elements".into()),
    }
}

pub(super) fn label<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    match &args[1] {
        Value::Sample(sample) => Ok(sample.0.get(text(args, 0)).into()),
        _ => Err(NIL_POINTER.into()),
    }
}

pub(super) fn value<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    match &args[0] {
        Value::Sample(sample) => Ok(Value::Float(sample.1)),
        _ => Err(NIL_POINTER.into()),
    }
}

pub(super) fn str_value<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    match &args[0] {
        Value::Sample(sample) => Ok(sample.0.get("__value__").into()),
        _ => Err(NIL_POINTER.into()),
    }
}

pub(super) fn sort_by_label<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let Value::Samples(samples) = &args[1] else {
        return Ok(args[1].clone());
    };
    let by = text(args, 0);
    let mut sorted = samples.to_vec();
    sorted.sort_by(|left, right| left.0.get(by).cmp(right.0.get(by)));
    Ok(Value::Samples(sorted.into()))
}

pub(super) fn args<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let named = |(index, value): (usize, &Value<'d>)| (format!("arg{index}"), value.clone());
    Ok(Value::Args(Rc::new(
        args.iter().enumerate().map(named).collect(),
    )))
}

pub(super) fn re_replace_all<'d>(env: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let pattern = text(args, 0);
    let regex = env.regex(pattern, text(args, 2)).map_err(|error| {
        let quoted = if pattern.contains(['`', '\x7f', '\u{feff}'])
            || pattern.contains(|c| c < ' ' && c != '\t')
        {
            crate::model::labels::quote(pattern)
        } else {
            format!("`{}`", &**pattern)
        };
        format!("regexp: Compile({quoted}): {error}")
    })?;
    let replaced = regex.replace_all_within(text(args, 2), text(args, 1), MAX_TEXT_BYTES);
    replaced.map(Into::into).ok_or(Fault::TooLong)
}

pub(super) fn matches<'d>(env: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let regex = env
        .regex(text(args, 0), text(args, 1))
        .map_err(|error| error.to_string())?;
    Ok(Value::Bool(regex.is_match(text(args, 1))))
}

pub(super) fn safe_html<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Html(text(args, 0).clone()))
}

pub(super) fn to_upper<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(each(text(args, 0), char::to_uppercase).into())
}

pub(super) fn to_lower<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(each(text(args, 0), char::to_lowercase).into())
}

/// Maps characters to single characters, as Go's `unicode.ToUpper` and `ToLower` do: those that
/// would become several stay.
fn each<I: ExactSizeIterator<Item = char>>(text: &str, map: impl Fn(char) -> I) -> String {
    let single = |c: char| {
        let mut mapped = map(c);
        match (mapped.len(), mapped.next()) {
            (1, Some(mapped)) => mapped,
            _ => c,
        }
    };
    text.chars().map(single).collect()
}

/// The first letter of each word in upper case, the rest as it was. A word goes on through digits,
/// underscores, and one apostrophe, dot, colon or the like between its letters.
pub(super) fn title<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let text = text(args, 0);
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    let mut after_middle = false;
    for c in text.chars() {
        let middle = matches!(
            c,
            '\'' | '.' | ':' | '\u{b7}' | '\u{2019}' | '\u{2018}' | '\u{2024}'
        );
        if after_middle && middle {
            inside = false;
        }
        after_middle = middle;
        if c.is_lowercase() || c.is_uppercase() {
            if inside {
                out.push(c);
            } else {
                push_title(&mut out, c);
                inside = true;
            }
            continue;
        }
        out.push(c);
        if !middle && c != '_' && !c.is_alphanumeric() {
            inside = false;
        }
    }
    Ok(out.into())
}

/// The title case of a letter: upper case, of several letters only the first one.
fn push_title(out: &mut String, c: char) {
    let single = match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        c => {
            let mut upper = c.to_uppercase();
            let first = upper.by_ref().find(|c| {
                out.push(*c);
                c.is_uppercase()
            });
            if first.is_some() {
                out.extend(upper.flat_map(char::to_lowercase));
            }
            return;
        }
    };
    out.push(single);
}

pub(super) fn graph_link<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let expr = builtin::query_escape(text(args, 0));
    Ok(format!("/graph?g0.expr={expr}&g0.tab=0").into())
}

pub(super) fn table_link<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let expr = builtin::query_escape(text(args, 0));
    Ok(format!("/graph?g0.expr={expr}&g0.tab=1").into())
}

pub(super) fn url_query_escape<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(builtin::query_escape(text(args, 0)).into())
}

pub(super) fn strip_port<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let address = text(args, 0);
    Ok(match split_host_port(address) {
        Some((host, _)) => host.to_owned().into(),
        None => Value::Text(address.clone()),
    })
}

pub(super) fn strip_domain<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let address = text(args, 0);
    let (host, port) = split_host_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return Ok(Value::Text(address.clone()));
    }
    let host = host.split('.').next().unwrap_or("");
    Ok(match (port, host.contains(':')) {
        ("", _) => host.to_owned(),
        (port, true) => format!("[{host}]:{port}"),
        (port, false) => format!("{host}:{port}"),
    }
    .into())
}

/// Go's `net.SplitHostPort`.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let colon = address.rfind(':')?;
    let port = &address[colon + 1..];
    if let Some(inner) = address.strip_prefix('[') {
        let end = inner.find(']')? + 1;
        if end + 1 != colon || address[1..].contains('[') || port.contains(']') {
            return None;
        }
        return Some((&address[1..end], port));
    }
    let host = &address[..colon];
    if host.contains(':') || address.contains(['[', ']']) {
        return None;
    }
    Some((host, port))
}

pub(super) fn humanize<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(human::metric(number(&args[0])?).into())
}

pub(super) fn humanize1024<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(human::binary(number(&args[0])?).into())
}

pub(super) fn humanize_duration<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(human::duration(number(&args[0])?).into())
}

pub(super) fn humanize_percentage<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(human::percentage(number(&args[0])?).into())
}

pub(super) fn humanize_timestamp<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(human::timestamp(number(&args[0])?)?.into())
}

pub(super) fn to_time<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let time = GoTime::from_seconds(number(&args[0])?);
    Ok(Value::Time(time.map_err(|error| error.to_string())?))
}

pub(super) fn to_duration<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds are whole")]
    let nanos = (number(&args[0])? * 1e9) as i64;
    Ok(Value::Duration(nanos))
}

pub(super) fn now<'d>(env: &mut Env<'d>, _: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Float(env.at.seconds()))
}

/// What Go says where promtool brings no URL.
const NO_URL: &str = "runtime error: invalid memory address or nil pointer dereference";

pub(super) fn path_prefix<'d>(env: &mut Env<'d>, _: Args<'_, 'd>) -> Outcome<'d> {
    Ok(env.data.path_prefix.ok_or(NO_URL)?.into())
}

pub(super) fn external_url<'d>(env: &mut Env<'d>, _: Args<'_, 'd>) -> Outcome<'d> {
    env.data.path_prefix.ok_or(NO_URL)?;
    Ok(env.data.external_url.into())
}

pub(super) fn parse_duration<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let text = text(args, 0);
    let (positive, sign) = match text.strip_prefix('-') {
        Some(positive) => (positive, -1.0),
        None => (&**text, 1.0),
    };
    // A whole number of nanoseconds has no negative zero.
    Ok(Value::Float(
        sign * Duration::parse(positive)?.seconds() + 0.0,
    ))
}
