//! Parking. loom's own `unpark` also ends other waits of the thread it is for.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};

loom::thread_local! {
    static CURRENT: Thread = Thread::default();
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Thread(Arc<Parking>);

#[derive(Debug, Default)]
struct Parking {
    token: Mutex<bool>,
    given: Condvar,
}

impl Thread {
    pub(crate) fn unpark(&self) {
        *self.0.token.lock().unwrap() = true;
        self.0.given.notify_one();
    }
}

pub(crate) fn current() -> Thread {
    CURRENT.with(Thread::clone)
}

pub(crate) fn park() {
    let thread = current();
    let mut token = thread.0.token.lock().unwrap();
    while !std::mem::take(&mut *token) {
        token = thread.0.given.wait(token).unwrap();
    }
}

/// Time does not pass in a model: it is always over.
pub(crate) fn park_timeout(_: Duration) {
    loom::thread::yield_now();
}
