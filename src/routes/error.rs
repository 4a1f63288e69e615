//! Why routes cannot start.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why routes cannot start.
#[derive(Debug, Error)]
pub(crate) enum RoutesError {
    /// Nothing may be accepted while dead letters could not be kept.
    #[error(
        "dead letters cannot be written to {}: {source}; make the directory writable for hookgate or choose another \
         `[journal] dir`", dir.display()
    )]
    DeadDir {
        /// Where they should go.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or its runtime.
    #[error(
        "the thread {name} cannot be started: {source}; raise the limit on threads or on open files, or configure fewer workers"
    )]
    Thread {
        /// Its name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A pool that has routes has no worker.
    #[error("the route {route} belongs to the pool {pool}, which has no workers; give it at least one")]
    NoWorkers {
        /// The pool.
        pool: String,
        /// One of its routes.
        route: String,
    },
}
