//! PromQL as Prometheus 3.14 reads it: words, a tree with the place of every node, checks of types,
//! a printer that writes what Prometheus writes, and an evaluator over any store of series.
//!
//! Why not the published parser: its trees and errors have no places, and it lacks the grammar that
//! came after Prometheus 3.8.

pub mod ast;
pub mod functions;
mod lexer;
mod literal;
mod matching;
mod parser;
mod printer;
mod query;
mod token;
mod types;
pub mod store;
pub mod memory;
pub mod eval;
pub mod notation;
pub mod script;

pub use ast::{Expr, ValueType};

use crate::model::{Diagnostic, Labels, Matcher};
use parser::Parser;

/// The syntax behind Prometheus' feature flags that is accepted; what is not accepted is an error
/// that names its flag. By default none is, as in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each of upstream's flags"
)]
pub struct ParseOptions {
    /// `promql-experimental-functions`: `info`, `limitk`, `sort_by_label`, ...
    pub experimental_functions: bool,
    /// `promql-duration-expr`: `[5m * 2]`, `offset step()`
    pub duration_expressions: bool,
    /// `promql-extended-range-selectors`: `anchored`, `smoothed`
    pub extended_range_selectors: bool,
    /// `promql-binop-fill-modifiers`: `fill (0)`
    pub fill_modifiers: bool,
}

impl ParseOptions {
    /// Everything is accepted.
    pub const fn all() -> Self {
        Self {
            experimental_functions: true,
            duration_expressions: true,
            extended_range_selectors: true,
            fill_modifiers: true,
        }
    }
}

/// The code of the error that Prometheus does not have: see [`parse`].
const NOT_UTF8: &str = "promql/not-utf8";

/// Reads and checks an expression. The spans of the errors are byte ranges of `text`; there is at
/// least one error; of several, the first is mostly the one that Prometheus reports. Of what Prometheus
/// accepts only texts whose escapes build no valid UTF-8 are refused.
pub fn parse(text: &str, options: ParseOptions) -> Result<Expr, Vec<Diagnostic>> {
    let mut parser = Parser::new(text, options);
    let expr = parser.whole_expression();
    match expr {
        Ok(mut expr) if parser.errors.is_empty() => {
            let errors = types::check(&mut expr);
            if errors.is_empty() {
                Ok(expr)
            } else {
                Err(errors)
            }
        }
        _ => Err(parser.errors),
    }
}

/// Reads a selector such as `metric{label="value"}`, as the `match[]` of the API. It may match
/// everything: whoever must not have that checks it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Vec<Diagnostic>> {
    let mut parser = Parser::new(text, ParseOptions::default());
    match parser.whole_selector() {
        Ok(selector) if parser.errors.is_empty() => {
            Ok(selector.matchers.into_iter().map(|m| m.matcher).collect())
        }
        _ => Err(parser.errors),
    }
}

/// Reads the name of one series, such as `metric{label="value"}`.
pub fn parse_metric_labels(text: &str) -> Result<Labels, Vec<Diagnostic>> {
    let mut parser = Parser::new(text, ParseOptions::default());
    match parser.whole_label_set() {
        Ok(labels) if parser.errors.is_empty() => Ok(labels),
        _ => Err(parser.errors),
    }
}

/// A matcher as it is written between braces: `job="api"`, the name in quotes where it must be.
pub fn matcher_text(matcher: &Matcher) -> String {
    printer::matcher_text(matcher)
}

/// A selector of these matchers: `metric{job="api"}`, the name between the braces where it cannot stand in
/// front of them.
pub fn selector_text(matchers: &[Matcher]) -> String {
    printer::selector_text(matchers)
}

#[cfg(test)]
mod tests;
