//! The `stentor` program: reads its arguments and hands over to a command.

mod cli;
mod daemon;
mod demo;
mod history;
mod query_api;
mod web;

fn main() -> std::process::ExitCode {
    cli::main()
}
