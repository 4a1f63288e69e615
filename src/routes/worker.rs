//! The worker threads of a pool, and where they sit.
//!
//! Each worker has a current-thread runtime of its own: deliveries stay on the thread that took them, with its connections.
//! A sink that blocks its thread keeps that worker from everything else meanwhile; such a route wants a pool of its own.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::delivery::SinkFactory;
use super::error::RoutesError;
use super::pool::Pool;
use super::pump::Pump;
use super::route::Route;

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
