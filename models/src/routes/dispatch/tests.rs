//! The `dispatch` thread between the journal, which rings for what can be read, and a worker, which tells what is done.

use std::sync::Arc;

use loom::sync::Mutex;

use super::Bell;
use crate::event::Sequence;
use crate::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
struct Seen {
    /// As the journal's end is read, without a lock.
    readable: AtomicUsize,
    done: Mutex<usize>,
}

#[test]
fn nothing_to_read_and_nothing_done_is_slept_through() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (bell, seen) = (Arc::new(Bell::default()), Arc::new(Seen::default()));
        let other = |act: fn(&Bell, &Seen)| {
            let (bell, seen) = (Arc::clone(&bell), Arc::clone(&seen));
            loom::thread::spawn(move || act(&bell, &seen))
        };
        let journal = other(|bell, seen| {
            seen.readable.store(1, Ordering::Release);
            bell.ring();
        });
        let worker = other(|bell, seen| {
            *seen.done.lock().unwrap() += 1;
            bell.tell_done();
        });
        dispatch(&bell, &seen, (1, 1));
        journal.join().unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn an_end_is_not_slept_through() {
    loom::model(|| {
        let (bell, seen) = (Arc::new(Bell::default()), Arc::new(Seen::default()));
        let stopping = Arc::clone(&bell);
        let control = loom::thread::spawn(move || stopping.stop());
        dispatch(&bell, &seen, (1, 0));
        assert!(bell.is_stopping());
        control.join().unwrap();
    });
}

/// As `Dispatch::run` does it, until it has seen so much or is told to stop.
fn dispatch(bell: &Bell, seen: &Seen, expected: (usize, usize)) {
    bell.belongs_to_this_thread();
    let mut found = (0, 0);
    loop {
        bell.hush();
        if bell.is_stopping() {
            return;
        }
        found.0 = seen.readable.load(Ordering::Acquire);
        found.1 += std::mem::take(&mut *seen.done.lock().unwrap());
        bell.show_end(Sequence(found.0 as u64));
        if found == expected {
            return;
        }
        bell.await_done(true);
        if *seen.done.lock().unwrap() == 0 {
            bell.sleep(None);
        }
        bell.await_done(false);
    }
}
