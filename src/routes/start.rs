//! Starting the threads of the routes, waiting for them to have nothing left to do, and ending them.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Shared;
use super::dead::DeadLetters;
use super::delivery::SinkFactory;
use super::dispatch::{Bell, Dispatch};
use super::error::RoutesError;
use super::pool::Pool;
use super::route::Route;
use super::table::Table;
use super::worker::start_worker;
use crate::config::Config;

/// The threads of the routes.
#[derive(Debug)]
pub(super) struct Threads {
    pools: Vec<Arc<Pool>>,
    workers: Vec<JoinHandle<()>>,
    dead: DeadLetters,
    disk: Option<JoinHandle<()>>,
    bell: Arc<Bell>,
    dispatch: Option<JoinHandle<Dispatch>>,
}

pub(super) fn start(
    config: &Config,
    sinks: Vec<SinkFactory>,
    placement: &[Vec<Option<usize>>],
    dead_dir: &Path,
) -> Result<(Shared, Threads), RoutesError> {
    assert_eq!(sinks.len(), config.routes.len(), "one sink per route");
    assert_eq!(placement.len(), config.pools.len(), "one list of places per pool");
    let now = Instant::now();
    let attempts_dir = config.journal.attempts_dir();
    let attempts = config.journal.attempts.map(|quota| (attempts_dir.as_path(), quota));
    let (dead, disk) = DeadLetters::start(dead_dir, attempts)?;
    let bell = Arc::new(Bell::default());
    let new_route = |route| Arc::new(Route::new(route, dead.clone(), Arc::clone(&bell), now));
    let routes: Vec<_> = config.routes.iter().map(new_route).collect();
    let pools: Vec<_> = config
        .pools
        .iter()
        .zip(placement)
        .map(|(pool, cores)| Arc::new(Pool::new(&pool.name, pool.spin, cores.len())))
        .collect();
    let mut by_pool: Vec<Vec<_>> = pools.iter().map(|_| Vec::new()).collect();
    for (route, sink) in routes.iter().zip(sinks) {
        by_pool[route.pool].push((Arc::clone(route), sink));
    }
    // From here on whatever is dropped on an error ends its threads.
    let mut threads = Threads {
        pools: pools.clone(),
        workers: Vec::new(),
        dead: dead.clone(),
        disk: Some(disk),
        bell: Arc::clone(&bell),
        dispatch: None,
    };
    threads.start_workers(by_pool, placement)?;
    let shared = Shared {
        table: Table::new(&config.routes),
        source_names: config.origins().map(Into::into).zip(0..).collect(),
        routes,
        pools,
        removed: Mutex::default(),
        forgotten: Mutex::default(),
        refused_sources: config.sources.iter().map(|_| AtomicBool::new(false)).collect(),
        bell,
        dead,
        offer_counts: Mutex::default(),
        closed: AtomicBool::new(false),
    };
    Ok((shared, threads))
}

impl Threads {
    fn start_workers(
        &mut self,
        by_pool: Vec<Vec<(Arc<Route>, SinkFactory)>>,
        placement: &[Vec<Option<usize>>],
    ) -> Result<(), RoutesError> {
        let (ready, started) = crossbeam_channel::unbounded();
        for ((pool, cores), routes) in self.pools.iter().zip(placement).zip(by_pool) {
            let Some((first, _)) = routes.first() else { continue };
            if cores.is_empty() {
                return Err(RoutesError::NoWorkers { pool: pool.name.clone(), route: first.name.to_string() });
            }
            for (worker, &core) in cores.iter().enumerate() {
                let handle = start_worker(Arc::clone(pool), worker, core, routes.clone(), ready.clone())?;
                self.workers.push(handle);
            }
        }
        drop(ready);
        started.iter().collect()
    }

    /// The thread that was started for it.
    pub(super) fn add_dispatch(&mut self, thread: JoinHandle<Dispatch>) {
        self.dispatch = Some(thread);
    }

    /// A thread that has ended though none was asked to: by a fault in hookgate.
    pub(super) fn fallen(&self) -> Option<String> {
        let others = self.disk.iter().find(|thread| thread.is_finished()).map(JoinHandle::thread);
        let dispatch = self.dispatch.iter().find(|thread| thread.is_finished()).map(JoinHandle::thread);
        let worker = self.workers.iter().find(|thread| thread.is_finished()).map(JoinHandle::thread);
        dispatch.or(others).or(worker).map(|thread| thread.name().unwrap_or("thread").to_owned())
    }

    /// Waits until nothing is left, or nothing can be done about what is left, or the time is up; then ends the threads.
    /// What lies in the journal may be left, unless it is in flight.
    pub(super) fn drain(mut self, shared: &Shared, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut dispatch = self.end_dispatch();
        shared.leave_durable();
        let is_done = |route: &Arc<Route>| {
            route.in_flight() == 0 && (route.undelivered_in_memory() == 0 || route.is_stuck_until(deadline))
        };
        while !shared.routes.iter().all(is_done) && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
            if let Some(dispatch) = &mut dispatch {
                dispatch.keep_up();
            }
        }
        shared.close();
        // Ends the threads, after which nothing more is done.
        drop(self);
        if let Some(dispatch) = &mut dispatch {
            dispatch.finish();
        }
    }

    fn end_dispatch(&mut self) -> Option<Dispatch> {
        self.bell.stop();
        join(self.dispatch.take()?, Instant::now() + END_WITHIN)
    }
}

/// Ends the threads.
impl Drop for Threads {
    fn drop(&mut self) {
        self.end_dispatch();
        self.pools.iter().for_each(|pool| pool.stop());
        let patience = Instant::now() + END_WITHIN;
        for worker in self.workers.drain(..) {
            join(worker, patience);
        }
        // After the workers: what they have given up is still written.
        self.dead.stop();
        if let Some(disk) = self.disk.take() {
            join(disk, Instant::now() + END_WITHIN);
        }
    }
}

/// A handler that blocks its thread for good must not keep the process from ending.
fn join<T>(thread: JoinHandle<T>, patience: Instant) -> Option<T> {
    while !thread.is_finished() {
        if Instant::now() >= patience {
            tracing::warn!(thread = thread.thread().name(), "the thread does not end and is left behind");
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let ended = thread.join();
    if ended.is_err() {
        tracing::error!("a thread of the routes has panicked; this is a fault in hookgate");
    }
    ended.ok()
}

/// How often a draining gateway looks whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long a thread may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);
