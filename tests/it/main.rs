//! The one integration test binary.

mod cli;
mod demo;
mod fixtures;
mod tidy;
mod real;
