//! Values that a running template handles, and what Go would call their types.
//!
//! Values borrow from the template and its data wherever they can: the usual annotation copies
//! nothing but its output.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use super::time::GoTime;
use super::{AlertData, Answered};
use crate::model::Labels;

/// A text, borrowed or made here; cheap to clone.
#[derive(Clone)]
pub(super) enum Text<'d> {
    Borrowed(&'d str),
    Made(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// Go's other types of whole numbers that methods return.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Int64,
    /// `time.Month`, which prints its name.
    Month,
    /// `time.Weekday`, which prints its name.
    Weekday,
}

impl Whole {
    /// The name of a number of this type, where its numbers have names.
    pub(super) fn name(self, number: i64) -> Option<&'static str> {
        let (names, first): (&[&str], i64) = match self {
            Self::Int64 => return None,
            Self::Month => (&MONTHS, 1),
            Self::Weekday => (&WEEKDAYS, 0),
        };
        names.get(usize::try_from(number - first).ok()?).copied()
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A value.
#[derive(Clone)]
pub(super) enum Value<'d> {
    /// Go's untyped nil, and the value that is not there.
    Nil,
    /// What depends on a query that is not answered yet: all that is made of it is pending too.
    Pending,
    Bool(bool),
    Int(i64),
    /// Whole numbers of other types than `int`.
    Whole(Whole, i64),
    /// Go's `uint8`: a byte of a text.
    Byte(u8),
    Float(f64),
    Text(Text<'d>),
    /// Go's `template.HTML`.
    Html(Text<'d>),
    /// The data that the template is expanded with.
    Data(&'d AlertData<'d>),
    /// Go's `map[string]string`.
    Labels(&'d Labels),
    /// Go's `map[string]interface {}`.
    Args(Rc<BTreeMap<String, Self>>),
    /// A query's result.
    Samples(Rc<[&'d Answered]>),
    /// One sample of it.
    Sample(&'d Answered),
    /// Go's `*time.Time`.
    Time(GoTime),
    /// Go's `*time.Duration`, in nanoseconds.
    Duration(i64),
}

impl Value<'_> {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// Go's name of the type; of nil there is none.
    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Nil | Self::Pending => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Whole(Whole::Int64, _) => "int64",
            Self::Whole(Whole::Month, _) => "time.Month",
            Self::Whole(Whole::Weekday, _) => "time.Weekday",
            Self::Byte(_) => "uint8",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Data(_) => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL \
                 string; Value interface {} }"
            }
            Self::Labels(_) => "map[string]string",
            Self::Args(_) => "map[string]interface {}",
            Self::Samples(_) => "template.queryResult",
            Self::Sample(_) => "*template.sample",
            Self::Time(_) => "*time.Time",
            Self::Duration(_) => "*time.Duration",
        }
    }

    /// Whether `if` takes the value for true: whether it is not empty, zero, or nil.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Nil | Self::Pending => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Whole(_, value) => *value != 0,
            Self::Byte(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) | Self::Html(text) => !text.is_empty(),
            Self::Labels(labels) => !labels.is_empty(),
            Self::Args(args) => !args.is_empty(),
            Self::Samples(samples) => !samples.is_empty(),
            Self::Data(_) | Self::Sample(_) | Self::Time(_) | Self::Duration(_) => true,
        }
    }

    /// The value of a whole number of any type.
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Whole(_, value) => Some(*value),
            Self::Byte(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// Another number of the same type as this whole number.
    pub(super) fn with_whole(&self, number: i64) -> Self {
        match self {
            Self::Whole(kind, _) => Self::Whole(*kind, number),
            Self::Byte(_) => u8::try_from(number).map_or(Self::Int(number), Self::Byte),
            _ => Self::Int(number),
        }
    }

    /// How many elements there are, where that means something.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Text(text) | Self::Html(text) => Some(text.len()),
            Self::Labels(labels) => Some(labels.len()),
            Self::Args(args) => Some(args.len()),
            Self::Samples(samples) => Some(samples.len()),
            _ => None,
        }
    }

    pub(super) const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending)
    }
}

impl<'d> From<&'d str> for Value<'d> {
    fn from(text: &'d str) -> Self {
        Self::Text(Text::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
