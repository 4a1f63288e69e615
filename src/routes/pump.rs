//! The loop of one worker: takes what its routes may deliver, starts the deliveries, sleeps when there is nothing to do.
//!
//! ```text
//!          ┌──────────────── yield: the deliveries run ◀──────────────┐
//!          ▼                                                          │ something was started
//! turn: for each route, a different one first each time ──────────────┤
//!       its share of { permit, pass of the gate, events }             │ nothing, and `spin` is over
//!          ▲                                                          ▼
//!          ├── a moment later ◀───────────────────────── rest, once, if events came fast
//!          └── woken: work, a settled delivery, the time ◀── announce, one more turn, sleep
//! ```

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use tokio::task::{spawn_local, yield_now};

use super::delivery::{Delivery, Failure, FailureKind, Outcome, Outcomes, Sink, SinkFactory};
use super::pace::{Pace, REST};
use super::pool::{Pool, Seat};
use super::route::{Batch, Route, Take};
use crate::failpoint;

/// The loop of one worker.
pub(super) struct Pump {
    pool: Arc<Pool>,
    worker: usize,
    lanes: Vec<Rc<Lane>>,
    /// The lane that is served first in the next turn.
    first: usize,
    pace: Pace,
}

/// A route's end on this worker.
struct Lane {
    route: Arc<Route>,
    sink: Box<dyn Sink>,
    batch_max: usize,
    /// Deliveries it may start in one turn: this worker's part of the route's permits, so that a burst is spread over the
    /// workers, and no more than [`TURN_MAX`], so that no route keeps others waiting.
    share: usize,
}

/// What a turn came to.
struct Turn {
    started: bool,
    /// When it began.
    at: Instant,
    /// The earliest time at which a route that could deliver nothing may be able to.
    next: Option<Instant>,
}

impl Pump {
    /// Makes the sinks of this worker.
    pub(super) fn new(pool: Arc<Pool>, worker: usize, routes: Vec<(Arc<Route>, SinkFactory)>) -> Self {
        let lanes = routes
            .into_iter()
            .map(|(route, make_sink)| {
                let sink = make_sink();
                let share = (route.in_flight_max / pool.workers().max(1)).clamp(1, TURN_MAX);
                Rc::new(Lane { batch_max: sink.batch_max().max(1), route, sink, share })
            })
            .collect();
        Self { pool, worker, lanes, first: worker, pace: Pace::new(Instant::now()) }
    }

    /// Works until the pool stops. Deliveries that are then in flight end with the runtime.
    pub(super) async fn run(mut self) {
        let pool = Arc::clone(&self.pool);
        let sleeper = &pool.seat(self.worker).sleeper;
        let mut idle_since = None;
        let mut rests_until = None;
        while !pool.is_stopping() {
            let turn = self.turn();
            if turn.started {
                idle_since = None;
                rests_until = None;
                yield_now().await;
                continue;
            }
            if !pool.spin.is_zero() {
                let since = *idle_since.get_or_insert_with(Instant::now);
                if since.elapsed() < pool.spin {
                    yield_now().await;
                    continue;
                }
                idle_since = None;
            } else if self.pace.is_fast() {
                let until = *rests_until.get_or_insert(turn.at + REST);
                if turn.at < until {
                    sleeper.rest(turn.next.map_or(until, |next| next.min(until))).await;
                    continue;
                }
            }
            sleeper.announce();
            let last_look = self.turn();
            if !last_look.started {
                sleeper.sleep(last_look.next).await;
            }
            sleeper.rise();
        }
    }

    fn turn(&mut self) -> Turn {
        let now = Instant::now();
        let mut turn = Turn { started: false, at: now, next: None };
        let mut taken = 0;
        let mut more_than_a_share = false;
        self.first = self.first.wrapping_add(1);
        for offset in 0..self.lanes.len() {
            let lane = &self.lanes[self.first.wrapping_add(offset) % self.lanes.len()];
            let mut started = 0;
            while started < lane.share {
                match lane.route.take(lane.batch_max, now) {
                    Take::Batch(batch) => {
                        taken += batch.events().len() as u64;
                        spawn_local(deliver(Arc::clone(&self.pool), self.worker, Rc::clone(lane), batch));
                        self.pool.seat(self.worker).delivery_begins();
                        started += 1;
                    }
                    Take::NotBefore(at) => {
                        turn.next = Some(turn.next.map_or(at, |next| next.min(at)));
                        break;
                    }
                    Take::Nothing => break,
                }
            }
            turn.started |= started > 0;
            more_than_a_share |= started == lane.share && lane.route.has_waiting();
        }
        self.pace.note(taken, now);
        if more_than_a_share {
            self.pool.wake_one();
        }
        turn
    }
}

/// Most deliveries that are started for one route in one turn.
const TURN_MAX: usize = 64;

/// One delivery, from the batch to its outcome. Afterwards this worker looks for work: see [`Route`].
async fn deliver(pool: Arc<Pool>, worker: usize, lane: Rc<Lane>, batch: Batch) {
    let deliveries: Vec<Delivery> = batch
        .events()
        .iter()
        .map(|waiting| {
            Delivery::new(waiting.event().clone(), Arc::clone(&lane.route.name), waiting.failed_attempts() + 1)
        })
        .collect();
    // Inside the future, so that a panic before the sink's first await is caught too.
    let outcomes = catch_panic(async { lane.sink.deliver(&deliveries).await }).await;
    drop(deliveries);
    failpoint::pass("delivery.answered");
    lane.route.settle(batch, outcomes, Instant::now());
    failpoint::pass("delivery.settled");
    let seat: &Seat = pool.seat(worker);
    seat.delivery_ends();
    seat.sleeper.look_again();
}

/// A sink that panics has failed; its worker lives on.
async fn catch_panic(delivery: impl Future<Output = Outcomes>) -> Outcomes {
    let mut delivery = pin!(delivery);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| delivery.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Outcomes::All(Outcome::Failed(panicked(&*panic)))),
    })
    .await
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default();
    let mut detail = format!("panicked: {said}");
    detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
    Failure { kind: FailureKind::Handler, detail, retry_after: None }
}

/// See [`Failure::detail`].
const DETAIL_BYTES_MAX: usize = 512;
