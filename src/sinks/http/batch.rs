//! Delivery of several events in one request: a batch is what waits when it is its turn.
//!
//! ```text
//! events ─▶ envelope ─▶ one request ─▶ answer ─▶ an outcome for each
//!                           └─ a final status, for several ─▶ each alone, one after the other
//! ```
//!
//! An answer that no retry would change says nothing of which event it is for. So that one that is refused takes no other with
//! it, all go out once more within the same attempt, each as a batch of one, and what counts is what is said of each alone.

use std::cell::RefCell;
use std::slice;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::StatusCode;

use super::super::detail;
use super::HttpSink;
use super::envelope::Envelopes;
use super::outcomes::{kept_bytes, outcomes};
use crate::routes::{Delivery, Failure, FailureKind, LocalFuture, Outcome, Outcomes, Sink};

/// A processor of batches as one worker delivers to it.
pub(in crate::sinks) struct BatchSink {
    http: HttpSink,
    events_max: usize,
    final_statuses: Arc<[StatusCode]>,
    envelopes: RefCell<Envelopes>,
}

impl BatchSink {
    pub(in crate::sinks) fn new(http: HttpSink, events_max: usize, final_statuses: Arc<[StatusCode]>) -> Self {
        Self { http, events_max, final_statuses, envelopes: RefCell::new(Envelopes::new()) }
    }

    async fn attempt(&self, deliveries: &[Delivery]) -> Outcomes {
        let batch = self.envelopes.borrow_mut().batch(deliveries);
        let request = || self.http.processor.template.batch_request(&batch, SystemTime::now());
        match self.http.ask(request, kept_bytes(deliveries.len())).await {
            Ok(answer) => outcomes(answer, deliveries),
            Err(failure) => Outcomes::All(Outcome::Failed(failure)),
        }
    }

    fn is_final(&self, failure: &Failure) -> bool {
        let FailureKind::Status(status) = failure.kind else { return false };
        self.final_statuses.iter().any(|last| last.as_u16() == status)
    }

    /// Of an event that has not failed for good, what is said of those behind it, which are not tried: they would fail alike,
    /// and each could take as long.
    fn stops(&self, outcome: &Outcome) -> Option<Failure> {
        let Outcome::Failed(failure) = outcome else { return None };
        if self.is_final(failure) {
            return None;
        }
        let detail = format!("refused in a batch and not sent alone, since one before it failed: {}", failure.detail);
        Some(Failure { retry_after: failure.retry_after, ..detail::failure(failure.kind, detail) })
    }

    async fn each_alone(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut each = Vec::with_capacity(batch.len());
        for delivery in batch {
            let outcome = match self.attempt(slice::from_ref(delivery)).await {
                Outcomes::All(outcome) => outcome,
                Outcomes::Each(each) | Outcomes::Alone { each, .. } => {
                    each.into_iter().next().unwrap_or_else(|| Outcome::Failed(no_outcome()))
                }
            };
            let stops = self.stops(&outcome);
            each.push(outcome);
            if let Some(failure) = stops {
                each.resize(batch.len(), Outcome::Failed(failure));
                break;
            }
        }
        each
    }
}

impl Sink for BatchSink {
    fn batch_max(&self) -> usize {
        self.events_max
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            let began = Instant::now();
            match self.attempt(batch).await {
                Outcomes::All(Outcome::Failed(failure)) if batch.len() > 1 && self.is_final(&failure) => {
                    let took = began.elapsed();
                    let refused = together(&failure, batch.len());
                    Outcomes::Alone { refused, took, each: self.each_alone(batch).await }
                }
                outcomes => outcomes,
            }
        })
    }
}

/// What nothing is said of has not been delivered.
fn no_outcome() -> Failure {
    detail::failure(FailureKind::BrokenAnswer, "no outcome was given for this event")
}

/// What is told of the refused request to each event that was in it.
fn together(failure: &Failure, events: usize) -> Failure {
    let detail = format!("a batch of {events}, whose events then went out alone: {}", failure.detail);
    Failure { retry_after: failure.retry_after, ..detail::failure(failure.kind, detail) }
}
