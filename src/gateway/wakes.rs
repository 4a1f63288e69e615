//! Waking workers after the answers of a turn are written.
//!
//! A wake of a thread on another core costs more than a request (10–13 µs between virtual cores), and whoever wakes first
//! and answers then makes the provider wait for it. So a request only notes that there is something to do; this task, queued
//! behind the connections that are ready and then behind the answers that they write together (`listen/turns.rs`), wakes one
//! worker per pool for all of them. In a turn of some dozens of connections
//! workers are woken before its end: what they give back is then still in the cache when the next events are written to it.
//! Where turns are short and events come fast, workers rest and need no wake (`routes/pace.rs`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use crate::listen::go_behind;
use crate::routes;

/// Events after which workers are to be woken.
#[derive(Debug, Default)]
pub(super) struct PendingWakes {
    /// So many since workers were last hurried.
    events: Cell<usize>,
    /// The task that wakes workers is about to.
    is_signalled: Cell<bool>,
    signal: Notify,
}

/// Events for which workers are hurried, in whatever turns they come. If all of them are of one turn, their answers may have yet
/// to be written; a wake is little beside so many.
const EVENTS_AT_ONCE: usize = 32;

impl PendingWakes {
    /// So many events were handed to routes.
    pub(super) fn note(&self, events: usize, routes: &mut routes::Intake) {
        self.events.set(self.events.get() + events);
        if self.events.get() >= EVENTS_AT_ONCE {
            self.events.set(0);
            routes.hurry_workers();
        } else if !self.is_signalled.replace(true) {
            self.signal.notify_one();
        }
    }

    /// Runs beside the connections of an io thread, for as long as it does.
    pub(super) async fn run(self: Rc<Self>, routes: Rc<RefCell<routes::Intake>>) {
        loop {
            self.signal.notified().await;
            go_behind().await;
            self.is_signalled.set(false);
            routes.borrow_mut().wake_workers();
        }
    }
}
