//! Reads what Prometheus' query API answers, straight into shapes and values.
//!
//! Whatever is not a whole, well-formed answer of the expected type is an error, never an empty
//! answer. Label sets that are the same as in the last answer are compared while they are read,
//! and nothing is allocated for them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use stentor_lang::model::{Labels, Sample, Series, Shape, Timestamp};

use super::io::{Answer, AnswerData, QueryError, QueryErrorKind, QueryTime};

/// What an answer may hold.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Series of one answer.
    pub series: usize,
    /// Samples of one answer to a range query, over all series.
    pub samples: usize,
}

/// How much of a foreign text is repeated in an error.
const EXCERPT_CHARS: usize = 200;

/// Reads the body of a successful HTTP answer (status 2xx), or of one with an error in it.
pub fn decode(
    body: &[u8],
    time: QueryTime,
    known: Option<&Arc<Shape>>,
    caps: Caps,
) -> Result<Answer, QueryError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| malformed(format!("the answer is not UTF-8: {error}")))?;
    let mut reader = Reader {
        known: known.map_or(&[], |shape| &shape.series),
        caps,
        over: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let envelope = EnvelopeSeed(&mut reader)
        .deserialize(&mut json)
        .and_then(|envelope| json.end().map(|()| envelope));
    if let Some(what) = reader.over {
        return Err(QueryError {
            kind: QueryErrorKind::TooLarge,
            message: what,
        });
    }
    let envelope = envelope.map_err(|error| {
        malformed(format!(
            "the answer is no query result: {error}; it begins with {:?}",
            excerpt(text)
        ))
    })?;
    envelope.into_answer(time, known)
}

/// The message of an error answer, where the body is one of Prometheus' form.
pub fn decode_error(body: &[u8]) -> Option<QueryError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failed {
        status: String,
        error_type: Option<String>,
        error: Option<String>,
    }
    let failed: Failed = serde_json::from_slice(body).ok()?;
    (failed.status == "error")
        .then(|| refused(failed.error_type.as_deref(), failed.error.as_deref()))
}

/// The beginning of a foreign text, for an error.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A foreign text without what would end or change a line of a log.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let (escaped, plain) = if c.is_control() {
                (Some(c.escape_default()), None)
            } else {
                (None, Some(c))
            };
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

fn malformed(message: String) -> QueryError {
    QueryError {
        kind: QueryErrorKind::Malformed,
        message,
    }
}

fn refused(error_type: Option<&str>, error: Option<&str>) -> QueryError {
    let kind = match error_type {
        Some("timeout" | "canceled") => QueryErrorKind::Timeout,
        _ => QueryErrorKind::Refused,
    };
    let error_type = one_line(&excerpt(error_type.unwrap_or("error")));
    let error = one_line(&excerpt(error.unwrap_or("no reason given")));
    QueryError {
        kind,
        message: format!("the data source refused the query: {error_type}: {error}"),
    }
}

/// The outermost object of an answer.
#[derive(Default)]
struct Envelope {
    status: String,
    error_type: Option<String>,
    error: Option<String>,
    data: Option<Data>,
    warnings: Vec<String>,
    infos: Vec<String>,
    is_partial: bool,
}

/// The object `data`.
struct Data {
    result_type: String,
    result: Found,
}

/// What `result` held, by its own form.
enum Found {
    /// An empty list, of whatever type.
    Nothing,
    /// A time and a text.
    Single(String),
    /// `None` where the label sets were the known ones.
    Vector(Option<Vec<Labels>>, Vec<f64>),
    Matrix(Vec<Series>),
}

impl Envelope {
    fn into_answer(
        self,
        time: QueryTime,
        known: Option<&Arc<Shape>>,
    ) -> Result<Answer, QueryError> {
        match self.status.as_str() {
            "success" => {}
            "error" => return Err(refused(self.error_type.as_deref(), self.error.as_deref())),
            other => {
                return Err(malformed(format!(
                    "the answer has the status {:?}, expected \"success\" or \"error\"",
                    excerpt(other)
                )));
            }
        }
        let data = self
            .data
            .ok_or_else(|| malformed("the answer holds no data".to_owned()))?;
        let data = match time {
            QueryTime::Instant(_) => data.into_instant(known)?,
            QueryTime::Range { .. } => data.into_range()?,
        };
        let (annotations, doubts): (Vec<_>, Vec<_>) =
            self.warnings.into_iter().partition(|warning| {
                warning.starts_with("PromQL warning") || warning.starts_with("PromQL info")
            });
        let partial = if !doubts.is_empty() {
            Some(one_line(&excerpt(&doubts.join("; "))).into())
        } else if self.is_partial {
            Some("the data source marked the answer as partial".into())
        } else {
            None
        };
        Ok(Answer {
            data,
            partial,
            annotations: annotations.into_iter().chain(self.infos).collect(),
        })
    }
}

impl Data {
    fn into_instant(self, known: Option<&Arc<Shape>>) -> Result<AnswerData, QueryError> {
        let (series, values) = match (self.result_type.as_str(), self.result) {
            ("vector", Found::Nothing) => (Some(Vec::new()), Vec::new()),
            ("vector", Found::Vector(series, values)) => (series, values),
            ("scalar", Found::Single(value)) => {
                let value = float(&value)
                    .ok_or_else(|| malformed(format!("no number: {:?}", excerpt(&value))))?;
                (Some(vec![Labels::default()]), vec![value])
            }
            (other, _) => return Err(wrong_type(other, "a vector or a scalar")),
        };
        let shape = match (series, known) {
            (None, Some(known)) => Arc::clone(known),
            (Some(series), Some(known)) if series == known.series => Arc::clone(known),
            (series, _) => Arc::new(Shape {
                series: series.unwrap_or_default(),
            }),
        };
        Ok(AnswerData::Vector {
            shape,
            values,
            histograms: Vec::new(),
        })
    }

    fn into_range(self) -> Result<AnswerData, QueryError> {
        match (self.result_type.as_str(), self.result) {
            ("matrix", Found::Nothing) => Ok(AnswerData::Matrix(Vec::new())),
            ("matrix", Found::Matrix(series)) => Ok(AnswerData::Matrix(series)),
            (other, _) => Err(wrong_type(other, "a matrix")),
        }
    }
}

fn wrong_type(found: &str, expected: &str) -> QueryError {
    malformed(format!(
        "the answer is of type {:?} or does not have the form of its type, expected {expected}",
        excerpt(found)
    ))
}

/// A sample value as Prometheus writes it. Rust's parser knows more names of infinity.
fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ if text
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}

/// What goes along while an answer is read.
struct Reader<'k> {
    known: &'k [Labels],
    caps: Caps,
    /// The cap that was exceeded.
    over: Option<String>,
}

/// A text that is borrowed from the answer where it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// A visitor of one form of JSON, as a seed.
macro_rules! seed {
    ($name:ident, $method:ident) => {
        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = <Self as Visitor<'de>>::Value;
            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
                from.$method(self)
            }
        }
    };
}

struct EnvelopeSeed<'a, 'k>(&'a mut Reader<'k>);
seed!(EnvelopeSeed, deserialize_map);

impl<'de> Visitor<'de> for EnvelopeSeed<'_, '_> {
    type Value = Envelope;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a status")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut found = Envelope::default();
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "status" => found.status = map.next_value()?,
                "data" if found.data.is_some() => {
                    return Err(A::Error::custom("the answer holds data twice"));
                }
                "data" => found.data = map.next_value_seed(DataSeed(&mut *self.0))?,
                "errorType" => found.error_type = map.next_value()?,
                "error" => found.error = map.next_value()?,
                "warnings" => found.warnings = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "infos" => found.infos = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "isPartial" => found.is_partial = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

struct DataSeed<'a, 'k>(&'a mut Reader<'k>);
seed!(DataSeed, deserialize_any);

impl<'de> Visitor<'de> for DataSeed<'_, '_> {
    /// `None` for the null that stands beside an error.
    type Value = Option<Data>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with resultType and result")
    }
    fn visit_unit<E>(self) -> Result<Option<Data>, E> {
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Data>, A::Error> {
        let (mut result_type, mut result) = (None, None);
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "resultType" => result_type = Some(map.next_value::<String>()?),
                "result" if result.is_some() => return Err(A::Error::duplicate_field("result")),
                "result" => result = Some(map.next_value_seed(ResultSeed(&mut *self.0))?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(Data {
            result_type: result_type.ok_or_else(|| A::Error::missing_field("resultType"))?,
            result: result.ok_or_else(|| A::Error::missing_field("result"))?,
        }))
    }
}

struct ResultSeed<'a, 'k>(&'a mut Reader<'k>);
seed!(ResultSeed, deserialize_seq);

impl<'de> Visitor<'de> for ResultSeed<'_, '_> {
    type Value = Found;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series, or a time and a value")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
        let reader = self.0;
        let Some(first) = seq.next_element_seed(ElementSeed(reader, 0))? else {
            return Ok(Found::Nothing);
        };
        match first {
            Element::Number => {
                let Text(value) = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::custom("a time without a value"))?;
                no_more(&mut seq)?;
                Ok(Found::Single(value.into_owned()))
            }
            Element::Instant(labels, value) => {
                let mut vector = VectorBuilder::new(reader.known);
                vector.push(labels, value);
                while let Some(next) = seq.next_element_seed(ElementSeed(reader, vector.len()))? {
                    let Element::Instant(labels, value) = next else {
                        return Err(A::Error::custom("series of different kinds"));
                    };
                    vector.push(labels, value);
                }
                Ok(vector.build())
            }
            Element::Range(series) => {
                let mut samples = series.samples.len();
                let mut all = vec![series];
                while let Some(next) = seq.next_element_seed(ElementSeed(reader, all.len()))? {
                    let Element::Range(series) = next else {
                        return Err(A::Error::custom("series of different kinds"));
                    };
                    samples += series.samples.len();
                    if samples > reader.caps.samples {
                        return Err(reader.exceed("samples", reader.caps.samples));
                    }
                    all.push(series);
                }
                Ok(Found::Matrix(all))
            }
        }
    }
}

impl Reader<'_> {
    fn exceed<E: serde::de::Error>(&mut self, what: &str, cap: usize) -> E {
        self.over = Some(format!("the answer has more than {cap} {what}"));
        E::custom("over a limit")
    }
}

/// Collects an instant vector, without its label sets as long as they are the known ones.
struct VectorBuilder<'k> {
    known: &'k [Labels],
    /// Filled from the first series on that differs.
    series: Option<Vec<Labels>>,
    values: Vec<f64>,
}

impl<'k> VectorBuilder<'k> {
    fn new(known: &'k [Labels]) -> Self {
        Self {
            known,
            series: None,
            values: Vec::with_capacity(known.len()),
        }
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    /// `None` stands for the known label set of the same place.
    fn push(&mut self, labels: Option<Labels>, value: f64) {
        let at = self.values.len();
        self.values.push(value);
        match (labels, &mut self.series) {
            (None, None) => {}
            (None, Some(series)) => series.push(self.known[at].clone()),
            (Some(labels), Some(series)) => series.push(labels),
            (Some(labels), none) => {
                let mut series = Vec::with_capacity(self.known.len().max(at + 1));
                series.extend_from_slice(&self.known[..at]);
                series.push(labels);
                *none = Some(series);
            }
        }
    }

    fn build(self) -> Found {
        let series = match self.series {
            None if self.values.len() == self.known.len() => None,
            None => Some(self.known[..self.values.len()].to_vec()),
            series => series,
        };
        Found::Vector(series, self.values)
    }
}

/// One element of `result`.
enum Element {
    /// The first half of a scalar or a string.
    Number,
    /// `None` for the known label set of this place.
    Instant(Option<Labels>, f64),
    Range(Series),
}

/// With the place of the element.
struct ElementSeed<'a, 'k>(&'a mut Reader<'k>, usize);
seed!(ElementSeed, deserialize_any);

impl<'de> Visitor<'de> for ElementSeed<'_, '_> {
    type Value = Element;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series or a time")
    }
    fn visit_f64<E>(self, _: f64) -> Result<Element, E> {
        Ok(Element::Number)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Element, E> {
        Ok(Element::Number)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Element, E> {
        Ok(Element::Number)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
        let Self(reader, at) = self;
        if at >= reader.caps.series {
            return Err(reader.exceed("series", reader.caps.series));
        }
        let known = reader.known.get(at);
        let (mut metric, mut value, mut values) = (None, None, None);
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "metric" => metric = Some(map.next_value_seed(MetricSeed(known))?),
                "value" => value = Some(map.next_value::<Pair<Value>>()?.value.0),
                // Prometheus' rules take a native histogram for a sample with the value 0.
                "histogram" => {
                    map.next_value::<Pair<IgnoredAny>>()?;
                    value = Some(0.0);
                }
                "values" => {
                    let pairs: Vec<Pair<Value>> = map.next_value()?;
                    merge(&mut values, pairs.iter().map(|p| p.sample(p.value.0)));
                }
                "histograms" => {
                    let pairs: Vec<Pair<IgnoredAny>> = map.next_value()?;
                    merge(&mut values, pairs.iter().map(|p| p.sample(0.0)));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let metric = metric.ok_or_else(|| A::Error::missing_field("metric"))?;
        match (value, values) {
            (Some(value), None) => Ok(Element::Instant(metric, value)),
            (None, Some(samples)) => {
                if samples.len() > reader.caps.samples {
                    return Err(reader.exceed("samples", reader.caps.samples));
                }
                let labels = metric.unwrap_or_else(|| known.cloned().unwrap_or_default());
                Ok(Element::Range(Series { labels, samples }))
            }
            _ => Err(A::Error::custom(
                "a series must have either a value or values",
            )),
        }
    }
}

/// Adds samples to those of the other kind of the same series, in order of time.
fn merge(into: &mut Option<Vec<Sample>>, samples: impl Iterator<Item = Sample>) {
    match into {
        Some(all) => {
            all.extend(samples);
            all.sort_by_key(|sample| sample.at);
        }
        none => *none = Some(samples.collect()),
    }
}

/// With the label set that was there the last time.
struct MetricSeed<'k>(Option<&'k Labels>);

impl<'de> DeserializeSeed<'de> for MetricSeed<'_> {
    type Value = Option<Labels>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetricSeed<'_> {
    type Value = Option<Labels>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of labels")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Labels>, A::Error> {
        let Some(known) = self.0 else {
            return read_labels(Vec::new(), map).map(Some);
        };
        let mut expected = known.iter();
        let mut same = 0;
        while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
            if expected.next() != Some((name.as_ref(), value.as_ref())) {
                let mut read: Vec<(Cow<'_, str>, Cow<'_, str>)> = known
                    .iter()
                    .take(same)
                    .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)))
                    .collect();
                read.push((name, value));
                return read_labels(read, map).map(Some);
            }
            same += 1;
        }
        if expected.next().is_none() {
            return Ok(None);
        }
        let labels = Labels::from_sorted(known.iter().take(same));
        Ok(Some(labels.expect(
            "invariant: the beginning of a sorted set is sorted",
        )))
    }
}

/// Reads the rest of a label set; most data sources send them sorted.
fn read_labels<'a, 'de: 'a, A: MapAccess<'de>>(
    mut read: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    mut map: A,
) -> Result<Labels, A::Error> {
    while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
        read.push((name, value));
    }
    let pairs = || read.iter().map(|(n, v)| (n.as_ref(), v.as_ref()));
    Ok(Labels::from_sorted(pairs()).unwrap_or_else(|| Labels::from_pairs(pairs())))
}

/// A time and what was then.
struct Pair<T> {
    seconds: f64,
    value: T,
}

impl<T> Pair<T> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and no time is that far away"
    )]
    fn sample(&self, value: f64) -> Sample {
        Sample {
            at: Timestamp::from_millis((self.seconds * 1000.0).round() as i64),
            value,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pair<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Two<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Two<T> {
            type Value = Pair<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of a time and a value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pair<T>, A::Error> {
                let missing = || A::Error::custom("expected a time and a value");
                let seconds = seq.next_element()?.ok_or_else(missing)?;
                let value = seq.next_element()?.ok_or_else(missing)?;
                no_more(&mut seq)?;
                Ok(Pair { seconds, value })
            }
        }
        deserializer.deserialize_seq(Two(std::marker::PhantomData))
    }
}

fn no_more<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<(), A::Error> {
    match seq.next_element::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("expected a time and a value, found more")),
    }
}

/// A sample value, which Prometheus sends as a string.
struct Value(f64);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in a string")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
                float(text)
                    .map(Value)
                    .ok_or_else(|| E::custom(format!("no number: {:?}", excerpt(text))))
            }
        }
        deserializer.deserialize_str(Number)
    }
}

#[cfg(test)]
mod tests;
