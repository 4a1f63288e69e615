//! Workers to which events come fast.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::*;
use crate::routes::pool::Pool;

/// More than makes a worker rest.
const BURST: u64 = 256;

#[test]
fn what_comes_while_workers_rest_is_delivered_though_nobody_may_wake_them() {
    let mut bench = Bench::new(2, vec![(route("a"), sink(ok))]);
    let mut offered = 0;
    for _ in 0..50 {
        for _ in 0..BURST {
            bench.offer(&offered.to_string()).unwrap();
            offered += 1;
        }
        // Each of these comes right after something was delivered: while a worker rests, or on its way into a rest or a sleep.
        for _ in 0..20 {
            bench.wait_for("a", "all are delivered", |status| status.delivered == offered);
            bench.offer(&offered.to_string()).unwrap();
            offered += 1;
        }
        bench.wait_for("a", "all are delivered", |status| status.delivered == offered);
    }
}

#[test]
fn a_resting_worker_is_woken_by_many_events_and_not_by_a_few() {
    let pool = Pool::new("pool", Duration::ZERO, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut rest = pin!(pool.seat(0).sleeper.rest(Instant::now() + Duration::from_hours(1)));
        assert!(poll_fn(|cx| Poll::Ready(rest.as_mut().poll(cx))).await.is_pending());
        pool.wake_one();
        assert!(poll_fn(|cx| Poll::Ready(rest.as_mut().poll(cx))).await.is_pending(), "a few");
        pool.hurry_one();
        rest.await;
        assert!(!pool.seat(0).sleeper.is_down());
    });
}

#[test]
fn a_rest_ends_by_itself() {
    let pool = Pool::new("pool", Duration::ZERO, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(pool.seat(0).sleeper.rest(Instant::now() + Duration::from_millis(1)));
    assert!(!pool.seat(0).sleeper.is_down());
}
