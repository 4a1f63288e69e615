//! What a worker hands to a sink, and what the sink says of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;

/// One attempt to deliver one event to one route.
#[derive(Debug, Clone)]
pub struct Delivery {
    event: Event,
    route: Arc<str>,
    attempt: u32,
}

impl Delivery {
    pub(crate) fn new(event: Event, route: Arc<str>, attempt: u32) -> Self {
        Self { event, route, attempt }
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The route it is delivered for.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The processor has it.
    Delivered,
    /// It has not, or did not say so.
    Failed(Failure),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// The first bytes of the answer, or what the system said. For people; at most 512 bytes.
    pub(crate) detail: String,
    /// The processor's wish for the time of the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

/// The kinds of failure, as metrics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FailureKind {
    /// An answer other than 2xx.
    Status(u16),
    /// No connection: name, route or port.
    Connect,
    /// The TLS handshake or the certificate.
    Tls,
    /// No complete answer in time.
    Timeout,
    /// The connection ended within the answer, or what came is not HTTP.
    BrokenAnswer,
    /// Writing to a file or to standard output.
    Io,
    /// A handler returned an error or panicked.
    Handler,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Status(status) => write!(f, "status {status}"),
            FailureKind::Connect => f.write_str("no connection"),
            FailureKind::Tls => f.write_str("tls failed"),
            FailureKind::Timeout => f.write_str("timed out"),
            FailureKind::BrokenAnswer => f.write_str("broken answer"),
            FailureKind::Io => f.write_str("write failed"),
            FailureKind::Handler => f.write_str("handler failed"),
        }
    }
}

/// How the attempts of one batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcomes {
    /// All of them like this.
    All(Outcome),
    /// Each on its own, in the order of the batch.
    Each(Vec<Outcome>),
    /// All together were refused, and then each on its own, within the same attempt.
    Alone {
        /// Of the request that had all of them. It counts for none, but whoever asks what happened wants to know.
        refused: Failure,
        /// From the beginning until that.
        took: Duration,
        /// In the order of the batch.
        each: Vec<Outcome>,
    },
}

/// A future that stays on its worker.
pub(crate) type LocalFuture<'sink, T> = Pin<Box<dyn Future<Output = T> + 'sink>>;

/// The end of a route on one worker thread. What it keeps (connections, buffers) is that worker's own.
pub(crate) trait Sink {
    /// The most events one [`Sink::deliver`] takes. At least 1.
    fn batch_max(&self) -> usize;

    /// Delivers a batch, whose events are never empty. A future that is dropped gives up; the outcome is then unknown.
    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes>;
}

/// Makes a route's sink on each worker thread. Everything that can fail has been done before one exists.
pub(crate) type SinkFactory = Arc<dyn Fn() -> Box<dyn Sink> + Send + Sync>;
