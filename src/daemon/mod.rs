//! The daemon: everything around the engine that touches the world.

mod client;
mod clock;
mod decode;
#[cfg(test)]
mod fake;
mod inbox;
mod secrets;
mod sender;
mod store;
mod transport;
