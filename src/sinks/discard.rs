//! `to = { discard = true }`: every delivery succeeds at once. It measures what the rest costs.

use super::BATCH_MAX;
use crate::routes::{Delivery, LocalFuture, Outcome, Outcomes, Sink};

/// The sink that keeps nothing.
pub(super) struct Discard;

impl Sink for Discard {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    fn deliver<'sink>(&'sink self, _: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(std::future::ready(Outcomes::All(Outcome::Delivered)))
    }
}
