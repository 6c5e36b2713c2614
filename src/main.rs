//! The `stentor` program: reads its arguments and hands over to a command.

mod cli;
mod daemon;
    dead_code,
    reason = "the commands that show pages come with this issue"
#[expect(
)]
mod history;
mod web;

fn main() -> std::process::ExitCode {
    cli::main()
}
