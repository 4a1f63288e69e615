//! How the `dispatch` thread sleeps, and how the journal, workers and `disk` wake it.
//!
//! Waking a thread costs more than delivering an event, so nobody wakes it who need not: the bell is rung when there is
//! something new to read, when a route has room again that it waits for, and for the first event that is done while it
//! sleeps with nothing else to wait for. All else it finds when it is up.

use std::sync::OnceLock;
use std::time::Instant;

use crate::event::Sequence;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::thread::{Thread, current, park, park_timeout};

/// The bell of the `dispatch` thread, and what it lets others see.
#[derive(Debug, Default)]
pub(in crate::routes) struct Bell {
    rung: AtomicBool,
    /// It sleeps until something happens; the next event that is done is something.
    awaits_done: AtomicBool,
    stopping: AtomicBool,
    thread: OnceLock<Thread>,
    /// The journal's end when it last looked.
    end: AtomicU64,
}

impl Bell {
    /// Makes the thread look, unless it is about to. Without a thread it is looked at by the one to come.
    pub(in crate::routes) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// An event is done, of which dispatch can be told by a look at its route.
    pub(in crate::routes) fn tell_done(&self) {
        if self.awaits_done.load(Ordering::SeqCst) && self.awaits_done.swap(false, Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Makes the thread end.
    pub(in crate::routes) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// The journal's end, where routes that are up to date are.
    pub(in crate::routes) fn end(&self) -> Sequence {
        Sequence(self.end.load(Ordering::Relaxed))
    }

    // The `dispatch` thread.

    /// The calling thread is the one to wake.
    pub(super) fn belongs_to_this_thread(&self) {
        let _ = self.thread.set(current());
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// From here on whoever rings means that there is more to look at.
    pub(super) fn hush(&self) {
        self.rung.swap(false, Ordering::SeqCst);
    }

    /// Asks to be told of the next event that is done. What is done already has to be looked for after this.
    pub(super) fn await_done(&self, awaits: bool) {
        self.awaits_done.store(awaits, Ordering::SeqCst);
    }

    /// Sleeps until it is rung or the time has come, whichever is first. May end early.
    pub(super) fn sleep(&self, until: Option<Instant>) {
        if self.rung.load(Ordering::SeqCst) {
            return;
        }
        match until {
            None => park(),
            Some(at) => park_timeout(at.saturating_duration_since(Instant::now())),
        }
    }

    #[cfg(test)]
    pub(super) fn awaits_done(&self) -> bool {
        self.awaits_done.load(Ordering::SeqCst)
    }

    pub(super) fn show_end(&self, end: Sequence) {
        self.end.store(end.0, Ordering::Relaxed);
    }
}
