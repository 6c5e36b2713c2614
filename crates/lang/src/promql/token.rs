//! The words of PromQL, and how errors call them.

use super::ast::{AggregateOp, BinaryOp};
use crate::model::Span;
use crate::model::labels::quote;

/// One word of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What kind of word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Comma,
    Colon,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    /// `@`
    At,
    /// `=`
    Assign,
    /// `=~`
    MatchRegex,
    /// `!~`
    MatchNotRegex,
    /// Any binary operator; `!=` is one of matchers too.
    Operator(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
    /// A name without a colon.
    Identifier,
    /// A name with a colon.
    MetricIdentifier,
    String,
    Number,
    Duration,
}

/// A word with a meaning of its own; most of them are names too, where a name is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Offset,
    Smoothed,
    Anchored,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Bool,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

impl Keyword {
    /// Whether it is a word of durations and of `@`, which may be the name of a function.
    pub(super) const fn is_function(self) -> bool {
        matches!(
            self,
            Self::Start | Self::End | Self::Step | Self::Range | Self::MaxOf | Self::MinOf
        )
    }
}

/// No keyword is longer (`count_values`).
const LONGEST_KEYWORD: usize = 12;

impl Kind {
    /// What a word made of letters is; upper and lower case mean the same.
    pub(super) fn of_word(word: &str) -> Self {
        if word.len() > LONGEST_KEYWORD {
            return Self::name(word);
        }
        let mut buffer = [0; LONGEST_KEYWORD];
        let lower = &mut buffer[..word.len()];
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        keyword(lower).unwrap_or_else(|| Self::name(word))
    }

    fn name(word: &str) -> Self {
        if word.contains(':') {
            Self::MetricIdentifier
        } else {
            Self::Identifier
        }
    }

    /// Whether the word can be the name of a metric.
    pub(super) const fn is_metric_name(self) -> bool {
        use Keyword::{Bool, GroupLeft, GroupRight, Ignoring, On};
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) => true,
            Self::Operator(op) => op.is_set(),
            Self::Keyword(word) => !matches!(word, On | Ignoring | GroupLeft | GroupRight | Bool),
            _ => false,
        }
    }

    /// Whether the word can be the name of a label in a grouping or matching clause.
    pub(super) const fn is_label_name(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) => true,
            Self::Operator(op) => op.is_set() || matches!(op, BinaryOp::Atan2),
            Self::Keyword(word) => !matches!(word, Keyword::Without),
            _ => false,
        }
    }
}

fn keyword(word: &[u8]) -> Option<Kind> {
    use Kind::{Aggregate, Keyword as Word, Operator};
    Some(match word {
        b"and" => Operator(BinaryOp::And),
        b"or" => Operator(BinaryOp::Or),
        b"unless" => Operator(BinaryOp::Unless),
        b"atan2" => Operator(BinaryOp::Atan2),
        b"sum" => Aggregate(AggregateOp::Sum),
        b"avg" => Aggregate(AggregateOp::Avg),
        b"count" => Aggregate(AggregateOp::Count),
        b"min" => Aggregate(AggregateOp::Min),
        b"max" => Aggregate(AggregateOp::Max),
        b"group" => Aggregate(AggregateOp::Group),
        b"stddev" => Aggregate(AggregateOp::Stddev),
        b"stdvar" => Aggregate(AggregateOp::Stdvar),
        b"topk" => Aggregate(AggregateOp::TopK),
        b"bottomk" => Aggregate(AggregateOp::BottomK),
        b"count_values" => Aggregate(AggregateOp::CountValues),
        b"quantile" => Aggregate(AggregateOp::Quantile),
        b"limitk" => Aggregate(AggregateOp::LimitK),
        b"limit_ratio" => Aggregate(AggregateOp::LimitRatio),
        b"offset" => Word(Keyword::Offset),
        b"smoothed" => Word(Keyword::Smoothed),
        b"anchored" => Word(Keyword::Anchored),
        b"by" => Word(Keyword::By),
        b"without" => Word(Keyword::Without),
        b"on" => Word(Keyword::On),
        b"ignoring" => Word(Keyword::Ignoring),
        b"group_left" => Word(Keyword::GroupLeft),
        b"group_right" => Word(Keyword::GroupRight),
        b"fill" => Word(Keyword::Fill),
        b"fill_left" => Word(Keyword::FillLeft),
        b"fill_right" => Word(Keyword::FillRight),
        b"bool" => Word(Keyword::Bool),
        b"start" => Word(Keyword::Start),
        b"end" => Word(Keyword::End),
        b"step" => Word(Keyword::Step),
        b"range" => Word(Keyword::Range),
        b"max_of" => Word(Keyword::MaxOf),
        b"min_of" => Word(Keyword::MinOf),
        b"inf" | b"nan" => Kind::Number,
        _ => return None,
    })
}

impl Token {
    /// As upstream's errors call it (`Item.desc` in `promql/parser/lex.go`).
    pub(super) fn describe(self, source: &str) -> String {
        let text = &source[self.span.range()];
        match self.kind {
            Kind::End => "end of input".to_owned(),
            Kind::Identifier => format!("identifier {}", quote(text)),
            Kind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            Kind::String => format!("string {}", quote_short(text)),
            Kind::Number => format!("number {}", quote_short(text)),
            Kind::Duration => format!("duration {}", quote_short(text)),
            Kind::Operator(_) | Kind::At | Kind::MatchRegex | Kind::MatchNotRegex => {
                format!("<op:{text}>")
            }
            Kind::Aggregate(_) => format!("<aggr:{text}>"),
            Kind::Keyword(word) if !word.is_function() => format!("<{text}>"),
            _ => quote_short(text),
        }
    }
}

/// Long texts are cut in errors, as upstream does.
const SHOWN_CHARS: usize = 10;

fn quote_short(text: &str) -> String {
    if text.len() <= SHOWN_CHARS {
        return quote(text);
    }
    let short: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{}...", quote(&short))
}
