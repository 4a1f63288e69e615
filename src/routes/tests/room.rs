//! Who gets an event, and for whom there is room.

use super::*;

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
    config.retry.max = Duration::from_mins(10);
    let wish = Some(Duration::from_mins(10));
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
