//! The functions that templates may call: what they are called, what they take, and which code runs.

use super::value::Value;
use super::{builtin, prometheus};

/// What a parameter takes, in Go's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    /// `interface {}` or `reflect.Value`: anything, nil too.
    Any,
    /// `string`
    Text,
    /// `template.queryResult`
    Samples,
    /// `*template.sample`
    Sample,
}

impl Param {
    pub(super) const fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Samples => "template.queryResult",
            Self::Sample => "*template.sample",
        }
    }
}

/// Why a function failed.
pub(super) enum Fault {
    /// What Go puts behind `error calling name: `.
    Message(String),
    /// `call` was given what is no function.
    NoFunction,
    /// A text became longer than a limit allows.
    TooLong,
    /// More queries than [`super::MAX_QUERIES`].
    TooManyQueries,
}

impl From<super::printer::TooLong> for Fault {
    fn from(_: super::printer::TooLong) -> Self {
        Self::TooLong
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

pub(super) type Outcome<'d> = Result<Value<'d>, Fault>;

/// The code of a function. Its arguments are as many and of such types as its parameters say.
pub(super) type Run = for<'d> fn(&mut super::exec::Env<'d>, &[Value<'d>]) -> Outcome<'d>;

/// A function.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    /// The type of any further arguments, where there may be some.
    pub(super) variadic: Option<Param>,
    pub(super) run: Run,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A function with so many arguments.
pub(super) const fn fixed(name: &'static str, params: &'static [Param], run: Run) -> Function {
    Function {
        name,
        params,
        variadic: None,
        run,
    }
}

const fn variadic(name: &'static str, params: &'static [Param], run: Run) -> Function {
    Function {
        name,
        params,
        variadic: Some(Param::Any),
        run,
    }
}

use Param::{Any, Sample, Samples, Text};

/// All functions, sorted by name: Go's own, and those of Prometheus' `template/template.go`.
static FUNCTIONS: &[Function] = &[
    variadic("and", &[Any], builtin::short_circuit),
    variadic("args", &[], prometheus::args),
    variadic("call", &[Any], builtin::call),
    variadic("eq", &[Any], builtin::eq),
    fixed("externalURL", &[], prometheus::external_url),
    fixed("first", &[Samples], prometheus::first),
    fixed("ge", &[Any, Any], builtin::ge),
    fixed("graphLink", &[Text], prometheus::graph_link),
    fixed("gt", &[Any, Any], builtin::gt),
    variadic("html", &[], builtin::html),
    fixed("humanize", &[Any], prometheus::humanize),
    fixed("humanize1024", &[Any], prometheus::humanize1024),
    fixed("humanizeDuration", &[Any], prometheus::humanize_duration),
    fixed(
        "humanizePercentage",
        &[Any],
        prometheus::humanize_percentage,
    ),
    fixed("humanizeTimestamp", &[Any], prometheus::humanize_timestamp),
    variadic("index", &[Any], builtin::index),
    variadic("js", &[], builtin::js),
    fixed("label", &[Text, Sample], prometheus::label),
    fixed("le", &[Any, Any], builtin::le),
    fixed("len", &[Any], builtin::len),
    fixed("lt", &[Any, Any], builtin::lt),
    fixed("match", &[Text, Text], prometheus::matches),
    fixed("ne", &[Any, Any], builtin::ne),
    fixed("not", &[Any], builtin::not),
    fixed("now", &[], prometheus::now),
    variadic("or", &[Any], builtin::short_circuit),
    fixed("parseDuration", &[Text], prometheus::parse_duration),
    fixed("pathPrefix", &[], prometheus::path_prefix),
    variadic("print", &[], builtin::print),
    variadic("printf", &[Text], builtin::printf),
    variadic("println", &[], builtin::println),
    fixed("query", &[Text], prometheus::query),
    fixed(
        "reReplaceAll",
        &[Text, Text, Text],
        prometheus::re_replace_all,
    ),
    fixed("safeHtml", &[Text], prometheus::safe_html),
    variadic("slice", &[Any], builtin::slice),
    fixed("sortByLabel", &[Text, Samples], prometheus::sort_by_label),
    fixed("stripDomain", &[Text], prometheus::strip_domain),
    fixed("stripPort", &[Text], prometheus::strip_port),
    fixed("strvalue", &[Sample], prometheus::str_value),
    fixed("tableLink", &[Text], prometheus::table_link),
    fixed("title", &[Text], prometheus::title),
    fixed("toDuration", &[Any], prometheus::to_duration),
    fixed("toLower", &[Text], prometheus::to_lower),
    fixed("toTime", &[Any], prometheus::to_time),
    fixed("toUpper", &[Text], prometheus::to_upper),
    fixed("urlQueryEscape", &[Text], prometheus::url_query_escape),
    variadic("urlquery", &[], builtin::urlquery),
    fixed("value", &[Sample], prometheus::value),
];

/// The function of a name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok()?;
    Some(&FUNCTIONS[at])
}

/// A function whose name differs in its case or in at most two letters.
pub(super) fn similar(name: &str) -> Option<&'static str> {
    let allowed = match name.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    let near = |known: &&Function| distance(known.name, name) <= allowed;
    let same = FUNCTIONS.iter().find(|f| f.name.eq_ignore_ascii_case(name));
    same.or_else(|| FUNCTIONS.iter().find(near)).map(|f| f.name)
}

/// How many letters must be changed, added or taken away.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

/// All names, for tests that try each of them.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|f| f.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(FUNCTIONS.is_sorted_by_key(|f| f.name));
        assert!(FUNCTIONS.iter().all(|f| find(f.name).is_some()));
    }

    #[test]
    fn near_names_are_found() {
        assert_eq!(similar("tolower"), Some("toLower"));
        assert_eq!(similar("humanise"), Some("humanize"));
        assert_eq!(similar("x"), None);
        assert_eq!(similar("frobnicate"), None);
    }
}
