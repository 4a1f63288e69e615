//! How a worker sleeps, and how it is woken without losing a wake.
//!
//! Waking a thread costs its waker more than a whole request does, so whoever has pushed work looks first whether somebody
//! sleeps, and wakes one. For that to lose nothing both sides must do things in this order:
//!
//! ```text
//! worker                         whoever gives it work
//! announce()   "I will sleep"    push the work
//! look for work once more        fence
//! sleep()                        is somebody sleeping? wake()
//! ```
//!
//! Either the worker's last look sees the work, or the other side sees the announcement.
//!
//! A worker that gets events fast rests before it sleeps (`pace.rs`): it looks again by itself after a moment, so that nobody
//! has to wake it, though one who has many events for it may.

use std::time::Instant;

use crate::sync::Notify;
use crate::sync::atomic::{AtomicU8, Ordering, fence};

/// The bed of one worker.
#[derive(Debug, Default)]
pub(super) struct Sleeper {
    state: AtomicU8,
    notify: Notify,
}

/// What [`Sleeper::state`] can be.
const AWAKE: u8 = 0;
/// Up again by itself before long.
const RESTING: u8 = 1;
const ASLEEP: u8 = 2;

impl Sleeper {
    /// Worker: from here on it may be woken. It has to look for work once more before it sleeps.
    pub(super) fn announce(&self) {
        // A swap, which is no dearer than a store of this ordering: it plainly comes after the last wake's.
        self.state.swap(ASLEEP, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Worker: waits until the time has come, unless it is hurried. What is pushed meanwhile it has to look for then.
    pub(super) async fn rest(&self, until: Instant) {
        self.state.store(RESTING, Ordering::Relaxed);
        self.sleep(Some(until)).await;
        self.rise();
    }

    /// Worker: waits until it is woken or the time has come, whichever is first.
    pub(super) async fn sleep(&self, until: Option<Instant>) {
        let woken = self.notify.notified();
        match until {
            None => woken.await,
            Some(at) => {
                // Both ends of the wait mean the same: look for work.
                let _ = tokio::time::timeout_at(at.into(), woken).await;
            }
        }
    }

    /// Worker: it is up and looks for work by itself.
    pub(super) fn rise(&self) {
        self.state.store(AWAKE, Ordering::Relaxed);
    }

    /// Others: whether waking it could make sense. To be asked after a sequentially consistent fence.
    pub(super) fn is_sleeping(&self) -> bool {
        self.state.load(Ordering::SeqCst) == ASLEEP
    }

    /// Others: whether it sleeps or rests.
    pub(super) fn is_down(&self) -> bool {
        self.state.load(Ordering::SeqCst) != AWAKE
    }

    /// Others: wakes it, unless it is awake or somebody else is just waking it.
    pub(super) fn wake(&self) -> bool {
        let was_down = self.state.swap(AWAKE, Ordering::SeqCst) != AWAKE;
        if was_down {
            self.notify.notify_one();
        }
        was_down
    }

    /// Makes the worker look for work, whatever it is doing: for its own tasks, to which this costs no system call, and for
    /// stopping.
    pub(super) fn look_again(&self) {
        self.notify.notify_one();
    }
}
