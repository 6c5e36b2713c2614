//! Selectors with their braces, and what follows them: ranges, subqueries, `@`, `offset`,
//! `anchored` and `smoothed`.

use super::{Parsed, Parser};
use crate::model::labels::Labels;
use crate::model::{METRIC_NAME, MatchOp, Matcher, Span, Timestamp, number};
use crate::promql::ast::{
    At, AtModifier, BinaryOp, DurationValue, Expr, Extended, MatrixSelector, SelectorMatcher,
    Subquery, VectorSelector,
};
use crate::promql::matching::check_regex;
use crate::promql::token::{Keyword, Kind, Token};

const MATCHING: &str = "label matching";
const LABEL_SET: &str = "label set";

/// The parts of a selector or subquery that its modifiers set.
type Modifiable<'e> = (
    &'e mut Option<DurationValue>,
    &'e mut Option<AtModifier>,
    &'e mut At,
);

impl Parser<'_> {
    /// A text that is one selector, as the API's `match[]`.
    pub(in crate::promql) fn whole_selector(&mut self) -> Parsed<VectorSelector> {
        self.advance()?;
        let name = self.optional_metric_name()?;
        if name.is_none() && self.token.kind != Kind::LeftBrace {
            return Err(self.unexpected());
        }
        let selector = self.selector(name)?;
        self.end()?;
        Ok(selector)
    }

    /// A text that names one series: `metric{label="value"}`.
    pub(in crate::promql) fn whole_label_set(&mut self) -> Parsed<Labels> {
        self.advance()?;
        let name = self.optional_metric_name()?;
        let mut pairs = Vec::new();
        if self.token.kind == Kind::LeftBrace {
            self.label_pairs(&mut pairs)?;
        }
        if let Some(name) = name {
            pairs.push((METRIC_NAME.to_owned(), self.text_of(name).to_owned()));
        }
        self.end()?;
        Ok(Labels::from_pairs(pairs))
    }

    fn optional_metric_name(&mut self) -> Parsed<Option<Token>> {
        if self.token.kind.is_metric_name() {
            self.advance().map(Some)
        } else {
            Ok(None)
        }
    }

    fn label_pairs(&mut self, pairs: &mut Vec<(String, String)>) -> Parsed<()> {
        self.advance()?;
        while !self.accept(Kind::RightBrace)? {
            let token = self.token;
            let (name, is_quoted) = match token.kind {
                Kind::Identifier => (self.text_of(token).to_owned(), false),
                Kind::String => (self.unquote(token), true),
                _ => return Err(self.unexpected_in(LABEL_SET, "identifier or \"}\"")),
            };
            self.advance()?;
            if self.accept(Kind::Assign)? {
                if self.token.kind != Kind::String {
                    return Err(self.unexpected_in(LABEL_SET, "string"));
                }
                let value = self.advance()?;
                pairs.push((name, self.unquote(value)));
            } else if is_quoted {
                pairs.push((METRIC_NAME.to_owned(), name));
            } else {
                return Err(self.unexpected_in(LABEL_SET, "\"=\""));
            }
            if self.token.kind != Kind::RightBrace && !self.accept(Kind::Comma)? {
                return Err(self.unexpected_in(LABEL_SET, "\",\" or \"}\""));
            }
        }
        Ok(())
    }

    /// The next word is `{`, or the name was taken already.
    pub(super) fn vector_selector(&mut self, name: Option<Token>) -> Parsed<Expr> {
        Ok(Expr::Vector(Box::new(self.selector(name)?)))
    }

    fn selector(&mut self, name: Option<Token>) -> Parsed<VectorSelector> {
        let start = name.unwrap_or(self.token).span.start;
        let mut matchers = Vec::new();
        if self.token.kind == Kind::LeftBrace {
            self.matchers(&mut matchers)?;
        }
        if let Some(name) = name {
            matchers.push(name_matcher(self.text_of(name).to_owned(), name.span));
        }
        Ok(VectorSelector {
            matchers,
            name_in_front: name.is_some(),
            fixed: None,
            offset: None,
            extended: None,
            at: self.since(start),
        })
    }

    fn matchers(&mut self, matchers: &mut Vec<SelectorMatcher>) -> Parsed<()> {
        self.advance()?;
        while !self.accept(Kind::RightBrace)? {
            matchers.push(self.matcher()?);
            if self.token.kind != Kind::RightBrace && !self.accept(Kind::Comma)? {
                return Err(self.unexpected_in(MATCHING, "\",\" or \"}\""));
            }
        }
        Ok(())
    }

    fn matcher(&mut self) -> Parsed<SelectorMatcher> {
        let token = self.token;
        let (name, is_quoted) = match token.kind {
            Kind::Identifier => (self.text_of(token).to_owned(), false),
            Kind::String => (self.unquote(token), true),
            _ => return Err(self.unexpected_in(MATCHING, "identifier or \"}\"")),
        };
        self.advance()?;
        let op = match self.token.kind {
            Kind::Assign => MatchOp::Equal,
            Kind::Operator(BinaryOp::NotEqual) => MatchOp::NotEqual,
            Kind::MatchRegex => MatchOp::Regex,
            Kind::MatchNotRegex => MatchOp::NotRegex,
            _ if is_quoted => return Ok(name_matcher(name, token.span)),
            _ => return Err(self.unexpected_in(MATCHING, "label matching operator")),
        };
        self.advance()?;
        if self.token.kind != Kind::String {
            let word = self.text_of(self.token);
            let stop = self.unexpected_in(MATCHING, "string");
            if self.token.kind == Kind::Identifier {
                self.hinted(format!("put the value in quotes: `\"{word}\"`"));
            }
            return Err(stop);
        }
        let value = self.advance()?;
        let at = At(token.span.to(value.span));
        let value = self.unquote(value);
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex)
            && let Err(message) = check_regex(&value)
        {
            self.error("promql/regex", at.0, message);
        }
        let matcher = Matcher { name, op, value };
        Ok(SelectorMatcher { matcher, at })
    }

    /// `[5m]` or `[1h:5m]`
    pub(super) fn range(&mut self, expr: Expr) -> Parsed<Expr> {
        let bracket = self.advance()?;
        let range = self.within(
            "subquery or range selector",
            "number, duration, step(), or range()",
            Self::positive_duration,
        )?;
        match self.token.kind {
            Kind::RightBracket => {
                let end = self.advance()?;
                Ok(self.matrix(expr, range, bracket.span.to(end.span)))
            }
            Kind::Colon => self.subquery(expr, range),
            _ => Err(self.unexpected_in("subquery or range", "\":\" or \"]\"")),
        }
    }

    fn matrix(&mut self, expr: Expr, range: DurationValue, brackets: Span) -> Expr {
        // upstream lets `@ start()` and a computed offset stand in front of a range
        let problem = match &expr {
            Expr::Vector(selector) => match (&selector.offset, selector.fixed) {
                (Some(DurationValue::Literal { .. }), _) => {
                    "no offset modifiers allowed before range"
                }
                (_, Some(AtModifier::Time(_))) => "no @ modifiers allowed before range",
                _ => "",
            },
            _ => "ranges only allowed for vector selectors",
        };
        match expr {
            Expr::Vector(selector) if problem.is_empty() => {
                let at = At(selector.at.to(brackets));
                let selector = *selector;
                Expr::Matrix(Box::new(MatrixSelector {
                    selector,
                    range,
                    at,
                }))
            }
            expr => {
                self.error("promql/syntax", brackets, problem);
                if !matches!(expr, Expr::Vector(_)) {
                    self.hinted("a range of an expression is a subquery: `[5m:]`");
                }
                expr
            }
        }
    }

    fn subquery(&mut self, expr: Expr, range: DurationValue) -> Parsed<Expr> {
        self.count_operator()?;
        self.advance()?;
        let step = match self.token.kind {
            Kind::RightBracket => None,
            _ => Some(self.within(
                "subquery selector",
                "number, duration, step(), range(), or \"]\"",
                Self::positive_duration,
            )?),
        };
        if self.token.kind != Kind::RightBracket {
            return Err(self.unexpected_in("subquery selector", "\"]\""));
        }
        self.advance()?;
        let at = self.since(expr.span().start);
        Ok(Expr::Subquery(Box::new(Subquery {
            expr,
            range,
            step,
            fixed: None,
            offset: None,
            at,
        })))
    }

    pub(super) fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.advance()?;
        let value = self.within(
            "offset",
            "number, duration, step(), or range()",
            Self::offset_duration,
        )?;
        let end = self.last_end;
        let span = expr.span();
        let problem = match modifiable(&mut expr) {
            None => {
                "offset modifier must be preceded by an instant vector selector or range vector \
                 selector or a subquery"
            }
            Some((offset, ..)) if offset.is_some() => "offset may not be set multiple times",
            Some((offset, _, at)) => {
                *offset = value;
                at.0.end = end;
                return Ok(expr);
            }
        };
        self.error("promql/syntax", span, problem);
        Ok(expr)
    }

    pub(super) fn at_modifier(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.advance()?;
        let value = self.within("@", "timestamp", Self::at_value)?;
        let end = self.last_end;
        let span = expr.span();
        let value = match value {
            AtValue::Word(modifier) => modifier,
            AtValue::Seconds(seconds) => {
                if !is_timestamp(seconds) {
                    let shown = if seconds.is_finite() {
                        format!("{seconds:.6}")
                    } else {
                        number::format_f(seconds)
                    };
                    let message = format!("timestamp out of bounds for @ modifier: {shown}");
                    self.error("promql/syntax", span, message);
                }
                AtModifier::Time(timestamp(seconds))
            }
        };
        let problem = match modifiable(&mut expr) {
            None => {
                "@ modifier must be preceded by an instant vector selector or range vector \
                 selector or a subquery"
            }
            Some((_, fixed, _)) if fixed.is_some() => "@ <timestamp> may not be set multiple times",
            Some((_, fixed, at)) => {
                *fixed = Some(value);
                at.0.end = end;
                return Ok(expr);
            }
        };
        self.error("promql/syntax", span, problem);
        Ok(expr)
    }

    fn at_value(&mut self) -> Parsed<AtValue> {
        let modifier = match self.token.kind {
            Kind::Keyword(Keyword::Start) => AtModifier::Start,
            Kind::Keyword(Keyword::End) => AtModifier::End,
            _ => return Ok(AtValue::Seconds(self.signed_number()?.value)),
        };
        self.advance()?;
        self.expect(Kind::LeftParen)?;
        self.expect(Kind::RightParen)?;
        Ok(AtValue::Word(modifier))
    }

    pub(super) fn extended(&mut self, mut expr: Expr, word: Keyword) -> Parsed<Expr> {
        let token = self.advance()?;
        let span = expr.span();
        let (name, wanted) = match word {
            Keyword::Anchored => ("anchored", Extended::Anchored),
            _ => ("smoothed", Extended::Smoothed),
        };
        if !self.options.extended_range_selectors {
            let message = format!("{name} modifier is experimental and not enabled");
            self.error("promql/experimental", token.span, message);
            self.hinted("enable the feature flag promql-extended-range-selectors");
            return Ok(expr);
        }
        let selector = match &mut expr {
            Expr::Vector(selector) => &mut **selector,
            Expr::Matrix(matrix) => {
                matrix.at.0.end = token.span.end;
                &mut matrix.selector
            }
            other => {
                let problem = match other {
                    Expr::Subquery(_) => "is not supported for subqueries",
                    _ => "not implemented",
                };
                let message = format!("{name} modifier {problem}");
                self.error("promql/syntax", span, message);
                return Ok(expr);
            }
        };
        if selector.extended.is_some_and(|set| set != wanted) {
            let message = "anchored and smoothed modifiers cannot be used together";
            self.error("promql/syntax", span, message);
        }
        selector.extended = Some(wanted);
        if let Expr::Vector(selector) = &mut expr {
            selector.at.0.end = token.span.end;
        }
        Ok(expr)
    }
}

enum AtValue {
    Seconds(f64),
    Word(AtModifier),
}

fn name_matcher(value: String, span: Span) -> SelectorMatcher {
    SelectorMatcher {
        matcher: Matcher {
            name: METRIC_NAME.to_owned(),
            op: MatchOp::Equal,
            value,
        },
        at: At(span),
    }
}

fn modifiable(expr: &mut Expr) -> Option<Modifiable<'_>> {
    match expr {
        Expr::Vector(node) => {
            let VectorSelector {
                offset, fixed, at, ..
            } = &mut **node;
            Some((offset, fixed, at))
        }
        Expr::Matrix(node) => {
            let MatrixSelector { selector, at, .. } = &mut **node;
            Some((&mut selector.offset, &mut selector.fixed, at))
        }
        Expr::Subquery(node) => {
            let Subquery {
                offset, fixed, at, ..
            } = &mut **node;
            Some((offset, fixed, at))
        }
        _ => None,
    }
}

/// Whether that many seconds are an instant: they, not their milliseconds, must fit in 64 bits.
#[expect(clippy::cast_precision_loss, reason = "a bound")]
fn is_timestamp(seconds: f64) -> bool {
    seconds.abs() < i64::MAX as f64
}

#[expect(clippy::cast_possible_truncation, reason = "out of range saturates")]
fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0).round() as i64)
}
