//! From an accepted event to deliveries: matching, queues, pools, retries, dead letters.

mod delivery;

pub use delivery::Delivery;
pub(crate) use delivery::{Failure, FailureKind, LocalFuture, Outcome, Outcomes, Sink, SinkFactory};
