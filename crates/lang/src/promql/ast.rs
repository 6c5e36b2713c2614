//! The tree of an expression. Every node knows its place in the text; two trees are equal when they
//! say the same, wherever their nodes stand.

use std::ops::Deref;

use super::functions::Function;
use crate::model::{Duration, METRIC_NAME, MatchOp, Matcher, Span, Timestamp};

/// A place in the text of the expression. All places are equal, so that trees compare by meaning.
#[derive(Debug, Clone, Copy, Default, Eq)]
pub struct At(pub Span);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Deref for At {
    type Target = Span;
    fn deref(&self) -> &Span {
        &self.0
    }
}

/// What an expression evaluates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// One sample for each of many series.
    Vector,
    /// A range of samples for each of many series.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// The name in API answers (`resultType`): `vector`, `matrix`, `scalar`, `string`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }

    /// The name in the documentation and in errors: `instant vector`, `range vector`.
    pub const fn documented(self) -> &'static str {
        match self {
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            other => other.as_str(),
        }
    }
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `1.5`, `5m`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `metric{label="value"}`
    Vector(Box<VectorSelector>),
    /// `metric[5m]`
    Matrix(Box<MatrixSelector>),
    /// `expr[1h:5m]`
    Subquery(Box<Subquery>),
    /// `rate(...)`
    Call(Box<Call>),
    /// `sum by (job) (...)`
    Aggregate(Box<Aggregate>),
    /// `a / b`
    Binary(Box<Binary>),
    /// `-a`
    Unary(Box<Unary>),
    /// `(a)`
    Paren(Box<Paren>),
}

impl Expr {
    /// Where the expression stands, modifiers included.
    pub fn span(&self) -> Span {
        match self {
            Self::Number(node) => node.at.0,
            Self::String(node) => node.at.0,
            Self::Vector(node) => node.at.0,
            Self::Matrix(node) => node.at.0,
            Self::Subquery(node) => node.at.0,
            Self::Call(node) => node.at.0,
            Self::Aggregate(node) => node.at.0,
            Self::Binary(node) => node.at.0,
            Self::Unary(node) => node.at.0,
            Self::Paren(node) => node.at.0,
        }
    }

    /// What it evaluates to.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Call(call) => call.function.returns,
            Self::Unary(unary) => unary.expr.value_type(),
            Self::Paren(paren) => paren.expr.value_type(),
            Self::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
        }
    }

    /// The expression inside any parentheses around it.
    pub fn unwrap_parens(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }
}

/// A number, or a duration used as a number of seconds.
#[derive(Debug, Clone, Copy)]
pub struct NumberLiteral {
    /// The number; seconds for a duration.
    pub value: f64,
    /// Whether it was written as a duration, and is printed as one.
    pub is_duration: bool,
    /// Where.
    pub at: At,
}

impl PartialEq for NumberLiteral {
    /// `NaN` is the same literal as `NaN`, and `-0` another than `0`.
    fn eq(&self, other: &Self) -> bool {
        let both_nan = self.value.is_nan() && other.value.is_nan();
        let same = both_nan || self.value.to_bits() == other.value.to_bits();
        same && self.is_duration == other.is_duration
    }
}

/// A text in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringLiteral {
    /// The text, unquoted.
    pub value: String,
    /// Where.
    pub at: At,
}

/// A label name as it stands in a grouping or matching clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelName {
    /// The name, unquoted.
    pub name: String,
    /// Where.
    pub at: At,
}

/// One matcher of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorMatcher {
    /// What it says.
    pub matcher: Matcher,
    /// Where.
    pub at: At,
}

/// `metric{label="value"} @ 1234 offset 5m`
#[derive(Debug, Clone)]
pub struct VectorSelector {
    /// All matchers in the order of the text; a name in front of the braces stands last, as
    /// `__name__="metric"`.
    pub matchers: Vec<SelectorMatcher>,
    /// Whether the metric name stands in front of the braces.
    pub name_in_front: bool,
    /// `@`
    pub fixed: Option<AtModifier>,
    /// `offset`; none where it is zero.
    pub offset: Option<DurationValue>,
    /// `anchored` or `smoothed`
    pub extended: Option<Extended>,
    /// Where; of a range selector the part in front of `[`.
    pub at: At,
}

impl PartialEq for VectorSelector {
    /// The order of the matchers means nothing, and is not kept in print.
    fn eq(&self, other: &Self) -> bool {
        let sorted = |selector: &Self| {
            let mut matchers = selector.matchers.clone();
            matchers.sort_by(|a, b| a.matcher.cmp(&b.matcher));
            matchers
        };
        self.name_in_front == other.name_in_front
            && self.fixed == other.fixed
            && self.offset == other.offset
            && self.extended == other.extended
            && (self.matchers == other.matchers || sorted(self) == sorted(other))
    }
}

impl VectorSelector {
    /// The metric name in front of the braces.
    pub fn name(&self) -> Option<&str> {
        let last = self.matchers.last().filter(|_| self.name_in_front)?;
        Some(&last.matcher.value)
    }

    /// The one metric name that can match, wherever it is written.
    pub fn metric_name(&self) -> Option<&str> {
        self.matchers()
            .find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal && !m.value.is_empty())
            .map(|m| m.value.as_str())
    }

    /// The matchers without their places.
    pub fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        self.matchers.iter().map(|m| &m.matcher)
    }
}

/// `@ 1234`, `@ start()`, `@ end()`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtModifier {
    /// An instant.
    Time(Timestamp),
    /// The first instant of the query's range.
    Start,
    /// The last instant of the query's range.
    End,
}

/// `@` and `offset` of a selector or of a subquery.
pub type Modifiers<'e> = (Option<AtModifier>, Option<&'e DurationValue>);

/// How a range takes in samples around its borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// `anchored`
    Anchored,
    /// `smoothed`
    Smoothed,
}

/// `metric[5m]`; the modifiers behind the bracket belong to the selector.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSelector {
    /// Which series.
    pub selector: VectorSelector,
    /// How far back.
    pub range: DurationValue,
    /// Where, modifiers included.
    pub at: At,
}

/// `expr[1h:5m]`
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated at each step.
    pub expr: Expr,
    /// How far back.
    pub range: DurationValue,
    /// The step; without it, the server's default.
    pub step: Option<DurationValue>,
    /// `@`
    pub fixed: Option<AtModifier>,
    /// `offset`; none where it is zero.
    pub offset: Option<DurationValue>,
    /// Where.
    pub at: At,
}

/// A range, step or offset: known now, or only when the query's own range and step are known.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationValue {
    /// `5m`, `300`
    Literal {
        /// How long; only an offset may be negative.
        value: Duration,
        /// Where.
        at: At,
    },
    /// `5m * 2`, `step()`
    Expr(Box<DurationExpr>),
}

/// An expression between durations, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationExpr {
    /// What it computes.
    pub kind: DurationKind,
    /// Whether it stands in parentheses.
    pub wrapped: bool,
    /// Where.
    pub at: At,
}

/// The forms of a duration expression.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// A number of seconds, or a duration.
    Number(NumberLiteral),
    /// `step()`: the query's step.
    Step,
    /// `range()`: from the query's start to its end.
    Range,
    /// `-a`
    Negate(Box<DurationExpr>),
    /// `a + b`; only arithmetic operators.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>),
    /// `min_of(a, b)`
    MinOf(Box<DurationExpr>, Box<DurationExpr>),
    /// `max_of(a, b)`
    MaxOf(Box<DurationExpr>, Box<DurationExpr>),
}

/// A function call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which function.
    pub function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// Where the name stands.
    pub name_at: At,
    /// Where the whole call stands.
    pub at: At,
}

/// `sum by (job) (expr)`
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which aggregation.
    pub op: AggregateOp,
    /// The first argument of those that have two (`topk`, `quantile`, ...).
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
    /// The labels of `by` or `without`.
    pub grouping: Vec<LabelName>,
    /// Whether the labels are dropped (`without`) rather than kept.
    pub without: bool,
    /// Where the operator stands.
    pub op_at: At,
    /// Where the whole aggregation stands.
    pub at: At,
}

/// `lhs op rhs`
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// Which operator.
    pub op: BinaryOp,
    /// The left side.
    pub lhs: Expr,
    /// The right side.
    pub rhs: Expr,
    /// `bool`: 0 or 1 instead of a filter.
    pub return_bool: bool,
    /// How series are paired; none unless both sides are vectors.
    pub matching: Option<VectorMatching>,
    /// Where the operator and its modifiers stand.
    pub op_at: At,
    /// Where the whole expression stands.
    pub at: At,
}

/// How many series of one side meet how many of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cardinality {
    /// One to one.
    #[default]
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// `and`, `or`, `unless`
    ManyToMany,
}

/// `on (a) group_left (b) fill (0)`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorMatching {
    /// How many meet how many.
    pub cardinality: Cardinality,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<LabelName>,
    /// Whether only these labels count (`on`), rather than all others.
    pub on: bool,
    /// The labels of `group_left` or `group_right`.
    pub include: Vec<LabelName>,
    /// What stands in for a missing series on the left side.
    pub fill_left: Option<NumberLiteral>,
    /// What stands in for a missing series on the right side.
    pub fill_right: Option<NumberLiteral>,
}

/// `-expr` or `+expr`
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    /// Whether the sign is `-`.
    pub negative: bool,
    /// The operand.
    pub expr: Expr,
    /// Where.
    pub at: At,
}

/// `(expr)`
#[derive(Debug, Clone, PartialEq)]
pub struct Paren {
    /// What stands inside.
    pub expr: Expr,
    /// Where, parentheses included.
    pub at: At,
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the operators")]
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `</`: keeps the part of a histogram below a value.
    TrimUpper,
    /// `>/`: keeps the part of a histogram above a value.
    TrimLower,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Atan2,
    Pow,
}

impl BinaryOp {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Unless => "unless",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Atan2 => "atan2",
            Self::Pow => "^",
        }
    }

    /// How tightly it binds: a higher one binds tighter.
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::TrimUpper
            | Self::TrimLower => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }

    /// `== != < <= > >=`
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    /// `and or unless`
    pub const fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// An aggregation operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the operators")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    TopK,
    BottomK,
    CountValues,
    Quantile,
    LimitK,
    LimitRatio,
}

impl AggregateOp {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::TopK => "topk",
            Self::BottomK => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::LimitK => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// The type of its first of two arguments; none where it has only one argument.
    pub const fn param_type(self) -> Option<ValueType> {
        match self {
            Self::TopK | Self::BottomK | Self::Quantile | Self::LimitK | Self::LimitRatio => {
                Some(ValueType::Scalar)
            }
            Self::CountValues => Some(ValueType::String),
            _ => None,
        }
    }

    /// Whether it stands behind the feature flag of experimental functions.
    pub const fn is_experimental(self) -> bool {
        matches!(self, Self::LimitK | Self::LimitRatio)
    }
}
