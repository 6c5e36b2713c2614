//! The functions of PromQL (Prometheus 3.14): names, argument types and what they return.

use super::ast::ValueType;
use crate::yaml::closest;
use ValueType::{Matrix as M, Scalar as S, String as T, Vector as V};

/// What a function takes and returns.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name; case matters.
    pub name: &'static str,
    /// The types of its arguments; the last one stands for all further ones.
    pub args: &'static [ValueType],
    /// How many arguments it takes at least.
    pub min_args: usize,
    /// How many arguments it takes at most; none where there is no limit.
    pub max_args: Option<usize>,
    /// What it returns.
    pub returns: ValueType,
    /// Whether it stands behind the feature flag of experimental functions.
    pub experimental: bool,
}

impl Function {
    /// The function of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        let index = FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok()?;
        Some(&FUNCTIONS[index])
    }

    /// The name most like a mistyped one, if one is near.
    pub fn nearest(name: &str) -> Option<&'static str> {
        closest(name, FUNCTIONS.iter().map(|f| f.name))
    }

    /// Stands for a function that does not exist, in a tree that is refused anyway.
    pub(super) const fn unknown() -> Self {
        function("", &[], S)
    }

    /// Whether it always takes the same number of arguments.
    pub fn has_fixed_arity(&self) -> bool {
        self.max_args == Some(self.min_args)
    }

    /// The type of an argument, counted from 0; none where there is no such argument.
    pub fn arg_type(&self, index: usize) -> Option<ValueType> {
        if self.has_fixed_arity() {
            self.args.get(index).copied()
        } else {
            self.args.get(index).or(self.args.last()).copied()
        }
    }

    /// The last argument may be missing, and may be there up to `extra` times.
    const fn optional(mut self, extra: usize) -> Self {
        self.min_args = self.args.len() - 1;
        self.max_args = Some(self.min_args + extra);
        self
    }

    /// The last argument may be missing, and may be there any number of times.
    const fn any_number(mut self) -> Self {
        self.min_args = self.args.len() - 1;
        self.max_args = None;
        self
    }

    const fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }
}

const fn function(name: &'static str, args: &'static [ValueType], returns: ValueType) -> Function {
    Function {
        name,
        args,
        min_args: args.len(),
        max_args: Some(args.len()),
        returns,
        experimental: false,
    }
}

/// All functions, sorted by name. `start`, `end`, `step` and `range` are functions as well as the
/// words of `@` and of duration expressions.
pub static FUNCTIONS: [Function; 90] = [
    function("abs", &[V], V),
    function("absent", &[V], V),
    function("absent_over_time", &[M], V),
    function("acos", &[V], V),
    function("acosh", &[V], V),
    function("asin", &[V], V),
    function("asinh", &[V], V),
    function("atan", &[V], V),
    function("atanh", &[V], V),
    function("avg_over_time", &[M], V),
    function("ceil", &[V], V),
    function("changes", &[M], V),
    function("clamp", &[V, S, S], V),
    function("clamp_max", &[V, S], V),
    function("clamp_min", &[V, S], V),
    function("cos", &[V], V),
    function("cosh", &[V], V),
    function("count_over_time", &[M], V),
    function("day_of_month", &[V], V).optional(1),
    function("day_of_week", &[V], V).optional(1),
    function("day_of_year", &[V], V).optional(1),
    function("days_in_month", &[V], V).optional(1),
    function("deg", &[V], V),
    function("delta", &[M], V),
    function("deriv", &[M], V),
    function("double_exponential_smoothing", &[M, S, S], V).experimental(),
    function("end", &[], S).experimental(),
    function("exp", &[V], V),
    function("first_over_time", &[M], V),
    function("floor", &[V], V),
    function("histogram_avg", &[V], V),
    function("histogram_count", &[V], V),
    function("histogram_fraction", &[S, S, V], V),
    function("histogram_quantile", &[S, V], V),
    function("histogram_quantiles", &[V, T, S, S], V)
        .optional(9)
        .experimental(),
    function("histogram_stddev", &[V], V),
    function("histogram_stdvar", &[V], V),
    function("histogram_sum", &[V], V),
    function("hour", &[V], V).optional(1),
    function("idelta", &[M], V),
    function("increase", &[M], V),
    function("info", &[V, V], V).optional(1).experimental(),
    function("irate", &[M], V),
    function("label_join", &[V, T, T, T], V).any_number(),
    function("label_replace", &[V, T, T, T, T], V),
    function("last_over_time", &[M], V),
    function("ln", &[V], V),
    function("log10", &[V], V),
    function("log2", &[V], V),
    function("mad_over_time", &[M], V).experimental(),
    function("max_of", &[S, S], S).experimental(),
    function("max_over_time", &[M], V),
    function("min_of", &[S, S], S).experimental(),
    function("min_over_time", &[M], V),
    function("minute", &[V], V).optional(1),
    function("month", &[V], V).optional(1),
    function("pi", &[], S),
    function("predict_linear", &[M, S], V),
    function("present_over_time", &[M], V),
    function("quantile_over_time", &[S, M], V),
    function("rad", &[V], V),
    function("range", &[], S).experimental(),
    function("rate", &[M], V),
    function("resets", &[M], V),
    function("round", &[V, S], V).optional(1),
    function("scalar", &[V], S),
    function("sgn", &[V], V),
    function("sin", &[V], V),
    function("sinh", &[V], V),
    function("sort", &[V], V),
    function("sort_by_label", &[V, T], V)
        .any_number()
        .experimental(),
    function("sort_by_label_desc", &[V, T], V)
        .any_number()
        .experimental(),
    function("sort_desc", &[V], V),
    function("sqrt", &[V], V),
    function("start", &[], S).experimental(),
    function("start_timestamp", &[V], V).experimental(),
    function("stddev_over_time", &[M], V),
    function("stdvar_over_time", &[M], V),
    function("step", &[], S).experimental(),
    function("sum_over_time", &[M], V),
    function("tan", &[V], V),
    function("tanh", &[V], V),
    function("time", &[], S),
    function("timestamp", &[V], V),
    function("ts_of_first_over_time", &[M], V).experimental(),
    function("ts_of_last_over_time", &[M], V).experimental(),
    function("ts_of_max_over_time", &[M], V).experimental(),
    function("ts_of_min_over_time", &[M], V).experimental(),
    function("vector", &[S], V),
    function("year", &[V], V).optional(1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(Function::find("rate").map(|f| f.returns), Some(V));
        assert_eq!(Function::find("Rate"), None);
    }

    #[test]
    fn arities_are_those_of_upstream() {
        let arity = |name: &str| {
            let f = Function::find(name).expect(name);
            (f.min_args, f.max_args)
        };
        assert_eq!(arity("pi"), (0, Some(0)));
        assert_eq!(arity("hour"), (0, Some(1)));
        assert_eq!(arity("round"), (1, Some(2)));
        assert_eq!(arity("info"), (1, Some(2)));
        assert_eq!(arity("label_join"), (3, None));
        assert_eq!(arity("histogram_quantiles"), (3, Some(12)));
        assert_eq!(arity("sort_by_label"), (1, None));
    }
}
