//! The state machine on virtual time.

mod crash;
mod random;
mod recorded;
mod sim;
mod timeline;
