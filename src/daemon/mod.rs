//! The daemon: everything around the engine that touches the world.

pub(crate) mod client;
pub(crate) mod decode;
#[cfg(test)]
mod fake;
pub(crate) mod secrets;
pub(crate) mod store;
pub(crate) mod transport;
