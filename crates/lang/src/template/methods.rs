//! The methods of what `toTime` and `toDuration` return. All times here are in UTC.

#![expect(
    clippy::unnecessary_wraps,
    reason = "methods are functions, which have one signature"
)]

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::exec::Env;
use super::functions::{Function, Outcome, Param, fixed};
use super::layout;
use super::time;
use super::value::{Value, Whole};

type Args<'a, 'd> = &'a [Value<'d>];

/// Methods take the value itself as their first argument, which is not among the parameters.
static OF_TIME: &[Function] = &[
    fixed("Day", &[], day),
    fixed("Format", &[Param::Text], format),
    fixed("Hour", &[], hour),
    fixed("Minute", &[], minute),
    fixed("Month", &[], month),
    fixed("Nanosecond", &[], nanosecond),
    fixed("Second", &[], second),
    fixed("String", &[], time_string),
    fixed("UTC", &[], utc),
    fixed("Unix", &[], unix),
    fixed("UnixMilli", &[], unix_milli),
    fixed("UnixNano", &[], unix_nano),
    fixed("Weekday", &[], weekday),
    fixed("Year", &[], year),
    fixed("YearDay", &[], year_day),
];

static OF_DURATION: &[Function] = &[
    fixed("Hours", &[], hours),
    fixed("Microseconds", &[], microseconds),
    fixed("Milliseconds", &[], milliseconds),
    fixed("Minutes", &[], minutes),
    fixed("Nanoseconds", &[], nanoseconds),
    fixed("Seconds", &[], seconds),
    fixed("String", &[], duration_string),
];

static OF_NAMED: &[Function] = &[fixed("String", &[], name)];

/// All methods of a value, where it may have some.
pub(super) const fn of(value: &Value<'_>) -> Option<&'static [Function]> {
    match value {
        Value::Time(_) => Some(OF_TIME),
        Value::Duration(_) => Some(OF_DURATION),
        Value::Whole(Whole::Month | Whole::Weekday, _) => Some(OF_NAMED),
        _ => None,
    }
}

fn at(args: Args<'_, '_>) -> DateTime<Utc> {
    match args {
        [Value::Time(time), ..] => time.date(),
        _ => DateTime::UNIX_EPOCH,
    }
}

fn nanos(args: Args<'_, '_>) -> i64 {
    match args {
        [Value::Duration(nanos), ..] => *nanos,
        _ => 0,
    }
}

fn int(number: impl Into<i64>) -> Outcome<'static> {
    Ok(Value::Int(number.into()))
}

fn int64(number: i64) -> Outcome<'static> {
    Ok(Value::Whole(Whole::Int64, number))
}

fn year<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int(at(args).year())
}

fn month<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Whole(Whole::Month, at(args).month().into()))
}

fn weekday<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    let day = at(args).weekday().num_days_from_sunday();
    Ok(Value::Whole(Whole::Weekday, day.into()))
}

fn year_day<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int(at(args).ordinal())
}

fn day<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int(at(args).day())
}

fn hour<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int(at(args).hour())
}

fn minute<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int(at(args).minute())
}

fn second<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int(at(args).second())
}

fn nanosecond<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int(at(args).nanosecond())
}

fn unix<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int64(at(args).timestamp())
}

fn unix_milli<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int64(at(args).timestamp_millis())
}

fn unix_nano<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int64(at(args).timestamp_nanos_opt().unwrap_or(0))
}

fn utc<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(args[0].clone())
}

fn name<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(match &args[0] {
        Value::Whole(kind, number) => kind.name(*number).unwrap_or_default().into(),
        _ => Value::Nil,
    })
}

fn time_string<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(match &args[0] {
        Value::Time(time) => time.to_string().into(),
        _ => Value::Nil,
    })
}

fn format<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(match args {
        [_, Value::Text(layout)] => layout::format(at(args), layout).into(),
        _ => Value::Nil,
    })
}

#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
fn hours<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Float(nanos(args) as f64 / 3_600e9))
}

#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
fn minutes<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Float(nanos(args) as f64 / 60e9))
}

#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
fn seconds<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(Value::Float(nanos(args) as f64 / 1e9))
}

fn milliseconds<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int64(nanos(args) / 1_000_000)
}

fn microseconds<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int64(nanos(args) / 1_000)
}

fn nanoseconds<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    int64(nanos(args))
}

fn duration_string<'d>(_: &mut Env<'d>, args: Args<'_, 'd>) -> Outcome<'d> {
    Ok(time::duration(nanos(args)).into())
}
