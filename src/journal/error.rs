//! What can go wrong with a journal, where, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a journal cannot be opened or read.
#[derive(Debug, Error)]
pub(crate) enum JournalError {
    /// Another process has the directory.
    #[error("{} belongs to {owner}; stop it, or give this one a `[journal] dir` of its own", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who has it, as far as its lock file tells.
        owner: String,
    },
    /// The directory cannot be used.
    #[error(
        "the journal's directory {} cannot be used: {source}; make it writable for hookgate or choose another \
         `[journal] dir`", dir.display()
    )]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An operation on a file failed.
    #[error("cannot {doing} {file}: {source}; check the disk and its file system")]
    File {
        /// What was being done: `read`, `sync`.
        doing: &'static str,
        /// The file's name.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was once safe is no longer as it was written.
    #[error(
        "the journal is damaged: {what} in {segment} at byte {offset}; nothing was changed. Restore the file from a copy, or \
         see what `hookgate journal repair --dry-run` would give up"
    )]
    Damaged {
        /// The file's name.
        segment: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Written by a later version.
    #[error(
        "{segment} is written in version {version} of the format, and this hookgate reads version {known}; upgrade it"
    )]
    Version {
        /// The file's name.
        segment: String,
        /// Its version.
        version: u32,
        /// The version that this program knows.
        known: u32,
    },
    /// The event was released and its segment is used for others.
    #[error("the events before sequence {oldest} are no longer kept")]
    Gone {
        /// The first sequence that is.
        oldest: u64,
    },
    /// The quota or the disk does not hold a segment.
    #[error("there is no room for a segment of the journal: {why}; free space, or raise `[journal] max_size`")]
    NoRoom {
        /// What there is too little of.
        why: String,
    },
    /// A thread.
    #[error("the thread {name} cannot be started: {source}; raise the limit on threads")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl JournalError {
    /// For `map_err` on the operations of a file.
    pub(super) fn file(doing: &'static str, file: impl ToString) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { doing, file: file.to_string(), source }
    }
}
