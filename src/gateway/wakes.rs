//! Waking workers after the answers of a turn are written.
//!
//! A wake of a thread on another core costs more than a request (10–13 µs between virtual cores), and whoever wakes first
//! and answers then makes the provider wait for it. So a request only notes that there is something to do; this task, queued
//! behind the connections that are ready, wakes one worker per pool for all of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use crate::routes;

/// Events that workers have not been told of.
#[derive(Debug, Default)]
pub(super) struct PendingWakes {
    any: Cell<bool>,
    signal: Notify,
}

impl PendingWakes {
    /// Something was handed to a route.
    pub(super) fn note(&self) {
        if !self.any.replace(true) {
            self.signal.notify_one();
        }
    }

    /// Runs beside the connections of an io thread, for as long as it does.
    pub(super) async fn run(self: Rc<Self>, routes: Rc<RefCell<routes::Intake>>) {
        loop {
            self.signal.notified().await;
            self.any.set(false);
            routes.borrow_mut().wake_workers();
        }
    }
}
