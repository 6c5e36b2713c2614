//! The one YAML reader: a tree in which every node knows its bytes in the source, with the
//! semantics of the go-yaml library that Prometheus and Alertmanager read their files with.
//!
//! Anchors, aliases and merge keys are resolved, duplicate keys are errors, plain scalars keep
//! their text (`yes` stays `yes` where a text is asked for), and every document of a file is read.
//! [`Fields`] takes a mapping apart and collects every mistake instead of stopping at the first.
//! Nothing here writes YAML, and nothing here knows what a rule or a receiver is.
//!
//! Why not a serde `Deserializer`: it stops at the first error, has no place for a second one, and
//! loses where in a folded or indented text a character stood.

mod build;
mod fields;
mod node;
mod offset;
mod resolve;
mod suggest;

pub use build::{MAX_EXPANDED_NODES, MAX_NESTING, Parsed, parse};
pub use fields::{Fields, Spanned};
pub use node::{Entry, Mapping, Node, Scalar, Sequence, Style, Tag};
pub use resolve::{Flavor, Resolved};
pub use suggest::closest;

#[cfg(test)]
mod tests;
