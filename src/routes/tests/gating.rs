//! Breaker, pause, rate.

use super::*;

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
fn a_route_with_a_rate_delivers_everything() {
    let mut bench = Bench::new(2, vec![(RouteConfig { max_rate: Some(500), ..route("a") }, sink(ok))]);
    for id in 0..100 {
        bench.offer(&id.to_string()).unwrap();
    }
    bench.wait_for("a", "all are delivered", |status| status.delivered == 100);
}
