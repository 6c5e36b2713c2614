//! Operators between two vectors: which series meet, and what the results are called.
//!
//! One side, the "one" side, is collected and must have at most one series for each signature at each step.
//! The other side streams. What the labels say is found out once for each series; the steps are a loop over
//! numbers. All errors are about single steps, as in Prometheus (`VectorBinop`).

use std::collections::VecDeque;

use super::super::EvalError;
use super::super::column::{Column, Rows, Series};
use super::super::evaluator::Evaluator;
use super::super::names::without_name;
use super::bits::Bits;
use super::changes_meaning;
use super::element::{Keep, Rule};
use super::signature::Signer;
use crate::model::{LabelMap, Labels};
use crate::promql::ast::{Binary, Cardinality, VectorMatching};

const IMPLICIT: &str =
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
const NOT_UNIQUE: &str = "multiple matches for labels: grouping labels must ensure unique matches";
const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";

pub(super) fn rows<'e>(ev: Evaluator<'e>, binary: &'e Binary) -> Result<Rows<'e>, EvalError> {
    let namer = Namer::new(ev, binary);
    let (one, many) = if namer.swapped {
        (&binary.lhs, &binary.rhs)
    } else {
        (&binary.rhs, &binary.lhs)
    };
    let one = OneSide::collect(ev, ev.rows(one)?, &namer)?;
    let many = one.check(&namer, ev.rows(many)?)?;
    let rule = Rule {
        op: binary.op,
        keep: if binary.return_bool {
            Keep::Truth
        } else {
            Keep::Left
        },
        swapped: namer.swapped,
        span: binary.at.0,
        shared: ev.shared,
    };
    let mut join = Join {
        one,
        many,
        rule,
        namer,
        ready: VecDeque::new(),
        claims: LabelMap::default(),
        filled: false,
    };
    Ok(Box::new(std::iter::from_fn(move || {
        join.step().transpose()
    })))
}

/// What results are called.
struct Namer<'e> {
    ev: Evaluator<'e>,
    binary: &'e Binary,
    matching: Option<&'e VectorMatching>,
    signer: Signer<'e>,
    cardinality: Cardinality,
    /// Whether the side that streams is the right one.
    swapped: bool,
}

impl<'e> Namer<'e> {
    fn new(ev: Evaluator<'e>, binary: &'e Binary) -> Self {
        let matching = binary.matching.as_ref();
        let cardinality = matching.map_or(Cardinality::OneToOne, |m| m.cardinality);
        Self {
            ev,
            binary,
            matching,
            signer: Signer::new(matching),
            cardinality,
            swapped: cardinality == Cardinality::OneToMany,
        }
    }

    /// The labels of the result of a series of the many side and one of the one side.
    fn result(&self, many: &Labels, one: &Labels) -> Labels {
        let delayed = self.ev.options.delayed_name_removal;
        let drops_name = changes_meaning(self.binary.op) || (self.binary.return_bool && !delayed);
        let mut labels = many.clone();
        if drops_name {
            labels = without_name(&labels);
        }
        let Some(matching) = self.matching else {
            return labels;
        };
        if self.cardinality == Cardinality::OneToOne {
            let counts = |(name, _): &(&str, &str)| {
                matching.labels.iter().any(|label| label.name == *name) == matching.on
            };
            labels = Labels::from_sorted(labels.iter().filter(counts))
                .expect("invariant: a part of a sorted set is sorted");
        }
        if !matching.include.is_empty() {
            let mut builder = labels.to_builder();
            for label in &matching.include {
                builder.set(&label.name, one.get(&label.name));
            }
            labels = builder.build();
        }
        labels
    }

    fn error(&self, message: impl Into<String>) -> EvalError {
        EvalError {
            message: message.into(),
            span: self.binary.at.0,
        }
    }

    fn fills(&self) -> (Option<f64>, Option<f64>) {
        let fill = |side: fn(&VectorMatching) -> Option<f64>| self.matching.and_then(side);
        (
            fill(|m| m.fill_left.map(|number| number.value)),
            fill(|m| m.fill_right.map(|number| number.value)),
        )
    }
}

/// The side whose series are unique for each signature and step.
struct OneSide {
    series: Vec<Series>,
    groups: LabelMap<Group>,
}

/// The series of one signature.
#[derive(Default)]
struct Group {
    /// Indices of the series of the one side.
    members: Vec<usize>,
    /// The steps at which a member, or what fills in for it, has met a series of the many side.
    met: Bits,
}

/// Two series of the one side that have the same signature, and values at the same step.
struct Duplicate {
    step: usize,
    second: usize,
    first: usize,
}

impl OneSide {
    fn collect(ev: Evaluator<'_>, rows: Rows<'_>, namer: &Namer<'_>) -> Result<Self, EvalError> {
        let mut side = Self {
            series: Vec::new(),
            groups: LabelMap::default(),
        };
        for series in rows {
            let mut series = series?;
            if series.column.is_empty() {
                continue;
            }
            ev.settle(&mut series);
            let group = side.groups.entry(namer.signer.of(&series.labels));
            group.or_default().members.push(side.series.len());
            side.series.push(series);
            let held = side.series.len().saturating_mul(ev.steps.count);
            ev.check_held(held, namer.binary.at.0)?;
        }
        Ok(side)
    }

    /// Refuses duplicates at steps at which the many side has any series: at others, nothing is matched.
    fn check<'e>(&self, namer: &Namer<'_>, many: Rows<'e>) -> Result<Rows<'e>, EvalError> {
        let mut duplicates = Vec::new();
        for group in self.groups.values().filter(|group| group.members.len() > 1) {
            self.find_duplicates(group, &mut duplicates);
        }
        if duplicates.is_empty() {
            return Ok(many);
        }
        let many: Vec<Series> = many.collect::<Result<_, _>>()?;
        let mut any = Bits::default();
        for series in &many {
            any.add_column(&series.column);
        }
        let (fill_left, fill_right) = namer.fills();
        let counts = |duplicate: &&Duplicate| {
            any.contains(duplicate.step) || fill_left.is_some() || fill_right.is_some()
        };
        let worst = duplicates.iter().filter(counts);
        match worst.min_by_key(|duplicate| (duplicate.step, duplicate.second)) {
            Some(duplicate) => Err(self.duplicate_error(namer, duplicate)),
            None => Ok(Box::new(many.into_iter().map(Ok))),
        }
    }

    /// The first pair of a group at each step.
    fn find_duplicates(&self, group: &Group, duplicates: &mut Vec<Duplicate>) {
        let steps = self.series[group.members[0]].column.floats.len();
        for step in 0..steps {
            let is_present = |index: &&usize| self.series[**index].column.is_present(step);
            let mut present = group.members.iter().filter(is_present);
            if let (Some(&first), Some(&second)) = (present.next(), present.next()) {
                duplicates.push(Duplicate {
                    step,
                    second,
                    first,
                });
            }
        }
    }

    fn duplicate_error(&self, namer: &Namer<'_>, duplicate: &Duplicate) -> EvalError {
        let labels = &self.series[duplicate.second].labels;
        let group = namer.signer.of(labels);
        let side = if namer.swapped { "left" } else { "right" };
        let mut texts = [
            labels.to_string(),
            self.series[duplicate.first].labels.to_string(),
        ];
        texts.sort();
        let [first, second] = texts;
        namer.error(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
             [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }
}

/// Which series of which signature has made results of some labels, and when.
struct Claim {
    signature: Labels,
    met: Bits,
    kept: Bits,
}

struct Join<'e> {
    one: OneSide,
    many: Rows<'e>,
    rule: Rule<'e>,
    namer: Namer<'e>,
    ready: VecDeque<Series>,
    claims: LabelMap<Vec<Claim>>,
    filled: bool,
}

impl Join<'_> {
    fn step(&mut self) -> Result<Option<Series>, EvalError> {
        loop {
            if let Some(series) = self.ready.pop_front() {
                return Ok(Some(series));
            }
            match self.many.next() {
                Some(series) => self.meet(series?)?,
                None if self.filled => return Ok(None),
                None => {
                    self.filled = true;
                    self.fill_rest()?;
                }
            }
        }
    }

    /// Joins a series of the many side with its partners, and with what fills in for them.
    fn meet(&mut self, mut series: Series) -> Result<(), EvalError> {
        if series.column.is_empty() {
            return Ok(());
        }
        self.namer.ev.settle(&mut series);
        let signature = self.namer.signer.of(&series.labels);
        let (_, fill) = self.namer.fills();
        let group = match (self.one.groups.get_index_of(&signature), fill) {
            (Some(group), _) => group,
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                let (group, _) = self
                    .one
                    .groups
                    .insert_full(signature.clone(), Group::default());
                group
            }
        };
        let members = self.one.groups[group].members.clone();
        let filler = fill.and_then(|value| self.filler(&members, &series.column, value));
        let mut met = Bits::default();
        for (index, member) in members.iter().enumerate() {
            let is_last = index + 1 == members.len() && filler.is_none();
            let own = if is_last {
                std::mem::take(&mut series.column)
            } else {
                series.column.clone()
            };
            let many = (&series.labels, own);
            self.pair(many, &signature, Partner::Member(*member), &mut met)?;
        }
        if let Some(filler) = filler {
            let many = (&series.labels, series.column);
            self.pair(many, &signature, Partner::Filler(&filler), &mut met)?;
        }
        let before = &mut self.one.groups[group].met;
        if self.namer.cardinality == Cardinality::OneToOne {
            if !before.add_disjoint(&met) {
                return Err(self.namer.error(IMPLICIT));
            }
        } else {
            before.add_all(&met);
        }
        Ok(())
    }

    /// A column that has the value where the many side has one and no member has.
    fn filler(&self, members: &[usize], many: &Column, value: f64) -> Option<Column> {
        let mut filler = Column::absent(many.floats.len());
        let mut any = false;
        for step in 0..many.floats.len() {
            let is_present = |index: &usize| self.one.series[*index].column.is_present(step);
            if many.is_present(step) && !members.iter().any(is_present) {
                filler.floats[step] = value;
                any = true;
            }
        }
        any.then_some(filler)
    }

    /// Joins the series of the one side that have met nothing with what fills in on the many side.
    fn fill_rest(&mut self) -> Result<(), EvalError> {
        let (Some(value), _) = self.namer.fills() else {
            return Ok(());
        };
        for index in 0..self.one.series.len() {
            let series = &self.one.series[index];
            let signature = self.namer.signer.of(&series.labels);
            let met = &self.one.groups[&signature].met;
            let mut own = Column::absent(series.column.floats.len());
            for step in 0..own.floats.len() {
                if series.column.is_present(step) && !met.contains(step) {
                    own.floats[step] = value;
                }
            }
            let many = (&signature, own);
            self.pair(
                many,
                &signature,
                Partner::Member(index),
                &mut Bits::default(),
            )?;
        }
        Ok(())
    }

    fn pair(
        &mut self,
        many: (&Labels, Column),
        signature: &Labels,
        partner: Partner<'_>,
        met: &mut Bits,
    ) -> Result<(), EvalError> {
        let (many, mut column) = many;
        let (labels, other) = match partner {
            Partner::Member(index) => {
                let series = &self.one.series[index];
                (&series.labels, &series.column)
            }
            Partner::Filler(column) => (signature, column),
        };
        let mut here = Bits::default();
        self.rule.combine(&mut column, other, Some(&mut here));
        if here.is_empty() {
            return Ok(());
        }
        met.add_all(&here);
        let labels = self.namer.result(many, labels);
        if self.namer.cardinality != Cardinality::OneToOne {
            self.claim(&labels, signature, here, &column)?;
        }
        if column.is_empty() {
            return Ok(());
        }
        let drop_name = self.namer.binary.return_bool && self.namer.ev.options.delayed_name_removal;
        self.ready.push_back(Series {
            labels,
            drop_name,
            column,
        });
        Ok(())
    }

    /// Refuses results that have the labels of others at the same step.
    fn claim(
        &mut self,
        labels: &Labels,
        signature: &Labels,
        met: Bits,
        column: &Column,
    ) -> Result<(), EvalError> {
        let kept = Bits::of(column);
        let claims = self.claims.entry(labels.clone()).or_default();
        for claim in claims.iter_mut() {
            if claim.signature == *signature {
                if !claim.met.add_disjoint(&met) {
                    return Err(self.namer.error(NOT_UNIQUE));
                }
                claim.kept.add_all(&kept);
                return Ok(());
            }
            if claim.kept.meets(&kept) {
                return Err(self.namer.error(SAME_LABELS));
            }
        }
        claims.push(Claim {
            signature: signature.clone(),
            met,
            kept,
        });
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Partner<'a> {
    Member(usize),
    Filler(&'a Column),
}
