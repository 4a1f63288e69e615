//! The factory: which sink a route gets, and what it refuses.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use super::testing::{deliver, delivery, failure, on_a_worker, route, sink};
use super::{Handler, factory};
use crate::config::SinkConfig;
use crate::routes::{FailureKind, Outcome, Outcomes};

#[test]
fn discard_takes_everything() {
    let sink = sink(SinkConfig::Discard);
    assert!(sink.batch_max() > 1);
    assert_eq!(on_a_worker(deliver(&*sink, delivery(b"{}"))), Outcome::Delivered);
}

#[test]
fn a_handler_is_given_the_whole_batch() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let handler: Handler = Arc::new(move |batch| {
        kept.lock().unwrap().extend(batch.iter().map(|delivery| delivery.event().body().to_vec()));
        Ok(())
    });
    let sink = factory(&route(SinkConfig::Handler), Some(handler)).unwrap()();
    let batch = [delivery(b"1"), delivery(b"2"), delivery(b"3")];
    assert_eq!(on_a_worker(sink.deliver(&batch)), Outcomes::All(Outcome::Delivered));
    assert_eq!(*seen.lock().unwrap(), [b"1", b"2", b"3"]);
}

#[test]
fn the_error_of_a_handler_is_told() {
    let handler: Handler = Arc::new(|_| Err("the ledger is closed".into()));
    let sink = factory(&route(SinkConfig::Handler), Some(handler)).unwrap()();
    let failure = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::Handler, "the ledger is closed"));
}

#[test]
fn a_route_to_a_handler_that_is_not_registered_cannot_start() {
    let error = factory(&route(SinkConfig::Handler), None).err().unwrap().to_string();
    assert!(error.contains("`billing`") && error.contains("builder"), "{error}");
}
