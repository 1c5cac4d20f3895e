//! `scoville schema`

use scoville_report::schema;

use super::print;
use crate::exit::{Exit, Failure};

pub fn run() -> Result<Exit, Failure> {
    print(&format!("{:#}\n", schema()))
}
