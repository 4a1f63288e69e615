//! Why routes cannot start, or one cannot be forgotten.

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

/// Why a route is not forgotten.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum ForgetError {
    /// It still works.
    #[error(
        "route {route} is configured: its place in the journal is in use. Take it out of the configuration and restart, then \
         forget it; or pause it"
    )]
    Configured {
        /// The route.
        route: String,
    },
    /// Nothing is kept for it.
    #[error("the journal keeps nothing for a route {route}; {}", removed_routes(removed))]
    Unknown {
        /// The route.
        route: String,
        /// Those it does keep something for.
        removed: Vec<String>,
    },
}

fn removed_routes(removed: &[String]) -> String {
    match removed {
        [] => "every route that it keeps events for is configured".to_owned(),
        removed => format!("no more configured and still kept: {}", removed.join(", ")),
    }
}
