//! `scoville`: empirical security testing of machine-learning models, by MITRE ATLAS technique.

mod args;
mod builtin;
mod commands;
mod exit;
mod load;
mod parse;
mod terminal;

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
    match dispatch(args.command) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Assess(args) => commands::assess::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
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
