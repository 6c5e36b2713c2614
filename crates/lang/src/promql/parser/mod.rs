//! From words to a tree: a Pratt parser. It gives upstream's messages for what it does not
//! understand, stops at the first word that fits nowhere, and goes on after errors that leave the
//! tree whole. It checks no types: see `types`.

mod clause;
mod duration;
mod selector;

use super::ParseOptions;
use super::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Expr, NumberLiteral, Paren, StringLiteral,
    Unary,
};
use super::functions::Function;
use super::lexer::Lexer;
use super::literal;
use super::token::{Keyword, Kind, Token};
use crate::model::{Diagnostic, Span};

/// Parentheses, calls and signs inside each other: more is no expression that anybody wrote, and
/// would overflow the stack of this parser and of all that walks the tree.
pub(super) const MAX_NESTING: usize = 400;

/// Operators in one expression: a chain of them is a tree as deep.
pub(super) const MAX_OPERATORS: usize = 1_000;

/// An error was recorded, behind which the text makes no sense.
#[derive(Debug)]
pub(super) struct Stop;

type Parsed<T> = Result<T, Stop>;

/// Where an unexpected word stands, for the message: upstream's error rules name a context.
#[derive(Debug, Clone, Copy)]
struct Context {
    name: &'static str,
    expected: &'static str,
}

const NO_CONTEXT: Context = Context {
    name: "",
    expected: "",
};

/// Stands for a function that does not exist, in a tree that is refused anyway.
static UNKNOWN: Function = Function::unknown();

#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The next word.
    token: Token,
    /// Where the last word ended.
    last_end: usize,
    options: ParseOptions,
    context: Context,
    depth: usize,
    operators: usize,
    pub(super) errors: Vec<Diagnostic>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, options: ParseOptions) -> Self {
        Self {
            text,
            lexer: Lexer::new(text),
            token: Token {
                kind: Kind::End,
                span: Span::at(0),
            },
            last_end: 0,
            options,
            context: NO_CONTEXT,
            depth: 0,
            operators: 0,
            errors: Vec::new(),
        }
    }

    /// The whole text as an expression.
    pub(super) fn whole_expression(&mut self) -> Parsed<Expr> {
        self.advance()?;
        if self.token.kind == Kind::End {
            self.error("promql/syntax", Span::at(0), "no expression found in input");
            return Err(Stop);
        }
        let expr = self.expression(0)?;
        self.end()?;
        Ok(expr)
    }

    /// Nothing may follow.
    fn end(&mut self) -> Parsed<()> {
        match self.token.kind {
            Kind::End => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    /// Takes the next word, and reads one more.
    fn advance(&mut self) -> Parsed<Token> {
        let taken = self.token;
        self.last_end = taken.span.end;
        match self.lexer.next() {
            Ok(token) => {
                self.token = token;
                Ok(taken)
            }
            Err(error) => {
                self.error("promql/syntax", error.span, error.message);
                Err(Stop)
            }
        }
    }

    fn expect(&mut self, kind: Kind) -> Parsed<Token> {
        if self.token.kind == kind {
            self.advance()
        } else {
            Err(self.unexpected())
        }
    }

    /// Takes the next word if it is that one.
    fn accept(&mut self, kind: Kind) -> Parsed<bool> {
        let found = self.token.kind == kind;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.span.range()]
    }

    /// From there to the end of the last word.
    fn since(&self, start: usize) -> At {
        At(Span::new(start, self.last_end))
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.errors.push(Diagnostic::error(code, span, message));
    }

    fn hinted(&mut self, hint: impl Into<String>) {
        if let Some(error) = self.errors.last_mut() {
            error.hint = Some(hint.into());
        }
    }

    /// The next word fits nowhere; the context says where it stands.
    fn unexpected(&mut self) -> Stop {
        self.unexpected_in(self.context.name, self.context.expected)
    }

    fn unexpected_in(&mut self, context: &str, expected: &str) -> Stop {
        let mut message = format!("unexpected {}", self.token.describe(self.text));
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        self.error("promql/syntax", self.token.span, message);
        Stop
    }

    /// Runs a part of the grammar with its own context for unexpected words.
    fn within<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        part: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.context, Context { name, expected });
        let result = part(self)?;
        self.context = outer;
        Ok(result)
    }

    /// Runs a part of the grammar one level deeper.
    fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_NESTING {
            let message = format!("expression is nested more than {MAX_NESTING} levels deep");
            self.error("promql/limit", self.token.span, message);
            return Err(Stop);
        }
        self.depth += 1;
        let result = part(self)?;
        self.depth -= 1;
        Ok(result)
    }

    fn count_operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            let message = format!("expression has more than {MAX_OPERATORS} operators");
            self.error("promql/limit", self.token.span, message);
            self.hinted("split it into several rules");
            return Err(Stop);
        }
        Ok(())
    }

    /// An expression whose operators bind at least that tightly.
    fn expression(&mut self, min_precedence: u8) -> Parsed<Expr> {
        self.nested(|parser| {
            let mut lhs = parser.operand()?;
            while let Kind::Operator(op) = parser.token.kind
                && op.precedence() >= min_precedence
            {
                lhs = parser.binary(lhs, op)?;
            }
            Ok(lhs)
        })
    }

    fn binary(&mut self, lhs: Expr, op: BinaryOp) -> Parsed<Expr> {
        self.count_operator()?;
        let op_start = self.advance()?.span.start;
        let return_bool = self.accept(Kind::Keyword(Keyword::Bool))?;
        let matching = self.vector_matching()?;
        let op_at = self.since(op_start);
        let is_right_associative = op == BinaryOp::Pow;
        let rhs = self.expression(op.precedence() + u8::from(!is_right_associative))?;
        let at = At(lhs.span().to(rhs.span()));
        let has_fill =
            |m: &super::ast::VectorMatching| m.fill_left.is_some() || m.fill_right.is_some();
        if !self.options.fill_modifiers && matching.as_ref().is_some_and(has_fill) {
            self.error(
                "promql/experimental",
                op_at.0,
                "binop fill modifiers are experimental and not enabled",
            );
            self.hinted("enable the feature flag promql-binop-fill-modifiers");
        }
        Ok(Expr::Binary(Box::new(Binary {
            op,
            lhs,
            rhs,
            return_bool,
            matching,
            op_at,
            at,
        })))
    }

    fn operand(&mut self) -> Parsed<Expr> {
        if let Kind::Operator(sign @ (BinaryOp::Add | BinaryOp::Sub)) = self.token.kind {
            return self.unary(sign == BinaryOp::Sub);
        }
        let mut expr = self.primary()?;
        loop {
            expr = match self.token.kind {
                Kind::LeftBracket => self.range(expr)?,
                Kind::At => self.at_modifier(expr)?,
                Kind::Keyword(Keyword::Offset) => self.offset(expr)?,
                Kind::Keyword(word @ (Keyword::Anchored | Keyword::Smoothed)) => {
                    self.extended(expr, word)?
                }
                _ => return Ok(expr),
            }
        }
    }

    /// A sign binds as `*` does, so `-a ^ b` is `-(a ^ b)`; it becomes part of a number.
    fn unary(&mut self, negative: bool) -> Parsed<Expr> {
        let start = self.advance()?.span.start;
        let expr = self.expression(BinaryOp::Mul.precedence() + 1)?;
        let at = self.since(start);
        Ok(match expr {
            Expr::Number(number) => Expr::Number(NumberLiteral {
                value: if negative {
                    -number.value
                } else {
                    number.value
                },
                is_duration: number.is_duration,
                at,
            }),
            expr => Expr::Unary(Box::new(Unary { negative, expr, at })),
        })
    }

    fn primary(&mut self) -> Parsed<Expr> {
        match self.token.kind {
            Kind::Number | Kind::Duration => Ok(Expr::Number(self.number()?)),
            Kind::String => {
                let token = self.advance()?;
                Ok(Expr::String(StringLiteral {
                    value: self.unquote(token),
                    at: At(token.span),
                }))
            }
            Kind::LeftParen => {
                let start = self.advance()?.span.start;
                let expr = self.expression(0)?;
                self.expect(Kind::RightParen)?;
                let at = self.since(start);
                Ok(Expr::Paren(Box::new(Paren { expr, at })))
            }
            Kind::LeftBrace => self.vector_selector(None),
            Kind::Aggregate(op) => {
                let name = self.advance()?;
                match self.token.kind {
                    Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without) => {
                        self.aggregate(op, name)
                    }
                    _ => self.vector_selector(Some(name)),
                }
            }
            Kind::Identifier => self.call_or_selector(),
            Kind::Keyword(word) if word.is_function() => self.call_or_selector(),
            kind if kind.is_metric_name() => {
                let name = self.advance()?;
                self.vector_selector(Some(name))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn call_or_selector(&mut self) -> Parsed<Expr> {
        let name = self.advance()?;
        match self.token.kind {
            Kind::LeftParen => self.call(name),
            _ => self.vector_selector(Some(name)),
        }
    }

    fn number(&mut self) -> Parsed<NumberLiteral> {
        let token = self.advance()?;
        let text = self.text_of(token);
        let is_duration = token.kind == Kind::Duration;
        let value = if is_duration {
            literal::duration_seconds(text)
        } else {
            literal::number(text)
        };
        let value = value.unwrap_or_else(|message| {
            self.error("promql/syntax", token.span, message);
            0.0
        });
        Ok(NumberLiteral {
            value,
            is_duration,
            at: At(token.span),
        })
    }

    fn unquote(&mut self, token: Token) -> String {
        literal::unquote(self.text_of(token)).unwrap_or_else(|message| {
            let code = if message == literal::NOT_UTF8 {
                super::NOT_UTF8
            } else {
                "promql/syntax"
            };
            self.error(code, token.span, message);
            String::new()
        })
    }

    fn call(&mut self, name: Token) -> Parsed<Expr> {
        let args = self.arguments()?;
        let at = self.since(name.span.start);
        let text = self.text_of(name);
        let function = Function::find(text);
        match function {
            None => {
                let message = format!("unknown function with name \"{text}\"");
                self.error("promql/unknown-function", name.span, message);
                if let Some(near) = Function::nearest(text) {
                    self.hinted(format!("did you mean `{near}`?"));
                }
            }
            Some(function) if function.experimental && !self.options.experimental_functions => {
                let message = format!("function \"{text}\" is not enabled");
                self.error("promql/experimental", name.span, message);
                self.hinted("enable the feature flag promql-experimental-functions");
            }
            Some(_) => {}
        }
        Ok(Expr::Call(Box::new(Call {
            function: function.unwrap_or(&UNKNOWN),
            args,
            name_at: At(name.span),
            at,
        })))
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.expect(Kind::LeftParen)?;
        let mut args = Vec::new();
        if self.accept(Kind::RightParen)? {
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            if self.accept(Kind::RightParen)? {
                return Ok(args);
            }
            let comma = self.expect(Kind::Comma)?;
            if matches!(self.token.kind, Kind::Comma | Kind::RightParen) {
                let message = "trailing commas not allowed in function call args";
                self.error("promql/syntax", comma.span, message);
                return Err(Stop);
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp, name: Token) -> Parsed<Expr> {
        let (clause, mut args) = self.within("aggregation", "", |parser| {
            let before = parser.grouping_clause()?;
            let args = parser.arguments()?;
            Ok((before, args))
        })?;
        let (without, grouping) = match clause {
            Some(clause) => clause,
            None => self.grouping_clause()?.unwrap_or_default(),
        };
        let at = self.since(name.span.start);
        self.check_aggregate(op, args.len(), at.0)?;
        let expr = args.pop().ok_or(Stop)?;
        Ok(Expr::Aggregate(Box::new(Aggregate {
            op,
            param: args.pop(),
            expr,
            grouping,
            without,
            op_at: At(name.span),
            at,
        })))
    }

    fn check_aggregate(&mut self, op: AggregateOp, args: usize, span: Span) -> Parsed<()> {
        if args == 0 {
            let message = "no arguments for aggregate expression provided";
            self.error("promql/type", span, message);
            return Err(Stop);
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with \
                 --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            self.error("promql/experimental", span, message);
            return Ok(());
        }
        let expected = if op.param_type().is_some() { 2 } else { 1 };
        if args != expected {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, \
                 expected {expected}, got {args}"
            );
            self.error("promql/type", span, message);
        }
        Ok(())
    }
}
