//! From an accepted event to deliveries: matching, queues, pools, retries, dead letters.
//!
//! ```text
//! io-N   Intake::offer ─ table: source, type → routes
//!           │ a place in every matching route, then push; wakes after the answers
//!           ▼
//!        queue ──▶ gate ──▶ pump ──▶ sink ──▶ delivered
//!           one per route     │ one per worker   │ failed
//!                             ◀───── parked ◀────┤ again, later
//! disk                                           └──▶ dead letters
//! ```
//!
//! What a route has taken is delivered, parked or in its dead letters, and holds its place in the bounds of the route's
//! queue until it is one of the first and last. Memory is all there is in this version: what is left when the process ends
//! is lost, and [`Routes::drain`] says how much that is.

mod breaker;

mod counts;

mod dead;

mod delivery;

mod error;

mod gate;

mod intake;

mod lock;

mod parked;

mod pool;

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

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::counts::OfferCounts;
pub use self::delivery::Delivery;
pub(crate) use self::delivery::{Failure, FailureKind, LocalFuture, Outcome, Outcomes, Sink, SinkFactory};
pub(crate) use self::error::RoutesError;
pub(crate) use self::intake::Intake;
use self::lock::lock;
use self::pool::Pool;
use self::route::Route;
use self::start::Threads;
pub(crate) use self::status::RouteStatus;
use self::table::Table;
use crate::config::Config;

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
    /// In the order of the configuration.
    routes: Vec<Arc<Route>>,
    /// Likewise.
    pools: Vec<Arc<Pool>>,
    /// One entry per [`Intake`].
    offer_counts: Mutex<Vec<Arc<[OfferCounts]>>>,
    /// Nothing is taken any more.
    closed: AtomicBool,
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
        let counts: Arc<[OfferCounts]> = self.shared.routes.iter().map(|_| OfferCounts::default()).collect();
        lock(&self.shared.offer_counts).push(Arc::clone(&counts));
        Intake::new(Arc::clone(&self.shared), counts)
    }

    /// Every route as it is now, in the order of the configuration.
    pub(crate) fn status(&self) -> Vec<RouteStatus> {
        RouteStatus::all(&self.shared)
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

    /// Waits until all queues are empty or can no more be emptied in time, at most for `timeout`; then ends the threads.
    /// Blocks its thread meanwhile. To be called when nothing is offered any more.
    ///
    /// Returns the routes that lost events.
    pub(crate) fn drain(&self, timeout: Duration) -> Vec<Lost> {
        let threads = lock(&self.threads).take();
        if let Some(threads) = threads {
            start::wait_until_empty(&self.shared.routes, timeout);
            self.shared.close();
            drop(threads);
        }
        let lost = |route: &Arc<Route>| Lost { route: route.name.to_string(), events: route.undelivered().0 };
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
