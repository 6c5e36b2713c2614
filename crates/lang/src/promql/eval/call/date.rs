//! Parts of dates in UTC, of times in seconds since the epoch: `hour(v)`, `day_of_week()`.

use super::{float, one};
use crate::model::Labels;
use crate::promql::ast::Call;
use crate::promql::eval::EvalError;
use crate::promql::eval::column::{Column, Rows};
use crate::promql::eval::evaluator::Evaluator;

/// A part of a date, of seconds since the epoch.
pub(super) type Part = fn(i64) -> i64;

const DAY: u64 = 86_400;
/// Days from the year 1 of Go's calendar, -292277022399, to the epoch: its years all are positive
/// numbers of days, so that any time of 64 bits has a date.
const EPOCH_DAYS: u64 = 106_751_990_353_932 + 719_162;
/// Days of 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;

/// The function of dates that has this name.
pub(super) fn find(name: &str) -> Option<Part> {
    Some(match name {
        "day_of_month" => |at| date(at).2,
        "day_of_week" => |at| (days(at) + 4).rem_euclid(7),
        "day_of_year" => day_of_year,
        "days_in_month" => |at| {
            let (year, month, _) = date(at);
            days_in_month(year, month)
        },
        "hour" => |at| second_of_day(at) / 3600,
        "minute" => |at| second_of_day(at) / 60 % 60,
        "month" => |at| date(at).1,
        "year" => |at| date(at).0,
        _ => return None,
    })
}

/// A part of the dates of a vector, or without an argument of the time of each step.
#[expect(clippy::cast_precision_loss, reason = "parts of dates are small")]
pub(super) fn rows<'e>(
    ev: Evaluator<'e>,
    call: &'e Call,
    part: Part,
) -> Result<Rows<'e>, EvalError> {
    if let Some(arg) = call.args.first() {
        return float::map(ev, call, arg, move |_, value| part(whole(value)) as f64);
    }
    let column = Column {
        floats: (0..ev.steps.count)
            .map(|step| part(ev.steps.at(step) / 1000) as f64)
            .collect(),
        histograms: Vec::new(),
    };
    Ok(one(Labels::default(), column))
}

/// Go's conversion to an integer, on the processors of most servers: what does not fit is the least
/// one.
#[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
fn whole(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// Seconds since the start of Go's calendar; wraps around as there.
fn absolute(at: i64) -> u64 {
    at.cast_unsigned().wrapping_add(EPOCH_DAYS * DAY)
}

/// Days since the epoch.
fn days(at: i64) -> i64 {
    (absolute(at) / DAY).cast_signed() - EPOCH_DAYS.cast_signed()
}

fn second_of_day(at: i64) -> i64 {
    (absolute(at) % DAY).cast_signed()
}

/// Year, month and day, by counting from March so that leap days come last.
fn date(at: i64) -> (i64, i64, i64) {
    let shifted = days(at) + 719_468;
    let cycle = shifted.div_euclid(CYCLE);
    let day_of_cycle = shifted.rem_euclid(CYCLE);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, month, day)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn day_of_year(at: i64) -> i64 {
    let (year, month, day) = date(at);
    (1..month).map(|m| days_in_month(year, m)).sum::<i64>() + day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(at: i64, expected: [i64; 8]) {
        let names = [
            "year",
            "month",
            "day_of_month",
            "day_of_week",
            "day_of_year",
            "days_in_month",
            "hour",
            "minute",
        ];
        assert_eq!(names.map(|name| find(name).unwrap()(at)), expected);
    }

    #[test]
    fn dates_are_those_of_go() {
        check(0, [1970, 1, 1, 4, 1, 31, 0, 0]);
        check(-1, [1969, 12, 31, 3, 365, 31, 23, 59]);
        check(1_136_239_445, [2006, 1, 2, 1, 2, 31, 22, 4]);
        check(951_782_400, [2000, 2, 29, 2, 60, 29, 0, 0]);
        check(4_102_444_799, [2099, 12, 31, 4, 365, 31, 23, 59]);
        check(-62_135_596_800, [1, 1, 1, 1, 1, 31, 0, 0]);
    }

    #[test]
    fn what_is_no_time_is_the_least_one() {
        assert_eq!(whole(f64::NAN), i64::MIN);
        assert_eq!(whole(1e300), i64::MIN);
        assert_eq!(whole(-1.9), -1);
    }
}
