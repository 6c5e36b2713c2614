//! The languages of Prometheus alerting, usable alone: labels and times, YAML with positions,
//! RE2 regular expressions, PromQL, and Go's text/template.
//!
//! Modules stand in reading order, and each imports only modules above it.
//! Nothing here reads a clock, a file, the environment or the network. A large query computes its series on
//! several threads (`promql/eval/blocks.rs`), with the result that one thread has.

pub mod model;
pub mod yaml;
pub mod regex;
pub mod promql;
pub mod template;
