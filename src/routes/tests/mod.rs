//! The room from its front door: routes are started with small sinks, events are offered, and what must have come of it is
//! waited for.

#![allow(clippy::unwrap_used)]

mod ending;

mod failures;

mod gating;

mod neighbours;

mod resting;
mod room;

mod threads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::config::{
    BacklogConfig, BacklogFull, BreakerConfig, ForwardedHeader, From, FromStart, GatewayConfig, JournalConfig,
    PoolConfig, ProcessConfig, QueueConfig, RetainConfig, RetryConfig, RouteConfig, SinkConfig, TypePattern, WhenFull,
};
use crate::event::{Budget, Event, EventMeta, Found, IdSource, Piece, RecordPool};
use crate::refusal::Refusal;

/// A route that takes everything of source 0, retries at once and never pauses by itself.
pub(in crate::routes) fn route(name: &str) -> RouteConfig {
    RouteConfig {
        name: name.into(),
        from: vec![From { source: 0, types: vec![TypePattern::Any] }],
        signed_type: false,
        conditions: Vec::new(),
        pool: 0,
        in_flight: 8,
        batch: None,
        max_rate: None,
        queue: QueueConfig { events: 1_000, bytes: 1 << 20 },
        when_full: WhenFull::Refuse,
        backlog: BacklogConfig { size: 1 << 40, when_full: BacklogFull::RefuseSource },
        from_start: FromStart::Now,
        retry: RetryConfig {
            attempts: 5,
            first: Duration::ZERO,
            max: Duration::from_mins(1),
            age: Duration::from_hours(1),
            final_statuses: vec![StatusCode::UNPROCESSABLE_ENTITY],
        },
        max_parked: 100_000,
        breaker: BreakerConfig {
            failures: 1_000_000,
            probe_every: Duration::from_millis(5),
            pause_after_dead: 1_000_000,
        },
        to: SinkConfig::Handler,
    }
}

fn pool(name: &str) -> PoolConfig {
    PoolConfig { name: name.into(), workers: None, cpus: Vec::new(), spin: Duration::ZERO }
}

pub(in crate::routes) fn config(routes: Vec<RouteConfig>) -> Config {
    Config {
        polls: Vec::new(),
        quarantine: None,
        warnings: Vec::new(),
        process: ProcessConfig::default(),
        gateway: GatewayConfig {
            listen: Vec::new(),
            io_threads: None,
            max_body: 1 << 20,
            memory_budget: 1 << 30,
            max_connections: 1,
            max_connections_per_address: 1,
            max_requests_per_address: 1,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            health_path: "/healthz".into(),
            head_timeout: Duration::ZERO,
            body_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::ZERO,
            deny_private: false,
            admin: None,
        },
        journal: JournalConfig {
            dir: PathBuf::new(),
            max_size: 0,
            retain: RetainConfig { age: Duration::ZERO, size: 0 },
            segment_size: 0,
            attempts: None,
        },
        sources: Config::parse("[[source]]\nname = \"billing\"\nauth = \"none\"", Path::new("test")).unwrap().sources,
        routes,
        pools: vec![pool("default")],
    }
}

/// Running routes, with all that is needed to offer events to them.
pub(in crate::routes) struct Bench {
    pub(in crate::routes) routes: Routes,
    pub(in crate::routes) dir: TempDir,
    intake: Intake,
    events: Events,
}

impl Bench {
    pub(in crate::routes) fn new(workers: usize, routes: Vec<(RouteConfig, SinkFactory)>) -> Self {
        let (routes, sinks): (Vec<_>, Vec<_>) = routes.into_iter().unzip();
        Self::with(&config(routes), sinks, &[vec![None; workers]])
    }

    fn with(config: &Config, sinks: Vec<SinkFactory>, placement: &[Vec<Option<usize>>]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let routes = Routes::start(config, sinks, placement, &dir.path().join("dead")).unwrap();
        let intake = routes.intake();
        Self { routes, dir, intake, events: Events::new() }
    }

    pub(in crate::routes) fn offer(&mut self, id: &str) -> Result<usize, Refusal> {
        let event = self.events.make(id, b"body");
        let offered = self.intake.offer(0, &event);
        self.intake.wake_workers();
        offered
    }

    pub(in crate::routes) fn status(&self, route: &str) -> RouteStatus {
        self.routes.status().into_iter().find(|status| status.name == route).unwrap()
    }

    /// Waits until the status of the route is like this.
    pub(in crate::routes) fn wait_for(
        &self,
        route: &str,
        what: &str,
        is: impl Fn(&RouteStatus) -> bool,
    ) -> RouteStatus {
        let mut status = self.status(route);
        wait(what, || {
            status = self.status(route);
            is(&status)
        });
        status
    }

    pub(in crate::routes) fn dead_letters(&self, route: &str) -> Vec<Value> {
        let path = self.dir.path().join("dead").join(format!("{route}.ndjson"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Fails the test if it does not come true for so long that it never will.
pub(in crate::routes) fn wait(what: &str, mut is_true: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_mins(1);
    while !is_true() {
        assert!(Instant::now() < give_up, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Events {
    pool: RecordPool,
    ids: IdSource,
}

impl Events {
    fn new() -> Self {
        Self { pool: RecordPool::new(Arc::new(Budget::new(usize::MAX / 2))), ids: IdSource::new() }
    }

    fn make(&mut self, id: &str, body: &[u8]) -> Event {
        let mut draft = self.pool.draft();
        draft.head("billing", "POST", "/hooks/billing");
        draft.header("content-type", b"application/json");
        draft.push_body(body);
        let text = |text| Some(Found { piece: Piece::Head(text), appended: None });
        let meta = EventMeta { event_type: text("invoice.paid"), id: text(id) };
        draft.seal(meta, true, (Instant::now(), SystemTime::now()), &mut self.ids)
    }
}

/// A sink on every worker that does what the function says, once its gate is open.
struct Scripted<F> {
    batch_max: usize,
    answer: Arc<F>,
    gate: Option<Arc<Semaphore>>,
}

impl<F: Fn(&Delivery) -> Outcome> Sink for Scripted<F> {
    fn batch_max(&self) -> usize {
        self.batch_max
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            Outcomes::Each(batch.iter().map(|delivery| (self.answer)(delivery)).collect())
        })
    }
}

pub(in crate::routes) fn sink<F: Fn(&Delivery) -> Outcome + Send + Sync + 'static>(answer: F) -> SinkFactory {
    let answer = Arc::new(answer);
    Arc::new(move || Box::new(Scripted { batch_max: 1, answer: Arc::clone(&answer), gate: None }))
}

/// A sink that takes several at once, and waits before each batch for a permit of the gate.
pub(in crate::routes) fn gated_batches<F: Fn(&Delivery) -> Outcome + Send + Sync + 'static>(
    batch_max: usize,
    gate: &Arc<Semaphore>,
    answer: F,
) -> SinkFactory {
    let (gate, answer) = (Arc::clone(gate), Arc::new(answer));
    Arc::new(move || Box::new(Scripted { batch_max, answer: Arc::clone(&answer), gate: Some(Arc::clone(&gate)) }))
}

/// A sink whose deliveries each wait for a permit of the gate.
pub(in crate::routes) fn gated<F: Fn(&Delivery) -> Outcome + Send + Sync + 'static>(
    gate: &Arc<Semaphore>,
    answer: F,
) -> SinkFactory {
    let (gate, answer) = (Arc::clone(gate), Arc::new(answer));
    Arc::new(move || Box::new(Scripted { batch_max: 1, answer: Arc::clone(&answer), gate: Some(Arc::clone(&gate)) }))
}

pub(in crate::routes) fn closed_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

pub(in crate::routes) fn ok(_: &Delivery) -> Outcome {
    Outcome::Delivered
}

pub(in crate::routes) fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure { kind, detail: format!("answered: {kind}"), retry_after: None })
}

/// Opens a gate for good.
pub(in crate::routes) const ALL: usize = 1 << 40;
