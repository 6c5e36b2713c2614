//! Durable numbers, and sorted sets of alert numbers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// Takes the next number from a counter.
            pub(super) fn take(counter: &mut u64) -> Self {
                *counter += 1;
                Self(*counter)
            }
        }
    };
}

number!(
    /// Names an alert, that is a label set, for as long as anything refers to it.
    AlertNo
);
number!(
    /// Names an aggregation group.
    GroupNo
);
number!(
    /// Names a notification that waits for delivery or is under way.
    JobNo
);
number!(
    /// Names one attempt to deliver; not durable, and never used twice in a process.
    AttemptId
);

/// A sorted set of alerts, shared by the rows that hold it.
pub type Alerts = Arc<[AlertNo]>;

/// The set without members.
pub(super) fn none() -> Alerts {
    Arc::from([])
}

/// Whether an alert is in a set.
pub(super) fn has(set: &[AlertNo], alert: AlertNo) -> bool {
    set.binary_search(&alert).is_ok()
}

/// Whether all of `part` is in `whole`.
pub(super) fn is_subset(part: &[AlertNo], whole: &[AlertNo]) -> bool {
    if part.len() > whole.len() {
        return false;
    }
    let mut whole = whole.iter();
    part.iter()
        .all(|alert| whole.by_ref().find(|other| *other >= alert) == Some(alert))
}

/// What is in either set; the first one itself where the second adds nothing.
pub(super) fn union(a: &Alerts, b: &[AlertNo]) -> Alerts {
    if is_subset(b, a) {
        return Arc::clone(a);
    }
    let mut all: Vec<AlertNo> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}

/// What of a set satisfies a condition; the set itself where all does.
pub(super) fn filter(set: &Alerts, keep: impl Fn(AlertNo) -> bool) -> Alerts {
    if set.iter().all(|alert| keep(*alert)) {
        return Arc::clone(set);
    }
    set.iter().copied().filter(|alert| keep(*alert)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u64]) -> Alerts {
        numbers.iter().copied().map(AlertNo).collect()
    }

    #[track_caller]
    fn check(part: &[u64], whole: &[u64], expected: bool) {
        assert_eq!(is_subset(&set(part), &set(whole)), expected);
        let all = union(&set(whole), &set(part));
        assert_eq!(all.len() == whole.len(), expected);
        assert!(is_subset(&set(part), &all) && is_subset(&set(whole), &all));
    }

    #[test]
    fn subsets_and_unions() {
        check(&[], &[], true);
        check(&[], &[1], true);
        check(&[1], &[], false);
        check(&[1, 3], &[1, 2, 3], true);
        check(&[1, 4], &[1, 2, 3], false);
        check(&[2, 3], &[1, 2, 4], false);
    }
}
