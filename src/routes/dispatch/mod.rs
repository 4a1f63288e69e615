//! The `dispatch` thread: moves every route's position along the journal, and hands what it passes to the routes' queues.
//!
//! ```text
//!   journal   ─── sequences ───────────────────────────────▶ end
//!                  ▲ b            ▲ a, c: one block for both
//!                  └ behind: its queue was full, its processor down, or it is new
//!
//!   turn: what is done ─▶ positions       for each place at which routes with room stand, the one furthest behind first:
//!         read a block once ─▶ match ─▶ a place in the queue ─▶ push       then wake one worker of each pool
//! ```
//!
//! Nobody pushes events of the journal into a route but this thread. A full queue means that the position of that route
//! stands still, and no other's; being behind is a number, the lag. An event that fails is appended to the journal again and
//! handed out when it is due, so that it holds neither its place nor the segment it came in. What a route is done with is recorded in the journal
//! now and then, and a route goes on from there when the process starts again: what was not recorded comes again.

mod ages;

mod begin;

mod bell;

mod block;

mod clock;

mod log;

mod machine;

mod outlets;

mod parked;

mod removed;

mod thread;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(super) use self::bell::Bell;
pub(crate) use self::log::{Log, LogError};
#[cfg(test)]
pub(crate) use self::tests::{Day, LONGEST_BACKOFF};
pub(super) use self::thread::Dispatch;

/// Tells the `dispatch` thread that there is more to read in the journal.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<Bell>);

impl Waker {
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        Self(bell)
    }

    /// To be called after events have become safe, once for all of them: it may wake the thread, which costs 10 µs and more.
    pub(crate) fn wake(&self) {
        self.0.ring();
    }
}
