//! Checks of types and arities on a whole tree, with the messages of upstream's `checkAST`. It also
//! settles how the two sides of a binary operator are matched, which depends on their types.

use super::ast::{
    Aggregate, Binary, Call, Cardinality, Expr, Subquery, Unary, ValueType, VectorMatching,
    VectorSelector,
};
use super::matching::matches_empty;
use crate::model::{Diagnostic, METRIC_NAME, Span};

/// Checks the whole tree; all that is wrong is in the answer.
pub(super) fn check(expr: &mut Expr) -> Vec<Diagnostic> {
    let mut checker = Checker { errors: Vec::new() };
    checker.expr(expr);
    checker.errors
}

struct Checker {
    errors: Vec<Diagnostic>,
}

const NUMBERS_ONLY: &str = "binary expression must contain only scalar and instant vector types";

impl Checker {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.errors
            .push(Diagnostic::error("promql/type", span, message));
    }

    fn expr(&mut self, expr: &mut Expr) -> ValueType {
        match expr {
            Expr::Number(_) => ValueType::Scalar,
            Expr::String(_) => ValueType::String,
            Expr::Vector(selector) => {
                self.selector(selector, false);
                ValueType::Vector
            }
            Expr::Matrix(matrix) => {
                self.selector(&matrix.selector, false);
                ValueType::Matrix
            }
            Expr::Subquery(subquery) => self.subquery(subquery),
            Expr::Call(call) => self.call(call),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) => self.unary(unary),
            Expr::Paren(paren) => self.expr(&mut paren.expr),
        }
    }

    fn expect(&mut self, expr: &mut Expr, wanted: ValueType, context: &str) {
        let found = self.expr(expr);
        self.compare(expr, found, wanted, context);
    }

    fn compare(&mut self, expr: &Expr, found: ValueType, wanted: ValueType, context: &str) {
        if found == wanted {
            return;
        }
        let (wanted_name, found_name) = (wanted.documented(), found.documented());
        let message = format!("expected type {wanted_name} in {context}, got {found_name}");
        let error = Diagnostic::error("promql/type", expr.span(), message);
        self.errors.push(match hint(expr, wanted) {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    }

    /// Any series of the whole database must not be selected by a slip.
    fn selector(&mut self, selector: &VectorSelector, may_be_empty: bool) {
        let span = selector.at.0;
        if let Some(name) = selector.name() {
            let others = selector.matchers().count() - 1;
            for matcher in selector.matchers().take(others) {
                if matcher.name == METRIC_NAME {
                    let value = &matcher.value;
                    let message =
                        format!("metric name must not be set twice: \"{name}\" or \"{value}\"");
                    self.error(span, message);
                }
            }
        } else if !may_be_empty && selector.matchers().all(matches_empty) {
            self.error(
                span,
                "vector selector must contain at least one non-empty matcher",
            );
        }
    }

    fn subquery(&mut self, subquery: &mut Subquery) -> ValueType {
        let found = self.expr(&mut subquery.expr);
        if found != ValueType::Vector {
            let found = found.as_str();
            let message =
                format!("subquery is only allowed on instant vector, got {found} instead");
            self.error(subquery.at.0, message);
        }
        ValueType::Matrix
    }

    fn unary(&mut self, unary: &mut Unary) -> ValueType {
        let found = self.expr(&mut unary.expr);
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            let found = found.documented();
            let message = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, \
                 got \"{found}\""
            );
            self.error(unary.at.0, message);
        }
        found
    }

    fn aggregate(&mut self, aggregate: &mut Aggregate) -> ValueType {
        self.expect(
            &mut aggregate.expr,
            ValueType::Vector,
            "aggregation expression",
        );
        if let (Some(param), Some(wanted)) = (&mut aggregate.param, aggregate.op.param_type()) {
            self.expect(param, wanted, "aggregation parameter");
        }
        ValueType::Vector
    }

    fn call(&mut self, call: &mut Call) -> ValueType {
        let function = call.function;
        let name = function.name;
        let (got, min) = (call.args.len(), function.min_args);
        let max = function.max_args.unwrap_or(usize::MAX);
        let span = call.at.0;
        if function.has_fixed_arity() && got != min {
            let message = format!("expected {min} argument(s) in call to \"{name}\", got {got}");
            self.error(span, message);
        } else if got < min {
            let message =
                format!("expected at least {min} argument(s) in call to \"{name}\", got {got}");
            self.error(span, message);
        } else if got > max {
            let message =
                format!("expected at most {max} argument(s) in call to \"{name}\", got {got}");
            self.error(span, message);
        }
        let is_info = name == "info";
        let context = format!("call to function \"{name}\"");
        for (index, arg) in call.args.iter_mut().enumerate() {
            let Some(wanted) = function.arg_type(index) else {
                break;
            };
            if is_info && index == 1 {
                self.info_selector(arg);
            } else {
                self.expect(arg, wanted, &context);
            }
        }
        function.returns
    }

    /// The second argument of `info` is no expression but a set of matchers.
    fn info_selector(&mut self, arg: &mut Expr) {
        let found = arg.value_type();
        self.compare(arg, found, ValueType::Vector, "call to function \"info\"");
        match arg {
            Expr::Vector(selector) if selector.name().is_none() => self.selector(selector, true),
            Expr::Vector(_) => self.error(
                arg.span(),
                "expected label selectors only, got vector selector instead",
            ),
            _ => self.error(arg.span(), "expected label selectors only"),
        }
    }

    fn binary(&mut self, binary: &mut Binary) -> ValueType {
        let left = self.expr(&mut binary.lhs);
        let right = self.expr(&mut binary.rhs);
        let (op, op_span) = (binary.op, binary.op_at.0);
        let both_scalar = left == ValueType::Scalar && right == ValueType::Scalar;
        if binary.return_bool && !op.is_comparison() {
            let message = "bool modifier can only be used on comparison operators";
            self.error(op_span, message);
        }
        if op.is_comparison() && !binary.return_bool && both_scalar {
            let message = "comparisons between scalars must use BOOL modifier";
            self.error(op_span, message);
            let op = op.as_str();
            self.hinted(format!("write `{op} bool`"));
        }
        self.labels_in_both_clauses(binary);
        for (side, found) in [(&binary.lhs, left), (&binary.rhs, right)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                self.error(side.span(), NUMBERS_ONLY);
            }
        }
        if left == ValueType::Vector && right == ValueType::Vector {
            self.vector_matching(binary);
        } else {
            self.no_vector_matching(binary);
        }
        if op.is_set() && (left == ValueType::Scalar || right == ValueType::Scalar) {
            let op = op.as_str();
            let message = format!("set operator \"{op}\" not allowed in binary scalar expression");
            self.error(binary.at.0, message);
        }
        if both_scalar {
            ValueType::Scalar
        } else {
            ValueType::Vector
        }
    }

    fn labels_in_both_clauses(&mut self, binary: &Binary) {
        let Some(matching) = binary.matching.as_ref().filter(|m| m.on) else {
            return;
        };
        for label in &matching.labels {
            if matching.include.contains(label) {
                let name = &label.name;
                let message =
                    format!("label \"{name}\" must not occur in ON and GROUP clause at once");
                self.error(binary.op_at.0, message);
            }
        }
    }

    fn vector_matching(&mut self, binary: &mut Binary) {
        let matching = binary.matching.get_or_insert_default();
        if !binary.op.is_set() {
            return;
        }
        let has_fill = matching.fill_left.is_some() || matching.fill_right.is_some();
        if matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
        } else {
            let op = binary.op.as_str();
            let message = format!("no grouping allowed for \"{op}\" operation");
            self.error(binary.at.0, message);
        }
        if has_fill {
            let message = "filling in missing series not allowed for set operators";
            self.error(binary.at.0, message);
        }
    }

    fn no_vector_matching(&mut self, binary: &mut Binary) {
        let Some(VectorMatching {
            labels,
            fill_left,
            fill_right,
            ..
        }) = binary.matching.take()
        else {
            return;
        };
        if !labels.is_empty() {
            let message = "vector matching only allowed between instant vectors";
            self.error(binary.at.0, message);
        }
        if fill_left.is_some() || fill_right.is_some() {
            let message = "filling in missing series only allowed between instant vectors";
            self.error(binary.at.0, message);
        }
    }

    fn hinted(&mut self, hint: String) {
        if let Some(error) = self.errors.last_mut() {
            error.hint = Some(hint);
        }
    }
}

/// How to get from what was written to what was wanted, where there is one usual way.
fn hint(expr: &Expr, wanted: ValueType) -> Option<&'static str> {
    match (wanted, expr) {
        (ValueType::Matrix, Expr::Vector(_)) => Some("add a range, such as `[5m]`"),
        (ValueType::Matrix, expr) if expr.value_type() == ValueType::Vector => {
            Some("a range of an expression is a subquery: `[5m:]`")
        }
        (ValueType::Vector, Expr::Matrix(_)) => {
            Some("a range needs a function, such as `rate`, or no `[...]` at all")
        }
        (ValueType::Vector, expr) if expr.value_type() == ValueType::Scalar => {
            Some("`vector(...)` makes an instant vector of a number")
        }
        (ValueType::Scalar, expr) if expr.value_type() == ValueType::Vector => {
            Some("`scalar(...)` makes a number of a vector with one element")
        }
        _ => None,
    }
}
