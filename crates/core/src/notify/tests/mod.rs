//! The state machine on virtual time.

mod recorded;
mod sim;
mod timeline;
