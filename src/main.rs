//! The `stentor` program: reads its arguments and hands over to a command.

mod cli;
mod daemon;
mod demo;
mod query_api;
#[expect(
    dead_code,
    reason = "the commands that replay and record come with this issue"
)]
mod history;
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
