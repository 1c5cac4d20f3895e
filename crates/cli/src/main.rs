//! `scoville`: empirical security testing of machine-learning models, by MITRE ATLAS technique.

mod args;
mod builtin;
mod commands;
mod exit;
mod load;
mod output;
mod parse;
mod plan;
mod sinks;
mod surrogate;
mod terminal;
mod texts;

use clap::Parser;

use args::{Args, Command};
use exit::{Exit, Failure};

fn main() -> std::process::ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    terminal::quiet_panics();
    terminal::quiet_vulkan_loader();
    // A panic is a bug of ours; it must not pass for a verdict.
    let outcome = std::panic::catch_unwind(|| dispatch(args.command));
    scoville_kernels::store_pipelines();
    match outcome.unwrap_or_else(|_| Err(Failure::new(Exit::Internal, BUG))) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

const BUG: &str = "Scoville stopped on a bug of its own; please report it with the output of the same command under \
                   RUST_BACKTRACE=1";

fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Assess(args) => commands::assess::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Falsify(args) => commands::falsify::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Devices(args) => commands::devices::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Techniques(args) => commands::techniques::run(&args),
        Command::Attacks(args) => commands::attacks::run(&args),
        Command::Schema => commands::schema::run(),
    }
}

/// Help and version are no errors; everything else that clap refuses is one of usage.
fn usage(error: &clap::Error) -> std::process::ExitCode {
    // What cannot be printed (a closed pipe) leaves the exit code to speak.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}
