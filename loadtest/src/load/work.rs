//! Whether a thread that never sleeps has anything to do.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

/// How often the tasks of this thread were polled: one that looks again and again and sees no change has found nothing to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work(Rc<Cell<u64>>);

impl Work {
    /// Runs a task, counting its polls.
    pub(crate) async fn count<F: Future>(&self, task: F) -> F::Output {
        let mut task = pin!(task);
        poll_fn(|context| {
            self.0.set(self.0.get().wrapping_add(1));
            task.as_mut().poll(context)
        })
        .await
    }

    /// The polls so far.
    pub(crate) fn polls(&self) -> u64 {
        self.0.get()
    }
}
