//! What has no webhook: asked for at an interval, and then an event like any other.
//!
//! ```text
//! run.rs   URL with the cursor ─▶ fetch.rs: a page ─▶ page.rs: records, next page ─▶ an event each ─▶ journal::Entrance
//!               ▲                                                                                      │ all safe
//!               └──────────────── cursor.rs: saved and synced ◀── after the last page ◀────────────────┘
//! ```
//!
//! The cursor is saved when all events of a run are safe and not before: a process that dies in between asks for the same
//! records again, and the duplicates window of their source knows them. All polls run on one thread, `poll`.

mod counts;

mod cursor;

mod fetch;

mod page;

mod run;

mod target;

mod trouble;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

pub(crate) use self::counts::PollCounts;
use self::run::{Poller, Shared};
use crate::config::Config;
use crate::event::{Budget, RecordPool};
use crate::journal::Journal;
use crate::sinks::{Server, SinkError};

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

impl Polls {
    /// Starts the thread. `counts` has one for each poll, as [`PollCounts::of`] makes them.
    pub(crate) fn start(
        config: &Config,
        journal: Arc<Journal>,
        budget: Arc<Budget>,
        counts: &[Arc<PollCounts>],
    ) -> Result<Self, PollError> {
        let mut pollers = Vec::with_capacity(config.polls.len());
        for ((at, poll), counts) in config.polls.iter().enumerate().zip(counts) {
            let server = Server::new(&poll.name, &poll.server)?;
            let origin = poll.fills.unwrap_or(config.sources.len() + at);
            let source = config.origins().nth(origin).unwrap_or_default();
            let folder = config.journal.dir.join("poll");
            pollers.push(Poller::new(poll, (origin, source), server, &folder, Arc::clone(counts))?);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("poll".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                let shared = Rc::new(Shared { journal: journal.entrance(), records: RecordPool::new(budget) });
                for poller in pollers {
                    spawn_local(poller.go(Rc::clone(&shared)));
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

/// Keeps the deadlines of what was handed to the journal.
async fn sweep(shared: Rc<Shared>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        shared.journal.sweep(Instant::now());
    }
}
