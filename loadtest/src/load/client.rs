//! One client thread: its connections, and requests leaving on schedule.
//!
//! ```text
//! pacer ─ a permit per due request ─▶ semaphore ─ first come, first served ─▶ connection ⇄ server
//! ```
//! A request takes the connection that has been idle longest, so that all of them stay in use. When all are busy, due
//! requests wait: that is the server's doing, and counts into their latency. What lies between the moment when a request
//! was due *and* its connection free, and the moment when it left, is the client's doing: its slip.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

use super::connection::{Connection, FailureKind};
use super::id::Ids;
use super::machine::ThreadTime;
use super::pacer::Pacer;
use super::returns::Returns;
use super::schedule::Schedule;
use super::stream::Dial;
use super::supply::Supply;
use super::tally::{Live, Tally, Times};
use super::work::Work;

/// What a client thread is to do.
pub(crate) struct Lane {
    pub(crate) address: SocketAddr,
    /// At least 1.
    pub(crate) connections: usize,
    /// `None` for a closed loop: as fast as the answers come.
    pub(crate) schedule: Option<Schedule>,
    pub(crate) warmup: Duration,
    /// After the warm-up.
    pub(crate) duration: Duration,
    pub(crate) timeout: Duration,
    pub(crate) dial: Dial,
    pub(crate) spin: bool,
    /// Note what was accepted.
    pub(crate) keeps_ids: bool,
    /// What comes back to the client, of which it sends no more than there is room for. In a closed loop only.
    pub(crate) returns: Option<Arc<Returns>>,
    /// Whether this lane's thread is the one that it comes back to.
    pub(crate) receives: bool,
    pub(crate) live: Arc<Live>,
}

/// An event that was answered with success.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) id: [u8; Ids::WIDTH],
    /// When its request left.
    pub(crate) sent: Instant,
    /// When its answer was there.
    pub(crate) answered: Instant,
}

/// How far the run is, as the main thread says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    /// Threads connect.
    Connecting,
    /// Requests are due from this moment on.
    Running(Instant),
    /// To be ended before its time.
    Stopped,
}

/// What a client thread brings back.
pub(crate) struct Yield {
    pub(crate) tally: Tally,
    /// Shares of the run in which the thread was on a core, and in which it was or would have been.
    pub(crate) running: f64,
    pub(crate) runnable: f64,
    /// Share of what was measured in which it had nothing to do.
    pub(crate) idle: f64,
    pub(crate) acknowledged: Vec<Acknowledged>,
}

impl Lane {
    /// Runs the lane on the current thread. Says on `ready` when its connections stand, or why they do not.
    pub(crate) fn drive(
        self,
        supply: Supply,
        ready: &Sender<anyhow::Result<()>>,
        phase: watch::Receiver<Phase>,
    ) -> anyhow::Result<Option<Yield>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.run(supply, ready, phase))
    }

    async fn run(
        self,
        supply: Supply,
        ready: &Sender<anyhow::Result<()>>,
        mut phase: watch::Receiver<Phase>,
    ) -> anyhow::Result<Option<Yield>> {
        let connections = match self.connect().await {
            Ok(connections) => connections,
            Err(error) => {
                let _ = ready.send(Err(error));
                return Ok(None);
            }
        };
        let _ = ready.send(Ok(()));
        let Some(start) = started(&mut phase).await else { return Ok(None) };

        let (work, warm) = (Work::default(), start + self.warmup);
        let pacer = Pacer::new(self.spin.then(|| work.clone()), warm).context("cannot make a timer")?;
        let receiver = self.returns.clone().filter(|_| self.receives).map(|returns| {
            let served = tokio::task::spawn_local(Arc::clone(&returns).serve(work.clone()));
            (returns, served)
        });
        let count = connections.len();
        let flow = Rc::new(Flow::new(self, start, supply, count));
        pacer.until(start).await?;
        let before = ThreadTime::now();
        let mut workers = JoinSet::new();
        for (at, connection) in connections.into_iter().enumerate() {
            let (flow, work) = (Rc::clone(&flow), work.clone());
            workers.spawn_local(async move { work.count(flow.work(at, connection)).await });
        }
        tokio::select! {
            done = flow.pace(&pacer) => done.context("cannot wait for the time of a request")?,
            _ = phase.changed() => {}
        }
        flow.release_last().await;
        let (end, after) = (flow.stop(), ThreadTime::now());
        let grace = flow.lane.timeout.min(GRACE_MAX);
        let _ = tokio::time::timeout(grace, async { while workers.join_next().await.is_some() {} }).await;
        drop(workers);
        if let Some((returns, served)) = receiver {
            returns.settle().await;
            served.abort();
        }

        let seconds = |since| end.saturating_duration_since(since).as_secs_f64().max(f64::EPSILON);
        let elapsed = seconds(start);
        let running = after.running.saturating_sub(before.running).as_secs_f64() / elapsed;
        Ok(Some(Yield {
            running,
            idle: pacer.idle().map_or((1.0 - running).max(0.0), |idle| idle.as_secs_f64() / seconds(warm)),
            runnable: after.runnable.saturating_sub(before.runnable).as_secs_f64() / elapsed,
            acknowledged: flow.acknowledged.take(),
            tally: flow.settle(end),
        }))
    }

    /// Opens all connections, some at a time, so that they do not overrun the server's backlog.
    async fn connect(&self) -> anyhow::Result<Vec<Connection>> {
        let mut connections = Vec::with_capacity(self.connections);
        while connections.len() < self.connections {
            let mut opening = JoinSet::new();
            for _ in 0..CONNECTING_MAX.min(self.connections - connections.len()) {
                opening.spawn_local(Connection::open(self.address, self.dial.clone(), self.timeout));
            }
            while let Some(opened) = opening.join_next().await {
                connections.push(opened?.with_context(|| {
                    format!(
                        "connection {} of {} to {} failed: does the server, or `ulimit -n` here, allow so many?",
                        connections.len() + 1,
                        self.connections,
                        self.address
                    )
                })?);
            }
        }
        Ok(connections)
    }
}

/// What the pacer and the connections of a thread share.
struct Flow {
    lane: Lane,
    start: Instant,
    /// Requests that are due and not yet taken. Closed at the end.
    due: Semaphore,
    /// How many have become due.
    released: Cell<u64>,
    /// How many were taken by a connection.
    taken: Cell<u64>,
    supply: RefCell<Supply>,
    tally: RefCell<Tally>,
    acknowledged: RefCell<Vec<Acknowledged>>,
    /// Per connection, the scheduled time of the request that is under way.
    under_way: Vec<Cell<Option<Instant>>>,
}

impl Flow {
    fn new(lane: Lane, start: Instant, supply: Supply, connections: usize) -> Self {
        Self {
            lane,
            start,
            due: Semaphore::new(0),
            released: Cell::new(0),
            taken: Cell::new(0),
            supply: RefCell::new(supply),
            tally: RefCell::new(Tally::new()),
            acknowledged: RefCell::default(),
            under_way: (0..connections).map(|_| Cell::new(None)).collect(),
        }
    }

    /// Releases requests as they become due, until the end.
    async fn pace(&self, pacer: &Pacer) -> std::io::Result<()> {
        let end = self.end();
        while let Some(schedule) = &self.lane.schedule {
            let next = self.start + schedule.at(self.released.get());
            if next >= end {
                break;
            }
            pacer.until(next).await?;
            self.release(Instant::now());
        }
        pacer.until(end).await
    }

    /// Releases what is due at `now`. Connections call this too after each answer, having just read the clock: on a busy
    /// thread the pacer's timer is looked at only now and then.
    fn release(&self, now: Instant) {
        let Some(schedule) = &self.lane.schedule else { return };
        let elapsed = now.saturating_duration_since(self.start);
        let due = schedule.due(elapsed).min(schedule.within(self.lane.warmup + self.lane.duration));
        let more = due.saturating_sub(self.released.get());
        if more > 0 && !self.due.is_closed() {
            self.released.set(due);
            self.due.add_permits(more as usize);
        }
    }

    /// Releases what has become due by now, and lets it leave as far as there are connections free for it.
    async fn release_last(&self) {
        self.release(Instant::now());
        let is_free = |request: &Cell<Option<Instant>>| request.get().is_none();
        // Bounded because a connection that pauses between two attempts to connect looks free.
        for _ in 0..self.under_way.len() {
            if self.taken.get() == self.released.get() || !self.under_way.iter().any(is_free) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends requests over one connection until the end.
    async fn work(self: Rc<Self>, at: usize, mut connection: Connection) {
        let Some(under_way) = self.under_way.get(at) else { return };
        let mut free_since = self.start;
        let mut head = Vec::new();
        while let Some(scheduled) = self.take(free_since).await {
            let Some((id, body)) = self.supply.borrow_mut().next(&mut head) else { return };
            let left = Instant::now();
            under_way.set(Some(scheduled));
            let exchange = connection.exchange(&head, &body).await;
            under_way.set(None);

            let answered = Instant::now();
            self.lane.live.count(&exchange);
            if let Some(returns) = &self.lane.returns {
                if exchange.is_accepted() { returns.was_accepted() } else { returns.stays() }
            }
            if self.lane.keeps_ids && exchange.is_accepted() {
                self.acknowledged.borrow_mut().push(Acknowledged { id, sent: left, answered });
            }
            let no_connection = exchange.outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::Connect);
            if self.is_measured(scheduled) {
                let times = Times {
                    waited: free_since.saturating_duration_since(scheduled),
                    slip: left.saturating_duration_since(free_since.max(scheduled)),
                    answered: answered.saturating_duration_since(scheduled),
                };
                self.tally.borrow_mut().count(head.len() + body.len(), times, exchange);
            }
            self.release(answered);
            free_since = answered;
            if no_connection {
                tokio::time::sleep(RECONNECT_PAUSE).await;
                free_since = Instant::now();
            }
        }
    }

    /// Waits for a request to be due and takes it: the time it is scheduled for. `None` at the end.
    async fn take(&self, free_since: Instant) -> Option<Instant> {
        let Some(schedule) = &self.lane.schedule else {
            let Some(returns) = &self.lane.returns else { return (!self.due.is_closed()).then_some(free_since) };
            returns.leave().await;
            if self.due.is_closed() {
                returns.stays();
                return None;
            }
            return Some(Instant::now());
        };
        self.due.acquire().await.ok()?.forget();
        let nth = self.taken.replace(self.taken.get() + 1);
        Some(self.start + schedule.at(nth))
    }

    /// No request leaves from now on. The end of what is measured.
    fn stop(&self) -> Instant {
        self.due.close();
        self.end().min(Instant::now())
    }

    /// Accounts for what never left, or was not answered.
    fn settle(&self, end: Instant) -> Tally {
        let mut tally = self.tally.replace(Tally::new());
        let now = Instant::now();
        for scheduled in self.under_way.iter().filter_map(Cell::take) {
            if self.is_measured(scheduled) {
                tally.count_unanswered(now.saturating_duration_since(scheduled));
            }
        }
        if let Some(schedule) = &self.lane.schedule {
            for scheduled in (self.taken.get()..self.released.get()).map(|nth| self.start + schedule.at(nth)) {
                if self.is_measured(scheduled) {
                    tally.count_unsent(end.saturating_duration_since(scheduled));
                }
            }
        }
        tally.scheduled = tally.sent + tally.unsent;
        tally
    }

    fn is_measured(&self, scheduled: Instant) -> bool {
        scheduled >= self.start + self.lane.warmup
    }

    fn end(&self) -> Instant {
        self.start + self.lane.warmup + self.lane.duration
    }
}

async fn started(phase: &mut watch::Receiver<Phase>) -> Option<Instant> {
    loop {
        match *phase.borrow_and_update() {
            Phase::Connecting => {}
            Phase::Running(start) => return Some(start),
            Phase::Stopped => return None,
        }
        phase.changed().await.ok()?;
    }
}

/// How long answers may take once the run is over.
const GRACE_MAX: Duration = Duration::from_secs(5);

/// Connections opened at a time.
const CONNECTING_MAX: usize = 64;

/// Between attempts to connect to a server that is gone: a closed loop would spin.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);
