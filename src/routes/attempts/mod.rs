//! The log of attempts: every delivery attempt of every route, for whoever asks what happened to an event.
//!
//! ```text
//! workers   note ──▶ bounded channel ──▶ disk: a block of records, at most ten times a second ──▶ files, oldest deleted
//!            └ full: dropped and counted                                                             └──▶ reader
//! ```
//!
//! It is a diary, not a promise: nothing is synced, nobody waits for it, and where it cannot be written deliveries go on. A
//! record takes some 20 bytes. It also notes when a process began and ended, which shows where a crash may have cut an
//! attempt off.

mod files;

mod format;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

mod note;

mod read;

pub(super) use self::files::AttemptFiles;
pub(super) use self::note::Notes;
pub(crate) use self::read::{AttemptsOf, Run, Told, read_attempts};
