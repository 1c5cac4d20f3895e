//! Events of a run, and how they are shown: table, NDJSON, JSON, HTML.
//!
//! A run sends [`event::Event`]s to one or more [`Sink`]s. [`Table`], [`Progress`] and [`Ndjson`] show them as they
//! come; [`Record`] keeps them for the reports that are written at the end, [`write_json()`] and [`html()`].

mod html;
mod json;
mod layout;
mod ndjson;
mod progress;
mod record;
mod table;
mod text;

pub mod event;

#[cfg(test)]
mod fixture;

pub use html::{SampleStrip, html};
pub use json::{schema, write_json};
pub use ndjson::Ndjson;
pub use progress::Progress;
pub use record::{Record, TechniqueRecord};
pub use table::{Style, Table, wrap};
pub use text::{eps_text, full_count, score_interval, score_text};

/// Something that takes the events of a run, in order.
pub trait Sink {
    /// Takes one event. Errors are those of the writer behind the sink.
    fn event(&mut self, event: &event::Event) -> std::io::Result<()>;
}
