//! `loadtest run`: signed events at a steady rate, and what becomes of them.

mod args;

mod progress;

mod report;

mod table;

mod conduct;

pub(crate) use args::{Rate, RunArgs, positive_duration, read_secret};
pub(crate) use conduct::run;
pub(crate) use report::Report;
