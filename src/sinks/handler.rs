//! A function of the embedding program as a processor. It runs on the worker's thread and holds up the other routes of
//! its pool while it does: one that blocks belongs in a pool of its own.

use std::error::Error;
use std::sync::Arc;

use super::{BATCH_MAX, detail};
use crate::routes::{Delivery, FailureKind, LocalFuture, Outcome, Outcomes, Sink};

/// What a handler returns when it did not process a batch.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// Processes a batch of deliveries of one route: all of them, or with an error none, so that all come again. Several
/// workers call it at once.
pub(crate) type Handler = Arc<dyn Fn(&[Delivery]) -> Result<(), HandlerError> + Send + Sync>;

/// Calls a [`Handler`]. A panic passes through to the worker.
pub(super) struct HandlerSink {
    handler: Handler,
}

impl HandlerSink {
    pub(super) fn new(handler: Handler) -> Self {
        Self { handler }
    }
}

impl Sink for HandlerSink {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            Outcomes::All(match (self.handler)(batch) {
                Ok(()) => Outcome::Delivered,
                Err(error) => Outcome::Failed(detail::failure(FailureKind::Handler, detail::of_error(&*error))),
            })
        })
    }
}
