//! Small queries through the whole evaluator; upstream's scripts are run by `tests/promql.rs`.

use super::*;
use crate::model::Labels;
use crate::promql::memory::MemoryStore;
use crate::promql::{ParseOptions, parse};

#[test]
fn the_newest_sample_counts_until_it_is_too_old() {
    let mut store = MemoryStore::default();
    let labels = Labels::from_pairs([("__name__", "up")]);
    store.push(&labels, Timestamp::from_millis(0), 1.0);
    let expr = parse("up", ParseOptions::default()).unwrap();
    for (at, found) in [(0, 1), (299_999, 1), (300_000, 0)] {
        let at = Timestamp::from_millis(at);
        let answer = instant(&expr, &store, at, &EvalOptions::default()).unwrap();
        let Value::Vector(vector) = answer.value else {
            panic!()
        };
        assert_eq!(vector.len(), found, "{at:?}");
    }
}
