//! Dispatch over a journal in memory: its machine against a model, and its thread with real routes.

#![allow(clippy::unwrap_used)]

mod backlog;

mod day;

mod fake;

mod model;

mod threads;

pub(crate) use self::day::{Day, LONGEST_BACKOFF};
