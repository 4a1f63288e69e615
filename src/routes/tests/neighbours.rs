//! What routes and workers that share threads do to each other: nothing.

use super::*;

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
