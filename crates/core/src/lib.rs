//! What Stentor decides, as functions of its arguments: nothing here reads a clock, a file, the
//! environment or the network, starts a thread of its own, or iterates over a map in hash order.
//!
//! Modules stand in reading order, and each imports only modules above it.

pub mod rulefile;
pub mod alert;
pub mod receiver;
pub mod notify;
pub mod config;
pub mod engine;
pub mod fixture;
pub mod needs;
pub mod replay;
pub mod timeline;
pub mod report;
pub mod unittest;
pub mod check;

#[cfg(test)]
mod shared_data;
