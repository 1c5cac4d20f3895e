//! What properties and tables mean, what is refused and where, and the published files.

mod hostile;
mod meaning;
mod shared;
mod tables;
