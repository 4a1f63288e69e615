//! From an accepted event to deliveries: matching, queues, pools, retries, dead letters.
//!
//! ```text
//! io-N   Intake::offer ─ table: source, type → routes                    journal ─▶ dispatch ─ table ─┐
//!           │ a place in every matching route, then push; wakes after the answers                    │ as there is room
//!           ▼                                                                                       │
//!        queue ◀──────────────────────────────────────────────────────────────────────────────────────┘
//!          └────▶ gate ──▶ where ──▶ pump ──▶ sink ──▶ delivered
//!           one per route     │ one per worker   │ failed
//!                             ◀───── parked ◀────┤ again, later
//! disk                                           └──▶ dead letters
//! ```
//!
//! Events come in two ways and go on in one. Those of sources with `ack = "memory"` are pushed by io threads; what of them is
//! left when the process ends is lost, and [`Routes::drain`] says how much that is. Those in the journal are pulled by
//! dispatch, are done when they are delivered or in the dead letters, and come again if the process ends before.
//!
//! What a route has taken is delivered, parked or in its dead letters, and holds its place in the bounds of the route's
//! queue until it is one of the first and last. An event of the journal is parked there, and gives its place back too.

mod again;

mod attempts;

mod backlog;

mod breaker;

mod buried;

mod counts;

mod dead;

mod delivery;

mod dispatch;

mod durable;

mod error;

mod filter;

mod from_journal;

mod gate;

mod history;

mod intake;

mod letters;

mod lock;

mod matcher;

mod pace;

mod parked;

mod pool;

mod position;

mod progress;

mod pump;

mod queue;

mod rate;

mod retry;

mod route;

mod sleeper;

mod start;

mod status;

mod table;

mod waiting;

mod worker;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::attempts::fuzz as attempts_fuzz;
pub(crate) use self::attempts::{AttemptsOf, Run, Told, read_attempts};
pub(crate) use self::buried::{Buried, BuriedAttempt, read_buried};
use self::counts::OfferCounts;
use self::dead::DeadLetters;
pub use self::delivery::Delivery;
pub(crate) use self::delivery::{Failure, FailureKind, LocalFuture, Outcome, Outcomes, Sink, SinkFactory};
use self::dispatch::{Bell, Dispatch};
#[cfg(test)]
pub(crate) use self::dispatch::{Day, LONGEST_BACKOFF};
pub(crate) use self::dispatch::{Log, LogError, Waker};
use self::durable::Stand;
pub(crate) use self::error::{ForgetError, RoutesError};
pub(crate) use self::intake::Intake;
pub(crate) use self::letters::LineDigest;
use self::lock::lock;
pub(crate) use self::matcher::Matcher;
use self::pool::Pool;
pub(crate) use self::progress::Progress;
use self::route::Route;
use self::start::Threads;
pub(crate) use self::status::RouteStatus;
use self::table::Table;
pub(crate) use self::table::matches;
use crate::config::Config;
use crate::event::Sequence;
use crate::journal::OpenParked;

/// All routes and the threads that serve them.
#[derive(Debug)]
pub(crate) struct Routes {
    shared: Arc<Shared>,
    /// `None` once drained.
    threads: Mutex<Option<Threads>>,
}

/// What io threads and control see of the routes.
#[derive(Debug)]
struct Shared {
    table: Table,
    /// The index of each source, by its name: that is what the journal knows of it.
    source_names: HashMap<Box<str>, usize>,
    /// In the order of the configuration.
    routes: Vec<Arc<Route>>,
    /// Likewise.
    pools: Vec<Arc<Pool>>,
    /// Removed routes that the journal still keeps events for.
    removed: Mutex<Vec<Removed>>,
    /// Of those, the ones that dispatch is asked to let go.
    forgotten: Mutex<Vec<Arc<str>>>,
    /// By source: a route that it feeds is too far behind to take more.
    refused_sources: Box<[AtomicBool]>,
    bell: Arc<Bell>,
    dead: DeadLetters,
    /// One entry per [`Intake`], and one for dispatch.
    offer_counts: Mutex<Vec<Arc<[OfferCounts]>>>,
    /// Nothing is taken any more.
    closed: AtomicBool,
}

/// A route that is no more configured.
#[derive(Debug)]
struct Removed {
    name: Arc<str>,
    /// The first event that it is not done with and has not parked.
    position: Sequence,
    parked: usize,
    /// Before this it needs nothing of the journal.
    holds_from: Sequence,
    /// Bytes of the journal from there to the end.
    backlog: u64,
}

impl Removed {
    fn new(name: &Arc<str>, stand: Stand) -> Self {
        let Stand { position, holds_from, parked } = stand;
        Self { name: Arc::clone(name), position, parked, holds_from, backlog: 0 }
    }
}

/// Events that a route had taken and that are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The route.
    pub route: String,
    /// How many events.
    pub events: usize,
}

impl Routes {
    /// Starts the worker threads and `disk`. `sinks` has one factory per route; `placement` says for each pool on which core
    /// each of its workers sits (`None`: anywhere), and so how many there are. Dead letters go to `dead_dir`.
    pub(crate) fn start(
        config: &Config,
        sinks: Vec<SinkFactory>,
        placement: &[Vec<Option<usize>>],
        dead_dir: &Path,
    ) -> Result<Self, RoutesError> {
        let (shared, threads) = start::start(config, sinks, placement, dead_dir)?;
        Ok(Self { shared: Arc::new(shared), threads: Mutex::new(Some(threads)) })
    }

    /// An entrance, for one io thread.
    pub(crate) fn intake(&self) -> Intake {
        Intake::new(Arc::clone(&self.shared), self.shared.add_offer_counts())
    }

    /// Starts to deliver what is in the journal, with the routes where `saved` says, and new ones where they are configured
    /// to begin. Progress of routes that are not configured is kept as it is. To be called once, before anything is written
    /// to the journal: with the first of it the places of new routes are recorded.
    /// `parked` are the events that wait for another attempt.
    pub(crate) fn dispatch(
        &self,
        log: impl Log,
        saved: Vec<(Arc<str>, Progress)>,
        parked: Vec<OpenParked>,
    ) -> Result<(), RoutesError> {
        let mut threads = lock(&self.threads);
        let Some(threads) = threads.as_mut() else { return Ok(()) };
        let dispatch = Dispatch::new(Box::new(log), saved, parked, &self.shared, self.shared.add_offer_counts());
        threads.add_dispatch(dispatch.start()?);
        Ok(())
    }

    /// What the journal calls when there is more to read. It may be called before [`Routes::dispatch`] is.
    pub(crate) fn waker(&self) -> Waker {
        Waker::new(Arc::clone(&self.shared.bell))
    }

    /// Every route as it is now, in the order of the configuration.
    pub(crate) fn status(&self) -> Vec<RouteStatus> {
        RouteStatus::all(&self.shared)
    }

    /// Where a route stands: the lowest event of the journal that it is not done with.
    pub(crate) fn position(&self, route: &str) -> Option<Sequence> {
        self.shared.route(route).map(|route| route.durable.position())
    }

    /// Blocks until the log of attempts has those that have ended, at most for `patience`.
    pub(crate) fn write_attempts(&self, patience: Duration) {
        self.shared.dead.write_attempts(patience);
    }

    /// Attempts that are missing in their log, for want of time or room to write them.
    pub(crate) fn attempts_dropped(&self) -> u64 {
        self.shared.dead.attempts_dropped()
    }

    /// Stops the deliveries of a route, which goes on to queue up to its bounds. `false` if there is no such route.
    pub(crate) fn pause(&self, route: &str) -> bool {
        self.shared.route(route).map(|route| route.pause()).is_some()
    }

    /// Allows deliveries again.
    pub(crate) fn resume(&self, route: &str) -> bool {
        let Some(route) = self.shared.route(route) else { return false };
        route.resume();
        self.shared.pools[route.pool].wake_one();
        true
    }

    /// Gives up what the journal keeps for a route that is no more configured.
    pub(crate) fn forget(&self, route: &str) -> Result<(), ForgetError> {
        if self.shared.route(route).is_some() {
            return Err(ForgetError::Configured { route: route.to_owned() });
        }
        let mut removed = lock(&self.shared.removed);
        let Some(at) = removed.iter().position(|removed| *removed.name == *route) else {
            let removed = removed.iter().map(|removed| removed.name.to_string()).collect();
            return Err(ForgetError::Unknown { route: route.to_owned(), removed });
        };
        lock(&self.shared.forgotten).push(removed.remove(at).name);
        self.shared.bell.ring();
        Ok(())
    }

    /// The thread that has ended though nobody has drained the routes: by a fault in hookgate.
    pub(crate) fn fallen_thread(&self) -> Option<String> {
        lock(&self.threads).as_ref().and_then(Threads::fallen)
    }

    /// Hands nothing more out of the journal, and waits until deliveries in flight have ended and no event is left that is
    /// nowhere but in memory, or nothing can be done about it in time, at most for `timeout`; then ends the threads and
    /// has progress recorded. Blocks its thread meanwhile. To be called when nothing is offered any more, and before the
    /// journal ends.
    ///
    /// Returns the routes that lost events. What is in the journal is not lost.
    pub(crate) fn drain(&self, timeout: Duration) -> Vec<Lost> {
        let threads = lock(&self.threads).take();
        if let Some(threads) = threads {
            threads.drain(&self.shared, timeout);
        }
        let lost = |route: &Arc<Route>| Lost { route: route.name.to_string(), events: route.undelivered_in_memory() };
        self.shared.routes.iter().map(lost).filter(|lost| lost.events > 0).collect()
    }
}

/// A gateway that fails to start the rooms after this one does not leave its workers behind.
impl Drop for Routes {
    fn drop(&mut self) {
        self.drain(Duration::ZERO);
    }
}

impl Shared {
    fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| *route.name == *name)
    }

    /// See [`Route::give_up_before`].
    fn give_up_before(&self, route: usize, to: Sequence) {
        let route = &self.routes[route];
        route.give_up_before(to);
        self.pools[route.pool].wake_one();
    }

    /// See [`Route::leave_durable`].
    fn leave_durable(&self) {
        for route in &self.routes {
            route.leave_durable();
            // While an event was in this thread's hands, a worker may have looked and gone to sleep.
            self.pools[route.pool].wake_one();
        }
    }

    fn add_offer_counts(&self) -> Arc<[OfferCounts]> {
        let counts: Arc<[OfferCounts]> = self.routes.iter().map(|_| OfferCounts::default()).collect();
        lock(&self.offer_counts).push(Arc::clone(&counts));
        counts
    }

    fn offer_counts(&self) -> Vec<Arc<[OfferCounts]>> {
        lock(&self.offer_counts).clone()
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}
