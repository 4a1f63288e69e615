//! A pool: its worker threads, where they sit, and whom to wake.
//!
//! Each worker has a current-thread runtime of its own: deliveries stay on the thread that took them, with its connections.
//! A sink that blocks its thread keeps that worker from everything else meanwhile; such a route wants a pool of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Sender;
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::delivery::SinkFactory;
use super::error::RoutesError;
use super::pump::Pump;
use super::route::Route;
use super::sleeper::Sleeper;

/// The workers of one pool, as others see them.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    /// How long a worker without work looks for some before it sleeps.
    pub(super) spin: Duration,
    seats: Vec<Seat>,
    stopping: AtomicBool,
}

/// What one worker shares with others. Aligned so that two workers never write to one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Seat {
    pub(super) sleeper: Sleeper,
    /// Deliveries in flight on this worker, which alone writes it.
    deliveries: AtomicUsize,
}

impl Pool {
    pub(super) fn new(name: &str, spin: Duration, workers: usize) -> Self {
        Self {
            name: name.to_owned(),
            spin,
            seats: std::iter::repeat_with(Seat::default).take(workers).collect(),
            stopping: AtomicBool::new(false),
        }
    }

    /// How many workers it has.
    pub(super) fn workers(&self) -> usize {
        self.seats.len()
    }

    /// The seat of one worker.
    pub(super) fn seat(&self, worker: usize) -> &Seat {
        &self.seats[worker]
    }

    /// Wakes one worker if one sleeps: the one with the fewest deliveries, since one whose pump sleeps may still be busy
    /// with a delivery. To be called after the work has been pushed.
    pub(super) fn wake_one(&self) {
        // Pairs with the fence in `Sleeper::announce`.
        fence(Ordering::SeqCst);
        while let Some(seat) =
            self.seats.iter().filter(|seat| seat.sleeper.is_sleeping()).min_by_key(|seat| seat.deliveries())
        {
            if seat.sleeper.wake() {
                return;
            }
        }
    }

    /// Tells all workers to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.seats.iter().for_each(|seat| seat.sleeper.look_again());
    }

    /// Whether workers are to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl Seat {
    /// Worker: one more delivery is in flight.
    pub(super) fn delivery_begins(&self) {
        self.deliveries.store(self.deliveries() + 1, Ordering::Relaxed);
    }

    /// Worker: one has ended.
    pub(super) fn delivery_ends(&self) {
        self.deliveries.store(self.deliveries().saturating_sub(1), Ordering::Relaxed);
    }

    fn deliveries(&self) -> usize {
        self.deliveries.load(Ordering::Relaxed)
    }
}

/// Starts one worker. Whether its runtime could be made comes through `ready`.
pub(super) fn start_worker(
    pool: Arc<Pool>,
    worker: usize,
    core: Option<usize>,
    routes: Vec<(Arc<Route>, SinkFactory)>,
    ready: Sender<Result<(), RoutesError>>,
) -> Result<JoinHandle<()>, RoutesError> {
    let name = format!("{}-{worker}", pool.name);
    let failed = {
        let name = name.clone();
        move |source| RoutesError::Thread { name, source }
    };
    let work = {
        let failed = failed.clone();
        move || {
            if let Some(core) = core {
                pin(core);
            }
            match runtime() {
                Ok(runtime) => {
                    let pump = Pump::new(pool, worker, routes);
                    // Nobody listens any more if another worker could not start.
                    let _ = ready.send(Ok(()));
                    drop(ready);
                    runtime.block_on(pump.run());
                }
                Err(source) => {
                    let _ = ready.send(Err(failed(source)));
                }
            }
        }
    };
    std::thread::Builder::new().name(name).spawn(work).map_err(failed)
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// A worker that cannot be pinned works all the same.
fn pin(core: usize) {
    let mut cores = CpuSet::new();
    let pinned = if core < CpuSet::MAX_CPU {
        cores.set(core);
        sched_setaffinity(None, &cores)
    } else {
        Err(rustix::io::Errno::INVAL)
    };
    if let Err(error) = pinned {
        let worker = std::thread::current();
        tracing::warn!(worker = worker.name(), core, %error, "the worker is not pinned: the core is not ours or not there");
    }
}
