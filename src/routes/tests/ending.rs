//! Draining, and what it says is lost.

use super::*;

#[test]
fn a_drain_waits_for_what_can_be_delivered() {
    let mut bench = Bench::new(2, vec![(route("a"), sink(ok))]);
    for id in 0..1_000 {
        bench.offer(&id.to_string()).unwrap();
    }
    assert_eq!(bench.routes.drain(Duration::from_mins(1)), []);
    assert_eq!(bench.status("a").delivered, 1_000);
    assert_eq!(bench.offer("late"), Err(Refusal::QueueFull));
}

#[test]
fn a_worker_sleeps_over_no_event_that_a_drain_has_in_its_hands() {
    let mut bench = Bench::new(1, vec![(route("a"), sink(ok))]);
    for id in 1..=1_000 {
        bench.offer(&id.to_string()).unwrap();
        // For about as long as its worker takes to get up.
        bench.wait_for("a", "delivered", |status| {
            (0..1_000).for_each(|_| bench.routes.shared.leave_durable());
            status.delivered == id
        });
    }
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
    assert_eq!(bench.routes.drain(Duration::from_hours(24)).len(), 1);
}

#[test]
fn what_was_given_up_before_the_end_is_written() {
    let mut bench = Bench::new(2, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    for id in 0..200 {
        bench.offer(&id.to_string()).unwrap();
    }
    assert_eq!(bench.routes.drain(Duration::from_mins(1)), []);
    assert_eq!(bench.dead_letters("a").len(), 200);
}
