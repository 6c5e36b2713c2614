//! The `stentor` program: reads its arguments and hands over to a command.

mod cli;
mod daemon;

fn main() -> std::process::ExitCode {
    cli::main()
}
