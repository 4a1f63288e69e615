//! What has no webhook: asked for at an interval, and then an event like any other.
//!
//! ```text
//! schedule.rs: when
//!    └─▶ run.rs   URL with the cursor ─▶ fetch.rs: a page ─▶ page.rs: records, next page ─▶ an event each ─▶ journal::Entrance
//!                      ▲                   └ token.rs                                                         │ all safe
//!                      └───────────── memory.rs: saved and synced ◀── after the last page ◀───────────────────┘
//! ```
//!
//! The cursor is saved when all events of a run are safe and not before: a process that dies in between asks for the same
//! records again, and the duplicates window of their source knows them. All polls run on one thread, `poll`.

mod advance;

mod fetch;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

mod memory;

mod observed;

mod page;

mod run;

mod schedule;

mod stopped;

mod target;

mod token;

mod trouble;

mod validators;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};

use self::observed::Command;
pub(crate) use self::observed::{NotDone, ObservedPoll, PollCounts, PollStatus, Taken};
use self::run::{Poller, Shared};
pub(crate) use self::stopped::{reset_stopped, stopped};
use crate::config::Config;
use crate::event::{Budget, RecordPool};
use crate::journal::Journal;
use crate::sinks::SinkError;

/// The polls of a configuration, not yet running: what is told to them meanwhile waits.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) observed: Vec<Arc<ObservedPoll>>,
    commands: Vec<mpsc::Receiver<Command>>,
}

/// The running polls. They end when this is dropped; what is not safe by then is asked for again at the next start.
#[derive(Debug)]
pub(crate) struct Polls {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why polls cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PollError {
    /// The URL, the credentials or the certificates of one.
    #[error("a poll cannot ask its server: {0}")]
    Server(#[from] SinkError),
    /// The thread, or the directory of the cursors.
    #[error("the polls cannot start: {0}")]
    Io(#[from] io::Error),
}

impl Ready {
    /// Those of this configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let (observed, commands) = ObservedPoll::of(config);
        Self { observed, commands }
    }
}

impl Polls {
    /// Starts the thread. `ready` is of the same configuration.
    pub(crate) fn start(
        config: &Config,
        journal: Arc<Journal>,
        budget: Arc<Budget>,
        ready: Ready,
    ) -> Result<Self, PollError> {
        let folder = config.journal.dir.join(FOLDER);
        std::fs::create_dir_all(&folder)?;
        let mut pollers = Vec::with_capacity(config.polls.len());
        let parts = ready.observed.into_iter().zip(ready.commands);
        for ((at, poll), (observed, commands)) in config.polls.iter().enumerate().zip(parts) {
            let origin = poll.fills.unwrap_or(config.sources.len() + at);
            let source = config.origins().nth(origin).unwrap_or_default();
            pollers.push((Poller::new(poll, (origin, source), &folder, observed)?, commands));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("poll".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                let shared = Rc::new(Shared { journal: journal.entrance(), records: RecordPool::new(budget) });
                for (poller, commands) in pollers {
                    spawn_local(poller.go(Rc::clone(&shared), commands));
                }
                spawn_local(sweep(shared));
                let _ = stopped.await;
            });
            // A name that is being looked up keeps nobody waiting.
            runtime.shutdown_background();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Polls {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the polls panicked; nothing that they took is lost");
        }
    }
}

/// Of the journal's directory.
const FOLDER: &str = "poll";

/// Keeps the deadlines of what was handed to the journal.
async fn sweep(shared: Rc<Shared>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        shared.journal.sweep(Instant::now());
    }
}
