//! The `stentor` program: reads its arguments and hands over to a command.

mod cli;
mod daemon;
mod demo;
mod history;
mod query_api;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the commands that show pages come with this issue"
    )
)]
mod web;

fn main() -> std::process::ExitCode {
    cli::main()
}
