//! Exit codes, and failures that lead to them.

use std::process::ExitCode;

/// What the process's exit code means. `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and within every threshold.
    Done = 0,
    /// Scoville itself failed.
    Internal = 1,
    /// The command line was wrong.
    Usage = 2,
    /// The model or the data cannot be used.
    BadInput = 3,
    /// The target or the device asked for cannot be reached, or refused.
    Unreachable = 4,
    /// The evidence is inconclusive: no score.
    Inconclusive = 5,
    /// A `--fail-on` threshold is breached.
    Breached = 100,
}

impl Exit {
    /// The exit that a run's code stands for.
    pub fn of_run(code: u8) -> Exit {
        match code {
            0 => Exit::Done,
            5 => Exit::Inconclusive,
            100 => Exit::Breached,
            _ => Exit::Internal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Something that ends the program, with what was being done when it happened.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// What an error says, after what it is about where it does not name that itself.
    pub fn about(exit: Exit, context: &str, error: &dyn std::fmt::Display) -> Self {
        let error = error.to_string();
        let known = context.is_empty() || error.contains(context);
        Self::new(
            exit,
            if known {
                error
            } else {
                format!("{context}: {error}")
            },
        )
    }

    /// Says it on stderr and gives the exit code.
    pub fn report(&self) -> ExitCode {
        use std::io::Write;
        // A closed stderr leaves the exit code to speak.
        let _ = writeln!(std::io::stderr(), "error: {}", self.message);
        self.exit.into()
    }
}

/// Turns an error into a failure with context: `Err(e).or_fail(Exit::BadInput, "model.onnx")`.
pub trait OrFail<T> {
    /// The exit code, and what it was about; an empty context adds nothing.
    fn or_fail(self, exit: Exit, context: &str) -> Result<T, Failure>;
}

impl<T, E: std::fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, exit: Exit, context: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::about(exit, context, &error))
    }
}
