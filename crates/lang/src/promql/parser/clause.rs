//! The clauses with label names: `by`, `without`, `on`, `ignoring`, `group_left`, and `fill`.

use super::{Parsed, Parser};
use crate::promql::ast::{At, BinaryOp, Cardinality, LabelName, NumberLiteral, VectorMatching};
use crate::promql::token::{Keyword, Kind};

const GROUPING: &str = "grouping opts";

impl Parser<'_> {
    /// `by (...)` or `without (...)`: whether the labels are dropped, and which they are.
    pub(super) fn grouping_clause(&mut self) -> Parsed<Option<(bool, Vec<LabelName>)>> {
        let without = match self.token.kind {
            Kind::Keyword(Keyword::By) => false,
            Kind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some((without, self.label_list()?)))
    }

    /// What stands between a binary operator (with its `bool`) and the right side.
    pub(super) fn vector_matching(&mut self) -> Parsed<Option<VectorMatching>> {
        let mut matching = VectorMatching::default();
        let start = self.last_end;
        if let Kind::Keyword(word @ (Keyword::On | Keyword::Ignoring)) = self.token.kind {
            self.advance()?;
            matching.on = word == Keyword::On;
            matching.labels = self.label_list()?;
            self.group_clause(&mut matching)?;
        }
        self.fill_clause(&mut matching)?;
        Ok((self.last_end > start).then_some(matching))
    }

    fn group_clause(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        matching.cardinality = match self.token.kind {
            Kind::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            Kind::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.advance()?;
        if self.token.kind == Kind::LeftParen {
            matching.include = self.label_list()?;
        }
        Ok(())
    }

    /// `fill (0)`, or `fill_left (0)` and `fill_right (0)` in any order.
    fn fill_clause(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        if self.accept(Kind::Keyword(Keyword::Fill))? {
            let value = self.fill_value()?;
            matching.fill_left = Some(value);
            matching.fill_right = Some(value);
            return Ok(());
        }
        for _ in 0..2 {
            if matching.fill_left.is_none() && self.accept(Kind::Keyword(Keyword::FillLeft))? {
                matching.fill_left = Some(self.fill_value()?);
            } else if matching.fill_right.is_none()
                && self.accept(Kind::Keyword(Keyword::FillRight))?
            {
                matching.fill_right = Some(self.fill_value()?);
            }
        }
        Ok(())
    }

    fn fill_value(&mut self) -> Parsed<NumberLiteral> {
        self.expect(Kind::LeftParen)?;
        let start = self.token.span.start;
        let mut negative = false;
        if let Kind::Operator(sign @ (BinaryOp::Add | BinaryOp::Sub)) = self.token.kind {
            negative = sign == BinaryOp::Sub;
            self.advance()?;
        }
        if !matches!(self.token.kind, Kind::Number | Kind::Duration) {
            return Err(self.unexpected());
        }
        let number = self.number()?;
        let at = self.since(start);
        self.expect(Kind::RightParen)?;
        Ok(NumberLiteral {
            value: if negative {
                -number.value
            } else {
                number.value
            },
            // printed as a plain number, whatever it was written as
            is_duration: false,
            at,
        })
    }

    fn label_list(&mut self) -> Parsed<Vec<LabelName>> {
        if self.token.kind != Kind::LeftParen {
            let word = self.text_of(self.token);
            let is_name = self.token.kind.is_label_name();
            let stop = self.unexpected_in(GROUPING, "\"(\"");
            if is_name {
                self.hinted(format!("put the labels in parentheses: `({word})`"));
            }
            return Err(stop);
        }
        self.advance()?;
        let mut labels = Vec::new();
        while !self.accept(Kind::RightParen)? {
            labels.push(self.label_name()?);
            match self.token.kind {
                Kind::RightParen => {}
                Kind::Comma => {
                    self.advance()?;
                }
                _ => return Err(self.unexpected_in(GROUPING, "\",\" or \")\"")),
            }
        }
        Ok(labels)
    }

    fn label_name(&mut self) -> Parsed<LabelName> {
        let name = match self.token.kind {
            Kind::String => {
                let token = self.token;
                self.unquote(token)
            }
            kind if kind.is_label_name() => self.text_of(self.token).to_owned(),
            _ => return Err(self.unexpected_in(GROUPING, "label")),
        };
        let token = self.advance()?;
        if name.is_empty() {
            let message = "invalid label name for grouping: \"\"";
            self.error("promql/syntax", token.span, message);
        }
        Ok(LabelName {
            name,
            at: At(token.span),
        })
    }
}
