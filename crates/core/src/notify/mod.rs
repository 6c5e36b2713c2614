//! Who is told what, and when: routes, aggregation groups, deduplication, the notification log and
//! the queues of the receivers. Never renders, never sends, knows no rules and reads no clock.

mod matcher;
mod route;

pub use matcher::LabelMatcher;
pub use route::{GroupBy, Route, Routing, group_key, route_key};
