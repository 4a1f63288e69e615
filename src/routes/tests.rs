//! The room from its front door: routes are started with small sinks, events are offered, and what must have come of it is
//! waited for.

#![allow(clippy::unwrap_used)]

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
    BreakerConfig, From, GatewayConfig, PoolConfig, QueueConfig, RetryConfig, RouteConfig, SinkConfig, TypePattern,
    WhenFull,
};
use crate::event::{Budget, Event, EventMeta, Found, IdSource, Piece, RecordPool};
use crate::refusal::Refusal;

// What is tested with.

/// A route that takes everything of source 0, retries at once and never pauses by itself.
pub(super) fn route(name: &str) -> RouteConfig {
    RouteConfig {
        name: name.into(),
        from: vec![From { source: 0, types: vec![TypePattern::Any] }],
        signed_type: false,
        pool: 0,
        in_flight: 8,
        max_rate: None,
        queue: QueueConfig { events: 1_000, bytes: 1 << 20 },
        when_full: WhenFull::Refuse,
        retry: RetryConfig {
            attempts: 5,
            first: Duration::ZERO,
            max: Duration::from_secs(60),
            age: Duration::from_secs(3_600),
            final_statuses: vec![StatusCode::UNPROCESSABLE_ENTITY],
        },
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

fn config(routes: Vec<RouteConfig>) -> Config {
    Config {
        warnings: Vec::new(),
        gateway: GatewayConfig {
            listen: Vec::new(),
            io_threads: None,
            max_body: 1 << 20,
            memory_budget: 1 << 30,
            max_connections: 1,
            health_path: "/healthz".into(),
            head_timeout: Duration::ZERO,
            body_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::ZERO,
            admin: None,
            admin_token: None,
        },
        data_dir: PathBuf::new(),
        sources: Vec::new(),
        routes,
        pools: vec![pool("default")],
    }
}

/// Running routes, with all that is needed to offer events to them.
struct Bench {
    routes: Routes,
    dir: TempDir,
    intake: Intake,
    events: Events,
}

impl Bench {
    fn new(workers: usize, routes: Vec<(RouteConfig, SinkFactory)>) -> Self {
        let (routes, sinks): (Vec<_>, Vec<_>) = routes.into_iter().unzip();
        Self::with(&config(routes), sinks, &[vec![None; workers]])
    }

    fn with(config: &Config, sinks: Vec<SinkFactory>, placement: &[Vec<Option<usize>>]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let routes = Routes::start(config, sinks, placement, &dir.path().join("dead")).unwrap();
        let intake = routes.intake();
        Self { routes, dir, intake, events: Events::new() }
    }

    fn offer(&mut self, id: &str) -> Result<usize, Refusal> {
        let event = self.events.make(id, b"body");
        let offered = self.intake.offer(0, &event);
        self.intake.wake_workers();
        offered
    }

    fn status(&self, route: &str) -> RouteStatus {
        self.routes.status().into_iter().find(|status| status.name == route).unwrap()
    }

    /// Waits until the status of the route is like this.
    fn wait_for(&self, route: &str, what: &str, is: impl Fn(&RouteStatus) -> bool) -> RouteStatus {
        let mut status = self.status(route);
        wait(what, || {
            status = self.status(route);
            is(&status)
        });
        status
    }

    fn dead_letters(&self, route: &str) -> Vec<Value> {
        let path = self.dir.path().join("dead").join(format!("{route}.ndjson"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Fails the test if it does not come true for so long that it never will.
fn wait(what: &str, mut is_true: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
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

fn sink<F: Fn(&Delivery) -> Outcome + Send + Sync + 'static>(answer: F) -> SinkFactory {
    let answer = Arc::new(answer);
    Arc::new(move || Box::new(Scripted { batch_max: 1, answer: Arc::clone(&answer), gate: None }))
}

/// A sink whose deliveries each wait for a permit of the gate.
fn gated<F: Fn(&Delivery) -> Outcome + Send + Sync + 'static>(gate: &Arc<Semaphore>, answer: F) -> SinkFactory {
    let (gate, answer) = (Arc::clone(gate), Arc::new(answer));
    Arc::new(move || Box::new(Scripted { batch_max: 1, answer: Arc::clone(&answer), gate: Some(Arc::clone(&gate)) }))
}

fn closed_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

fn ok(_: &Delivery) -> Outcome {
    Outcome::Delivered
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure { kind, detail: format!("answered: {kind}"), retry_after: None })
}

/// Opens a gate for good.
const ALL: usize = 1 << 40;

// Matching and room.

#[test]
fn every_matching_route_gets_the_event_with_its_attempt() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = {
        let seen = Arc::clone(&seen);
        sink(move |delivery| {
            let (route, event) = (delivery.route().to_owned(), delivery.event().id().to_owned());
            seen.lock().unwrap().push((route, event, delivery.attempt()));
            Outcome::Delivered
        })
    };
    let other = RouteConfig { from: vec![From { source: 1, types: vec![TypePattern::Any] }], ..route("other") };
    let mut bench = Bench::new(1, vec![(route("a"), record.clone()), (route("b"), record.clone()), (other, record)]);
    assert_eq!(bench.offer("1"), Ok(2));
    bench.wait_for("a", "delivered to a", |status| status.delivered == 1);
    bench.wait_for("b", "delivered to b", |status| status.delivered == 1);
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, [("a".into(), "1".into(), 1), ("b".into(), "1".into(), 1)]);
    assert_eq!(bench.status("other").offered, 0);
}

#[test]
fn an_event_without_a_route_is_taken_by_none() {
    let mut bench = Bench::new(1, vec![]);
    assert_eq!(bench.offer("1"), Ok(0));
}

#[test]
fn where_one_route_has_no_room_and_refuses_no_route_takes_the_event() {
    let full = RouteConfig { queue: QueueConfig { events: 1, bytes: 1 << 20 }, ..route("full") };
    // One before and one after the full one, so that both kinds of giving back are seen.
    let mut bench =
        Bench::new(1, vec![(route("before"), sink(ok)), (full, gated(&closed_gate(), ok)), (route("after"), sink(ok))]);
    assert_eq!(bench.offer("1"), Ok(3));
    assert_eq!(bench.offer("2"), Err(Refusal::QueueFull));
    for name in ["before", "after"] {
        bench
            .wait_for(name, "only the first is delivered", |status| status.delivered == 1 && status.queued_events == 0);
        assert_eq!(bench.status(name).refused, 0);
    }
    let full = bench.status("full");
    assert_eq!((full.offered, full.refused, full.dropped, full.queued_events), (2, 1, 0, 1));
}

#[test]
fn a_route_that_drops_goes_without_and_the_others_do_not() {
    let mut full = RouteConfig { queue: QueueConfig { events: 1, bytes: 1 << 20 }, ..route("full") };
    full.when_full = WhenFull::Drop;
    let mut bench = Bench::new(1, vec![(full, gated(&closed_gate(), ok)), (route("other"), sink(ok))]);
    assert_eq!([bench.offer("1"), bench.offer("2"), bench.offer("3")], [Ok(2); 3]);
    bench.wait_for("other", "all are delivered", |status| status.delivered == 3);
    let full = bench.status("full");
    assert_eq!((full.offered, full.refused, full.dropped, full.queued_events), (3, 0, 2, 1));
}

#[test]
fn the_bound_on_bytes_holds_and_gives_back() {
    let gate = closed_gate();
    let bounded = RouteConfig { queue: QueueConfig { events: 100, bytes: 10 }, ..route("bounded") };
    let mut bench = Bench::new(1, vec![(bounded, gated(&gate, ok))]);
    // Four bytes each.
    assert_eq!([bench.offer("1"), bench.offer("2"), bench.offer("3")], [Ok(1), Ok(1), Err(Refusal::QueueFull)]);
    assert_eq!(bench.status("bounded").queued_bytes, 8);
    gate.add_permits(1);
    bench.wait_for("bounded", "one is delivered", |status| status.queued_bytes == 4);
    assert_eq!(bench.offer("4"), Ok(1));
}

#[test]
fn parked_events_hold_their_place() {
    let mut config = RouteConfig { queue: QueueConfig { events: 1, bytes: 1 << 20 }, ..route("a") };
    config.retry.max = Duration::from_secs(600);
    let wish = Some(Duration::from_secs(600));
    let later = sink(move |_| {
        Outcome::Failed(Failure { kind: FailureKind::Status(503), detail: String::new(), retry_after: wish })
    });
    let mut bench = Bench::new(1, vec![(config, later)]);
    assert_eq!(bench.offer("1"), Ok(1));
    let parked = bench.wait_for("a", "it is parked", |status| status.parked == 1);
    assert_eq!((parked.queued_events, parked.waiting), (1, 0));
    assert!(parked.oldest_undelivered.is_some());
    assert_eq!(bench.offer("2"), Err(Refusal::QueueFull));
}

// Neighbours.

#[test]
fn a_slow_route_costs_its_own_permits_only() {
    let gate = closed_gate();
    let mut bench = Bench::new(1, vec![(route("slow"), gated(&gate, ok)), (route("fast"), sink(ok))]);
    for id in 0..500 {
        assert_eq!(bench.offer(&id.to_string()), Ok(2));
    }
    bench.wait_for("fast", "all are delivered", |status| status.delivered == 500);
    let slow = bench.wait_for("slow", "its permits are out", |status| status.in_flight == 8);
    assert_eq!((slow.delivered, slow.waiting), (0, 492));
    gate.add_permits(ALL);
    bench.wait_for("slow", "all are delivered", |status| status.delivered == 500);
}

#[test]
fn a_worker_blocked_by_its_handler_does_not_keep_events_from_the_others() {
    let (blocked, leave) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let blocking: SinkFactory = {
        let (blocked, leave) = (Arc::clone(&blocked), Arc::clone(&leave));
        Arc::new(move || Box::new(Blocks { blocked: Arc::clone(&blocked), leave: Arc::clone(&leave) }))
    };
    let mut bench = Bench::new(2, vec![(route("a"), blocking)]);
    bench.offer("block").unwrap();
    wait("one worker is blocked", || blocked.load(Ordering::SeqCst));
    for id in 0..100 {
        bench.offer(&id.to_string()).unwrap();
        bench.wait_for("a", "the other worker delivers", |status| status.delivered == id + 1);
    }
    leave.store(true, Ordering::SeqCst);
    bench.wait_for("a", "the blocked one is delivered", |status| status.delivered == 101);
}

/// Blocks its thread with one event, after the pump had time to fall asleep.
struct Blocks {
    blocked: Arc<AtomicBool>,
    leave: Arc<AtomicBool>,
}

impl Sink for Blocks {
    fn batch_max(&self) -> usize {
        1
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            if batch.iter().any(|delivery| delivery.event().id() == "block") {
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.blocked.store(true, Ordering::SeqCst);
                wait("the test lets go", || self.leave.load(Ordering::SeqCst));
            }
            Outcomes::All(Outcome::Delivered)
        })
    }
}

#[test]
fn a_burst_is_spread_over_the_workers() {
    let entered = Arc::new(AtomicUsize::new(0));
    let meet = {
        let entered = Arc::clone(&entered);
        sink(move |_| {
            entered.fetch_add(1, Ordering::SeqCst);
            wait("both workers deliver at once", || entered.load(Ordering::SeqCst) == 2);
            Outcome::Delivered
        })
    };
    let mut bench = Bench::new(2, vec![(RouteConfig { in_flight: 2, ..route("a") }, meet)]);
    for id in ["1", "2"] {
        let event = bench.events.make(id, b"");
        bench.intake.offer(0, &event).unwrap();
    }
    bench.intake.wake_workers();
    bench.wait_for("a", "both are delivered", |status| status.delivered == 2);
}

#[test]
fn deliveries_at_once_reach_in_flight_and_never_exceed_it() {
    let gate = closed_gate();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counting: SinkFactory = {
        let (gate, now, most) = (Arc::clone(&gate), Arc::clone(&now), Arc::clone(&most));
        Arc::new(move || Box::new(Counting { gate: Arc::clone(&gate), now: Arc::clone(&now), most: Arc::clone(&most) }))
    };
    let narrow = RouteConfig { in_flight: 3, queue: QueueConfig { events: 20_000, bytes: 1 << 20 }, ..route("narrow") };
    let mut bench = Bench::new(2, vec![(narrow, counting)]);
    for id in 0..10_000 {
        bench.offer(&id.to_string()).unwrap();
    }
    wait("three at once", || now.load(Ordering::SeqCst) == 3);
    gate.add_permits(ALL);
    bench.wait_for("narrow", "all are delivered", |status| status.delivered == 10_000);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

struct Counting {
    gate: Arc<Semaphore>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Sink for Counting {
    fn batch_max(&self) -> usize {
        1
    }

    fn deliver<'sink>(&'sink self, _: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async {
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            tokio::task::yield_now().await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            Outcomes::All(Outcome::Delivered)
        })
    }
}

#[test]
fn batches_are_as_large_as_the_sink_takes() {
    let gate = closed_gate();
    let batched: SinkFactory = {
        let gate = Arc::clone(&gate);
        Arc::new(move || Box::new(Scripted { batch_max: 16, answer: Arc::new(ok), gate: Some(Arc::clone(&gate)) }))
    };
    let mut bench = Bench::new(1, vec![(RouteConfig { in_flight: 1, ..route("batched") }, batched)]);
    for id in 0..33 {
        bench.offer(&id.to_string()).unwrap();
    }
    bench.wait_for("batched", "the first is in flight", |status| status.in_flight == 1);
    // The first batch is whatever was there when the worker woke; the rest fills up behind it.
    let behind = bench.status("batched").waiting;
    gate.add_permits(1 + behind.div_ceil(16));
    bench.wait_for("batched", "all are delivered in so many batches", |status| status.delivered == 33);
    assert_eq!(gate.available_permits(), 0);
}

// Failures.

#[test]
fn a_failed_event_is_tried_again_until_it_is_delivered() {
    let third_time = sink(|delivery| match delivery.attempt() {
        3 => Outcome::Delivered,
        _ => failed(FailureKind::Timeout),
    });
    let mut bench = Bench::new(2, vec![(route("a"), third_time)]);
    for id in 0..100 {
        bench.offer(&id.to_string()).unwrap();
    }
    let status = bench.wait_for("a", "all are delivered", |status| status.delivered == 100);
    let timeouts = status.failures.iter().find(|(kind, _)| *kind == "timeout").unwrap().1;
    assert_eq!((timeouts, status.dead, status.queued_events, status.parked), (200, 0, 0, 0));
}

#[test]
fn an_event_that_has_had_its_attempts_becomes_a_dead_letter_that_tells_them_all() {
    let statuses = [500, 502, 503, 503, 504];
    let failing = sink(move |delivery| failed(FailureKind::Status(statuses[delivery.attempt() as usize - 1])));
    let mut bench = Bench::new(1, vec![(route("a"), failing)]);
    bench.offer("evt_1").unwrap();
    bench.wait_for("a", "it is dead", |status| status.dead == 1 && status.queued_events == 0);
    let letters = bench.dead_letters("a");
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter["id"], "evt_1");
    assert_eq!(letter["type"], "invoice.paid");
    assert_eq!(letter["source"], "billing");
    assert_eq!(letter["route"], "a");
    assert_eq!(letter["method"], "POST");
    assert_eq!(letter["target"], "/hooks/billing");
    assert_eq!(letter["headers"][0], serde_json::json!(["content-type", "application/json"]));
    assert_eq!(letter["body"], "body");
    assert_eq!(letter["reason"], "attempts");
    let outcomes: Vec<_> = letter["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["status 500", "status 502", "status 503", "status 503", "status 504"]);
    assert_eq!(letter["attempts"][3]["detail"], "answered: status 503");
    assert!(letter["attempts"][0]["at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_body_that_is_not_text_is_kept_as_base64() {
    let mut bench = Bench::new(1, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    let event = bench.events.make("1", b"\xff\x00");
    bench.intake.offer(0, &event).unwrap();
    bench.intake.wake_workers();
    bench.wait_for("a", "it is dead", |status| status.dead == 1);
    let letter = &bench.dead_letters("a")[0];
    assert_eq!((&letter["body_base64"], letter.get("body")), (&Value::from("/wA="), None));
}

#[test]
fn a_final_status_leads_straight_to_the_dead_letters() {
    let mut bench = Bench::new(1, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    bench.offer("1").unwrap();
    bench.wait_for("a", "it is dead", |status| status.dead == 1);
    let letter = &bench.dead_letters("a")[0];
    assert_eq!((letter["reason"].as_str(), letter["attempts"].as_array().unwrap().len()), (Some("final_status"), 1));
}

#[test]
fn a_panicking_sink_has_failed_and_its_worker_lives_on() {
    let panics = sink(|delivery| {
        assert!(delivery.event().id() != "bad", "cannot handle this");
        Outcome::Delivered
    });
    let mut bench = Bench::new(1, vec![(route("a"), panics)]);
    bench.offer("bad").unwrap();
    bench.offer("good").unwrap();
    bench.wait_for("a", "one dead, one delivered", |status| status.dead == 1 && status.delivered == 1);
    let letter = &bench.dead_letters("a")[0];
    assert_eq!(letter["attempts"][4]["outcome"], "handler failed");
    assert_eq!(letter["attempts"][4]["detail"], "panicked: cannot handle this");
}

#[test]
fn an_event_for_which_the_sink_gives_no_outcome_has_failed() {
    struct Silent;
    impl Sink for Silent {
        fn batch_max(&self) -> usize {
            8
        }
        fn deliver<'sink>(&'sink self, _: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
            Box::pin(async { Outcomes::Each(Vec::new()) })
        }
    }
    let mut bench = Bench::new(1, vec![(route("a"), Arc::new(|| Box::new(Silent)))]);
    bench.offer("1").unwrap();
    bench.wait_for("a", "it is dead", |status| status.dead == 1);
}

#[test]
fn dead_letters_that_cannot_be_written_stay_in_memory_until_they_can() {
    let mut bench = Bench::new(1, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    let in_the_way = bench.dir.path().join("dead/a.ndjson");
    std::fs::create_dir(&in_the_way).unwrap();
    bench.offer("1").unwrap();
    bench.offer("2").unwrap();
    bench.wait_for("a", "both have failed", |status| status.failures.iter().map(|(_, count)| count).sum::<u64>() == 2);
    let status = bench.status("a");
    assert_eq!((status.dead, status.queued_events), (0, 2));
    std::fs::remove_dir(&in_the_way).unwrap();
    bench.wait_for("a", "both are written", |status| status.dead == 2 && status.queued_events == 0);
    assert_eq!(bench.dead_letters("a").len(), 2);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_an_error_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Routes::start(&config(vec![]), vec![], &[vec![]], &file.join("dead")).unwrap_err();
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
}

#[test]
fn a_route_without_workers_is_an_error_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let error = Routes::start(&config(vec![route("a")]), vec![sink(ok)], &[vec![]], dir.path()).unwrap_err();
    assert!(matches!(error, RoutesError::NoWorkers { .. }), "{error}");
}

// Breaker, pause, rate.

#[test]
fn an_outage_costs_probes_and_neither_attempts_nor_events() {
    let (down, tried) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let processor = {
        let (down, tried) = (Arc::clone(&down), Arc::clone(&tried));
        sink(move |_| {
            tried.fetch_add(1, Ordering::SeqCst);
            if down.load(Ordering::SeqCst) { failed(FailureKind::Connect) } else { Outcome::Delivered }
        })
    };
    let mut config = RouteConfig { in_flight: 1, ..route("a") };
    config.breaker = BreakerConfig { failures: 3, ..config.breaker };
    config.retry.attempts = 4;
    let mut bench = Bench::new(2, vec![(config, processor)]);
    for id in 0..50 {
        bench.offer(&id.to_string()).unwrap();
    }
    // Many more failures than there are attempts.
    wait("twenty probes", || tried.load(Ordering::SeqCst) >= 23);
    let status = bench.status("a");
    assert_eq!((status.breaker_open, status.dead, status.delivered, status.queued_events), (true, 0, 0, 50));
    assert!(status.in_flight <= 1);
    down.store(false, Ordering::SeqCst);
    let status = bench.wait_for("a", "all are delivered", |status| status.delivered == 50);
    assert_eq!((status.breaker_open, status.dead), (false, 0));
}

#[test]
fn one_probe_goes_out_at_a_time_however_many_workers_there_are() {
    let gate = closed_gate();
    let mut config = route("a");
    config.breaker = BreakerConfig { failures: 1, ..config.breaker };
    let mut bench = Bench::new(3, vec![(config, gated(&gate, |_| failed(FailureKind::Connect)))]);
    bench.offer("0").unwrap();
    gate.add_permits(1);
    bench.wait_for("a", "it opens", |status| status.breaker_open);
    for id in 1..100 {
        bench.offer(&id.to_string()).unwrap();
    }
    let failures = |status: &RouteStatus| status.failures.iter().map(|(_, count)| count).sum::<u64>();
    for probes in 1..=10 {
        bench.wait_for("a", "a probe is out", |status| status.in_flight == 1);
        assert_eq!(failures(&bench.status("a")), probes);
        gate.add_permits(1);
        bench.wait_for("a", "it failed", |status| failures(status) == probes + 1);
    }
}

#[test]
fn a_paused_route_queues_and_a_resumed_one_delivers() {
    let bounded = RouteConfig { queue: QueueConfig { events: 3, bytes: 1 << 20 }, ..route("a") };
    let mut bench = Bench::new(2, vec![(bounded, sink(ok)), (route("b"), sink(ok))]);
    assert!(bench.routes.pause("a"));
    assert_eq!([bench.offer("1"), bench.offer("2"), bench.offer("3")], [Ok(2); 3]);
    assert_eq!(bench.offer("4"), Err(Refusal::QueueFull));
    bench.wait_for("b", "the neighbour delivers", |status| status.delivered == 3);
    let paused = bench.status("a");
    assert_eq!((paused.paused, paused.waiting, paused.delivered), (true, 3, 0));
    assert!(bench.routes.resume("a"));
    bench.wait_for("a", "all are delivered", |status| status.delivered == 3);
    assert!(!bench.routes.pause("nobody") && !bench.routes.resume("nobody"));
}

#[test]
fn dead_letters_without_a_success_between_them_pause_the_route() {
    let wrong = Arc::new(AtomicBool::new(true));
    let processor = {
        let wrong = Arc::clone(&wrong);
        sink(move |_| if wrong.load(Ordering::SeqCst) { failed(FailureKind::Status(422)) } else { Outcome::Delivered })
    };
    let mut config = RouteConfig { in_flight: 1, ..route("a") };
    config.breaker.pause_after_dead = 5;
    let mut bench = Bench::new(2, vec![(config, processor)]);
    for id in 0..20 {
        bench.offer(&id.to_string()).unwrap();
    }
    let status = bench.wait_for("a", "it pauses", |status| status.paused && status.dead == 5);
    assert_eq!((status.waiting, status.delivered), (15, 0));
    wrong.store(false, Ordering::SeqCst);
    bench.routes.resume("a");
    bench.wait_for("a", "the rest is delivered", |status| status.delivered == 15);
    assert_eq!(bench.status("a").dead, 5);
}

#[test]
fn a_limited_route_delivers_everything_in_its_time() {
    let mut bench = Bench::new(2, vec![(RouteConfig { max_rate: Some(500), ..route("a") }, sink(ok))]);
    let start = Instant::now();
    for id in 0..100 {
        bench.offer(&id.to_string()).unwrap();
    }
    bench.wait_for("a", "all are delivered", |status| status.delivered == 100);
    // 2 ms between two, of which 10 ms may be saved up: a machine that is slow only makes it longer.
    assert!(start.elapsed() >= Duration::from_millis(99 * 2 - 10));
}

// Ending.

#[test]
fn a_drain_waits_for_what_can_be_delivered() {
    let mut bench = Bench::new(2, vec![(route("a"), sink(ok))]);
    for id in 0..1_000 {
        bench.offer(&id.to_string()).unwrap();
    }
    assert_eq!(bench.routes.drain(Duration::from_secs(60)), []);
    assert_eq!(bench.status("a").delivered, 1_000);
    assert_eq!(bench.offer("late"), Err(Refusal::QueueFull));
}

#[test]
fn a_drain_says_what_is_lost() {
    let gate = closed_gate();
    let mut bench =
        Bench::new(1, vec![(route("hanging"), gated(&gate, ok)), (route("paused"), sink(ok)), (route("c"), sink(ok))]);
    bench.routes.pause("paused");
    for id in 0..20 {
        bench.offer(&id.to_string()).unwrap();
    }
    let lost = |route: &str| Lost { route: route.into(), events: 20 };
    assert_eq!(bench.routes.drain(Duration::from_millis(50)), [lost("hanging"), lost("paused")]);
    assert_eq!(bench.status("c").delivered, 20);
}

#[test]
fn a_drain_does_not_wait_for_what_cannot_be_delivered_in_time() {
    let mut bench = Bench::new(1, vec![(route("paused"), sink(ok))]);
    bench.routes.pause("paused");
    bench.offer("1").unwrap();
    // Would outlast the test runner's patience.
    assert_eq!(bench.routes.drain(Duration::from_secs(86_400)).len(), 1);
}

#[test]
fn what_was_given_up_before_the_end_is_written() {
    let mut bench = Bench::new(2, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    for id in 0..200 {
        bench.offer(&id.to_string()).unwrap();
    }
    assert_eq!(bench.routes.drain(Duration::from_secs(60)), []);
    assert_eq!(bench.dead_letters("a").len(), 200);
}

// Threads.

#[test]
fn workers_are_named_after_their_pool_and_sit_where_they_are_told() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = {
        let seen = Arc::clone(&seen);
        sink(move |_| {
            let cores = rustix::thread::sched_getaffinity(None).unwrap();
            let name = std::thread::current().name().map(str::to_owned);
            seen.lock().unwrap().push((name, cores.count(), cores.is_set(first_core())));
            Outcome::Delivered
        })
    };
    let mut config = config(vec![RouteConfig { pool: 1, ..route("a") }]);
    config.pools.push(pool("billing"));
    let mut bench = Bench::with(&config, vec![record], &[vec![], vec![Some(first_core())]]);
    bench.offer("1").unwrap();
    bench.wait_for("a", "it is delivered", |status| status.delivered == 1);
    assert_eq!(*seen.lock().unwrap(), [(Some("billing-0".into()), 1, true)]);
}

fn first_core() -> usize {
    let cores = rustix::thread::sched_getaffinity(None).unwrap();
    (0..rustix::thread::CpuSet::MAX_CPU).find(|&core| cores.is_set(core)).unwrap()
}

#[test]
fn a_spinning_worker_delivers_too() {
    let mut config = config(vec![route("a")]);
    config.pools[0].spin = Duration::from_millis(2);
    let mut bench = Bench::with(&config, vec![sink(ok)], &[vec![None]]);
    for id in 0..50 {
        bench.offer(&id.to_string()).unwrap();
        bench.wait_for("a", "it is delivered", |status| status.delivered == id + 1);
    }
}

#[test]
fn under_load_each_event_is_delivered_exactly_once() {
    const PRODUCERS: usize = 4;
    const EACH: usize = 100_000;
    let delivered: Arc<Vec<AtomicUsize>> = Arc::new((0..PRODUCERS * EACH).map(|_| AtomicUsize::new(0)).collect());
    let record = {
        let delivered = Arc::clone(&delivered);
        let answer = Arc::new(move |delivery: &Delivery| {
            let id: usize = delivery.event().id().parse().unwrap();
            delivered[id].fetch_add(1, Ordering::Relaxed);
            Outcome::Delivered
        });
        Arc::new(move || -> Box<dyn Sink> {
            Box::new(Scripted { batch_max: 16, answer: Arc::clone(&answer), gate: None })
        })
    };
    let small = RouteConfig { queue: QueueConfig { events: 512, bytes: 1 << 20 }, in_flight: 4, ..route("a") };
    let bench = Bench::new(2, vec![(small, record)]);
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let mut intake = bench.routes.intake();
            scope.spawn(move || {
                let mut events = Events::new();
                for at in 0..EACH {
                    let event = events.make(&(producer * EACH + at).to_string(), b"");
                    while intake.offer(0, &event).is_err() {
                        intake.wake_workers();
                        std::thread::yield_now();
                    }
                    if at % 7 == 0 {
                        intake.wake_workers();
                    }
                }
                intake.wake_workers();
            });
        }
    });
    assert_eq!(bench.routes.drain(Duration::from_secs(60)), []);
    assert!(delivered.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    assert_eq!(bench.status("a").delivered, (PRODUCERS * EACH) as u64);
}

/// Many small rounds, each of which ends with all workers asleep: one lost wake in any of them and the round never ends.
#[test]
fn no_wake_is_lost() {
    const PRODUCERS: usize = 3;
    const ROUNDS: usize = 1_000;
    let tries_again = sink(|delivery| match delivery.attempt() {
        1 if delivery.event().id() == "3" => failed(FailureKind::Timeout),
        _ => Outcome::Delivered,
    });
    // One of its two permits is out all the time: no delivery that ends by itself makes up for a wake that was lost.
    let gate = closed_gate();
    let hanging: SinkFactory = {
        let gate = Arc::clone(&gate);
        Arc::new(move || Box::new(HangsOn { id: "hang", gate: Arc::clone(&gate) }))
    };
    let narrow = RouteConfig { in_flight: 1, ..route("narrow") };
    let half = RouteConfig { in_flight: 2, ..route("half") };
    let mut bench = Bench::new(3, vec![(narrow, tries_again), (half, hanging), (route("wide"), sink(ok))]);
    bench.offer("hang").unwrap();
    bench.wait_for("half", "it hangs", |status| status.in_flight == 1 && status.waiting == 0);
    std::thread::scope(|scope| {
        // A round that never ends fails the test here, which drops the senders and so ends the producers.
        let starts: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let mut intake = bench.routes.intake();
                let (start, started) = crossbeam_channel::bounded(1);
                scope.spawn(move || {
                    let mut events = Events::new();
                    for round in started {
                        for at in 0..=(round + producer) % 4 {
                            intake.offer(0, &events.make(&at.to_string(), b"")).unwrap();
                            intake.wake_workers();
                            (0..fastrand::u32(..200)).for_each(|_| std::hint::spin_loop());
                        }
                    }
                });
                start
            })
            .collect();
        let mut expected = 1;
        for round in 0..ROUNDS {
            starts.iter().for_each(|start| start.send(round).unwrap());
            expected += (0..PRODUCERS).map(|producer| (round + producer) as u64 % 4 + 1).sum::<u64>();
            for (route, hangs) in [("narrow", 0), ("half", 1), ("wide", 0)] {
                bench.wait_for(route, "the round ends", |status| status.delivered == expected - hangs);
            }
        }
    });
    gate.add_permits(1);
    assert_eq!(bench.routes.drain(Duration::from_secs(60)), []);
}

/// One event at a time, each at a random moment of the worker's way from a delivery to its sleep.
#[test]
fn an_event_that_comes_while_the_worker_falls_asleep_is_delivered() {
    let delivered = Arc::new(AtomicUsize::new(0));
    let count = {
        let delivered = Arc::clone(&delivered);
        sink(move |_| {
            delivered.fetch_add(1, Ordering::SeqCst);
            Outcome::Delivered
        })
    };
    let mut bench = Bench::new(1, vec![(route("a"), count)]);
    for round in 1..=20_000 {
        bench.offer("1").unwrap();
        let give_up = Instant::now() + Duration::from_secs(60);
        while delivered.load(Ordering::SeqCst) < round {
            assert!(Instant::now() < give_up, "never delivered");
            std::thread::yield_now();
        }
        (0..fastrand::u32(..2_000)).for_each(|_| std::hint::spin_loop());
    }
}

/// Holds one event until its gate is opened and delivers all others.
struct HangsOn {
    id: &'static str,
    gate: Arc<Semaphore>,
}

impl Sink for HangsOn {
    fn batch_max(&self) -> usize {
        1
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            if batch.iter().any(|delivery| delivery.event().id() == self.id) {
                self.gate.acquire().await.unwrap().forget();
            }
            Outcomes::All(Outcome::Delivered)
        })
    }
}
