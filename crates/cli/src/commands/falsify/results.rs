//! The files that a run of `falsify` leaves.

use std::io::Write;
use std::path::PathBuf;

use scoville_vnnlib::counterexample;

use super::{Outcome, verdict};
use crate::args::FalsifyArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Output};

/// Where counter-examples go.
pub enum Results {
    None,
    /// VNN-COMP's result of the one instance.
    File(Output),
    /// For each row its result, and the point of a counter-example as little-endian f32.
    Folder(PathBuf),
}

impl Results {
    pub fn open(args: &FalsifyArgs) -> Result<Results, Failure> {
        match &args.out {
            None => Ok(Results::None),
            Some(path) if args.instances.is_none() => Ok(Results::File(Output::create(path)?)),
            Some(path) => {
                let made = std::fs::create_dir_all(path);
                made.map_err(|error| output::failure(Exit::Usage, path, &error))?;
                Ok(Results::Folder(path.clone()))
            }
        }
    }

    pub fn write(&mut self, row: usize, outcome: &Outcome) -> Result<(), Failure> {
        let found = outcome
            .as_ref()
            .ok()
            .and_then(|answer| answer.found.as_ref());
        let result = match found {
            Some(found) => counterexample(&found.point, &found.outputs),
            None => verdict(outcome).to_owned() + "\n",
        };
        match self {
            Results::None => Ok(()),
            Results::File(file) => file.write(result.as_bytes()),
            Results::Folder(folder) => {
                let mut text = Output::create(&folder.join(format!("{row}.txt")))?;
                text.write(result.as_bytes())?;
                text.finish()?;
                let point = folder.join(format!("{row}.f32"));
                let Some(found) = found else {
                    // Of an earlier run, perhaps.
                    let _ = std::fs::remove_file(point);
                    return Ok(());
                };
                let mut file = Output::create(&point)?;
                let bytes = found.point.iter().flat_map(|x| x.to_le_bytes());
                file.write(&bytes.collect::<Vec<u8>>())?;
                file.finish()
            }
        }
    }

    /// Says what there is, on stderr.
    pub fn finish(self) -> Result<(), Failure> {
        let path = match self {
            Results::None => return Ok(()),
            Results::File(file) => {
                let path = file.path().to_owned();
                file.finish()?;
                path
            }
            Results::Folder(folder) => folder,
        };
        // Without a reader there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "wrote {}", path.display());
        Ok(())
    }
}
