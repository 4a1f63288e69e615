//! What `src/sync.rs` has, of loom's parts.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use loom::sync::Mutex;
pub(crate) use loom::sync::atomic;

pub(crate) mod mpsc;

pub(crate) mod thread;

/// tokio's, for one task that waits.
#[derive(Debug, Default)]
pub(crate) struct Notify(Mutex<Notified>);

#[derive(Debug, Default)]
struct Notified {
    permit: bool,
    waiting: Option<Waker>,
}

impl Notify {
    pub(crate) fn notify_one(&self) {
        let mut notified = self.0.lock().unwrap();
        notified.permit = true;
        let waiting = notified.waiting.take();
        drop(notified);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    pub(crate) fn notified(&self) -> impl Future<Output = ()> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut notified = self.0.lock().unwrap();
            if std::mem::take(&mut notified.permit) {
                return Poll::Ready(());
            }
            notified.waiting = Some(waker);
            Poll::Pending
        })
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// Of the one thread of a model that spawns any.
    static TASKS: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

/// As in a `LocalSet`.
pub(crate) fn spawn_local(task: impl Future<Output = ()> + 'static) {
    TASKS.with_borrow_mut(|tasks| tasks.push(Box::pin(task)));
}

/// Polls what was spawned, and forgets what has ended.
pub(crate) fn run_spawned(context: &mut Context<'_>) {
    let mut tasks = TASKS.take();
    tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
    TASKS.with_borrow_mut(|more| more.append(&mut tasks));
}

/// Ends what was spawned. At the end of each execution: what loom has made must not outlive it.
pub(crate) fn end_spawned() {
    drop(TASKS.take());
}
