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

use std::time::Instant;

use crate::sync::Notify;
use crate::sync::atomic::{AtomicBool, Ordering, fence};

/// The bed of one worker.
#[derive(Debug, Default)]
pub(super) struct Sleeper {
    sleeping: AtomicBool,
    notify: Notify,
}

impl Sleeper {
    /// Worker: from here on it may be woken. It has to look for work once more before it sleeps.
    pub(super) fn announce(&self) {
        // A swap, which is no dearer than a store of this ordering: it plainly comes after the last wake's.
        self.sleeping.swap(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
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
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Others: whether waking it could make sense. To be asked after a sequentially consistent fence.
    pub(super) fn is_sleeping(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst)
    }

    /// Others: wakes it, unless it is awake or somebody else is just waking it.
    pub(super) fn wake(&self) -> bool {
        let asleep = self.sleeping.swap(false, Ordering::SeqCst);
        if asleep {
            self.notify.notify_one();
        }
        asleep
    }

    /// Makes the worker look for work, whatever it is doing: for its own tasks, to which this costs no system call, and for
    /// stopping.
    pub(super) fn look_again(&self) {
        self.notify.notify_one();
    }
}
