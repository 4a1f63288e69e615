//! The sleeping flag of workers, and the bell of the `dispatch` thread.

mod dispatch {
    #[path = "../../../../src/routes/dispatch/bell.rs"]
    mod bell;

    pub(super) use bell::Bell;

    mod tests;
}

#[path = "../../../src/routes/pool.rs"]
mod pool;

#[path = "../../../src/routes/sleeper.rs"]
mod sleeper;

use std::sync::Arc;
use std::time::Duration;

use loom::future::block_on;

use self::pool::Pool;
use crate::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn no_push_is_slept_through() {
    work_is_done(1, 2);
}

#[test]
fn of_two_workers_one_wakes_and_both_end() {
    work_is_done(2, 1);
}

/// Each of the producers pushes one piece of work. Whoever does the last tells all workers to end.
fn work_is_done(workers: usize, producers: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let pool = Arc::new(Pool::new("pool", Duration::ZERO, workers));
        let work = Arc::new(Work { waiting: AtomicUsize::new(0), left: AtomicUsize::new(producers) });
        let mut threads = Vec::new();
        for worker in 0..workers {
            let (pool, work) = (Arc::clone(&pool), Arc::clone(&work));
            threads.push(loom::thread::spawn(move || run(&pool, worker, &work)));
        }
        // This thread is the last producer.
        for _ in 1..producers {
            let (pool, work) = (Arc::clone(&pool), Arc::clone(&work));
            threads.push(loom::thread::spawn(move || push(&pool, &work)));
        }
        push(&pool, &work);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(work.left.load(Ordering::Relaxed), 0);
    });
}

/// A queue that promises no more than a queue must: whoever takes a piece of work sees what was done before it was pushed.
struct Work {
    waiting: AtomicUsize,
    left: AtomicUsize,
}

fn push(pool: &Pool, work: &Work) {
    work.waiting.fetch_add(1, Ordering::Release);
    pool.wake_one();
}

/// As `Pump::run` does it.
fn run(pool: &Pool, worker: usize, work: &Work) {
    let sleeper = &pool.seat(worker).sleeper;
    while !pool.is_stopping() {
        if turn(pool, work) {
            continue;
        }
        sleeper.announce();
        if !turn(pool, work) {
            block_on(sleeper.sleep(None));
        }
        sleeper.rise();
    }
}

/// `true` if there was something to do.
fn turn(pool: &Pool, work: &Work) -> bool {
    let waiting = work.waiting.load(Ordering::Acquire);
    let took = waiting > 0
        && work.waiting.compare_exchange(waiting, waiting - 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
    if took && work.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        pool.stop();
    }
    // Somebody else was faster: there may be more.
    waiting > 0
}
