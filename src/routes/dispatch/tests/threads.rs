//! The thread with real routes, workers and sinks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::fake::Disk;
use crate::config::{FromStart, QueueConfig, RouteConfig};
use crate::event::{Event, Sequence};
use crate::journal::Parked;
use crate::routes::tests::{ALL, Bench, closed_gate, failed, gated, ok, route, sink, wait};
use crate::routes::{Delivery, FailureKind, Log, Lost, Outcome, Progress, SinkFactory};

/// Every sequence is an event.
#[expect(clippy::unnecessary_wraps, reason = "other journals have gaps")]
fn all(_: u64) -> Option<&'static str> {
    Some("invoice.paid")
}

fn small(name: &str, events: usize) -> RouteConfig {
    RouteConfig { queue: QueueConfig { events, bytes: 1 << 20 }, ..route(name) }
}

/// Routes that read from this disk what was synced to it.
fn bench(disk: &Arc<Disk>, workers: usize, routes: Vec<(RouteConfig, SinkFactory)>) -> Bench {
    let bench = Bench::new(workers, routes);
    bench.routes.dispatch(disk.log(), disk.synced(), disk.open()).unwrap();
    bench
}

fn append(bench: &Bench, disk: &Disk, sequences: u64) {
    disk.append(sequences);
    bench.routes.waker().wake();
}

fn number(delivery: &Delivery) -> usize {
    delivery.event().id().parse().unwrap()
}

/// A sink that counts how often each of so many events is delivered.
fn counting(events: usize) -> (Arc<Vec<AtomicUsize>>, SinkFactory) {
    let counts: Arc<Vec<AtomicUsize>> = Arc::new((0..events).map(|_| AtomicUsize::new(0)).collect());
    let counted = Arc::clone(&counts);
    let sink = sink(move |delivery| {
        counted[number(delivery)].fetch_add(1, SeqCst);
        Outcome::Delivered
    });
    (counts, sink)
}

#[test]
fn under_load_each_event_is_delivered_exactly_once() {
    const EVENTS: usize = 100_000;
    let disk = Disk::new(all);
    let ((first, to_first), (second, to_second)) = (counting(EVENTS), counting(EVENTS));
    let bench = bench(&disk, 2, vec![(small("a", 512), to_first), (small("b", 100), to_second)]);
    let mut left = EVENTS as u64;
    while left > 0 {
        let batch = fastrand::u64(1..200).min(left);
        append(&bench, &disk, batch);
        left -= batch;
        (0..fastrand::u32(..2_000)).for_each(|_| std::hint::spin_loop());
    }
    for route in ["a", "b"] {
        bench.wait_for(route, "all are delivered", |status| status.delivered == EVENTS as u64);
    }
    assert_eq!(bench.routes.drain(Duration::from_secs(60)), []);
    assert!(first.iter().chain(&*second).all(|count| count.load(SeqCst) == 1));
    assert_eq!((bench.status("a").lag, bench.status("a").offered), (0, EVENTS as u64));
    assert_eq!((disk.released(), disk.events.used()), (EVENTS as u64, 0));
}

/// Many small rounds, each of which ends with all threads asleep: one lost wake in any of them and it never ends.
#[test]
fn no_wake_is_lost() {
    let disk = Disk::new(all);
    // A queue of one place, so that dispatch waits for room with every event; and one of many, so that it never does.
    let bench = bench(&disk, 2, vec![(small("narrow", 1), sink(ok)), (small("wide", 1_000), sink(ok))]);
    let mut expected = 0;
    for round in 0..2_000 {
        let sequences = round % 5 + 1;
        append(&bench, &disk, sequences);
        expected += sequences;
        for route in ["narrow", "wide"] {
            bench.wait_for(route, "the round ends", |status| status.delivered == expected);
        }
        (0..fastrand::u32(..5_000)).for_each(|_| std::hint::spin_loop());
    }
}

#[test]
fn a_full_route_does_not_hold_the_others() {
    let gate = closed_gate();
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![(small("slow", 20), gated(&gate, ok)), (small("fast", 20), sink(ok))]);
    append(&bench, &disk, 10_000);
    bench.wait_for("fast", "all are delivered", |status| status.delivered == 10_000);
    let slow = bench.wait_for("slow", "its queue is full", |status| status.queued_events == 20);
    assert_eq!((slow.delivered, slow.dropped, slow.lag), (0, 0, 10_000));
    gate.add_permits(ALL);
    bench.wait_for("slow", "it catches up", |status| status.delivered == 10_000 && status.lag == 0);
}

#[test]
fn a_backlog_costs_the_memory_of_the_queue() {
    const BACKLOG: u64 = 1_000_000;
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![(small("paused", 1_000), sink(ok)), (small("running", 1_000), sink(ok))]);
    bench.routes.pause("paused");
    append(&bench, &disk, BACKLOG);
    bench.wait_for("paused", "its queue is full", |status| status.queued_events == 1_000);
    let mut most = 0;
    wait("the other is done", || {
        most = most.max(disk.events.used());
        let running = bench.status("running");
        running.delivered == BACKLOG && running.lag == 0
    });
    // Both queues, and a block for each route.
    assert!(most <= 2 * (1_000 + 256), "{most} events in memory");
    wait("what is left is the queue and the block", || disk.events.used() <= 1_000 + 256);
    assert_eq!(bench.status("paused").lag, BACKLOG);
    assert_eq!(disk.released(), 0);
    // Not one read for each place that becomes free.
    let reads = disk.reads.load(SeqCst);
    assert!(reads < BACKLOG / 256 + 1_000, "{reads} reads");
}

#[test]
fn a_drain_leaves_the_backlog_and_the_next_process_goes_on() {
    const EVENTS: usize = 5_000;
    let disk = Disk::new(all);
    let (counts, counted) = counting(EVENTS);
    {
        let gate = closed_gate();
        let count = Arc::clone(&counts);
        let hangs = gated(&gate, move |delivery| {
            count[number(delivery)].fetch_add(1, SeqCst);
            Outcome::Delivered
        });
        let first = bench(&disk, 2, vec![(small("a", 100), hangs)]);
        append(&first, &disk, EVENTS as u64);
        gate.add_permits(1_000);
        first.wait_for("a", "some are delivered", |status| status.delivered == 1_000 && status.in_flight == 8);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let in_flight_is_left = || first.routes.status()[0].queued_events == 8;
                wait("the drain has let go of what is not in flight", in_flight_is_left);
                gate.add_permits(ALL);
            });
            assert_eq!(first.routes.drain(Duration::from_secs(60)), []);
        });
        assert_eq!(first.status("a").delivered, 1_008);
    }
    disk.append(0);
    assert_eq!(disk.synced()[0].1.position(), Sequence(1_008));
    assert_eq!(disk.events.used(), 0);
    let second = bench(&disk, 2, vec![(small("a", 100), counted)]);
    second.wait_for("a", "the rest is delivered", |status| status.delivered == EVENTS as u64 - 1_008);
    assert!(counts.iter().all(|count| count.load(SeqCst) == 1));
}

#[test]
fn only_what_is_nowhere_but_in_memory_is_lost() {
    let disk = Disk::new(all);
    let mut bench = bench(&disk, 1, vec![(small("paused", 10), sink(ok))]);
    bench.routes.pause("paused");
    assert_eq!(bench.offer("memory"), Ok(1));
    append(&bench, &disk, 100);
    bench.wait_for("paused", "its queue is full", |status| status.queued_events == 10);
    let lost = bench.routes.drain(Duration::from_secs(86_400));
    assert_eq!(lost, [Lost { route: "paused".into(), events: 1 }]);
    disk.append(0);
    assert_eq!(disk.synced()[0].1, Progress::at(Sequence(0)));
}

#[test]
fn a_drain_keeps_what_was_delivered_out_of_order() {
    let disk = Disk::new(all);
    let down = || {
        sink(
            |delivery| {
                if number(delivery).is_multiple_of(10) { failed(FailureKind::Connect) } else { Outcome::Delivered }
            },
        )
    };
    let mut patient = small("a", 1_000);
    patient.retry.first = Duration::from_secs(3_600);
    patient.retry.max = Duration::from_secs(3_600);
    let first = bench(&disk, 2, vec![(patient, down())]);
    append(&first, &disk, 500);
    first.wait_for("a", "all have been tried, and what failed is parked", |status| {
        append(&first, &disk, 0);
        status.delivered == 450 && status.parked == 50 && status.lag == 0
    });
    assert_eq!(first.routes.drain(Duration::from_secs(60)), []);
    assert_eq!(first.status("a").queued_events, 0);
    drop(first);
    disk.append(0);
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let mut at_once = small("a", 1_000);
    at_once.retry.max = Duration::ZERO;
    let second = bench(
        &disk,
        2,
        vec![(at_once, {
            let seen = Arc::clone(&seen);
            sink(move |delivery| {
                assert_eq!(delivery.attempt(), 2);
                assert!(seen.lock().unwrap().insert(number(delivery)));
                Outcome::Delivered
            })
        })],
    );
    second.wait_for("a", "the rest is delivered", |status| status.delivered == 50 && status.lag == 0);
    assert!(seen.lock().unwrap().iter().eq(&(0..50).map(|at| at * 10).collect::<Vec<_>>()));
}

#[test]
fn an_event_that_somebody_else_parks_goes_to_its_route_alone() {
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![(route("a"), sink(ok)), (route("b"), sink(ok))]);
    let again = Event::for_test("billing", Some("invoice.paid"), "again", &[], b"body");
    disk.log().park(vec![Parked {
        route: "b".into(),
        due_ms: 0,
        attempts: 0,
        original: None,
        replaces: None,
        state: Vec::new(),
        event: again,
        told: None,
    }]);
    append(&bench, &disk, 3);
    bench.wait_for("b", "it is delivered with the others", |status| status.delivered == 4 && status.lag == 0);
    bench.wait_for("a", "it has its own", |status| status.delivered == 3 && status.lag == 0);
    wait("it is settled", || {
        disk.append(0);
        disk.open().is_empty()
    });
}

#[test]
fn what_the_journal_does_not_take_is_tried_again_from_memory() {
    let disk = Disk::new(all);
    disk.is_full.store(true, SeqCst);
    let fails_once =
        sink(|delivery| if delivery.attempt() == 1 { failed(FailureKind::Connect) } else { Outcome::Delivered });
    let bench = bench(&disk, 1, vec![(route("a"), fails_once)]);
    append(&bench, &disk, 50);
    bench.wait_for("a", "all are delivered", |status| {
        append(&bench, &disk, 0);
        status.delivered == 50 && status.lag == 0 && status.queued_events == 0
    });
    assert_eq!(disk.open(), []);
}

#[test]
fn a_dead_letter_is_done() {
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    append(&bench, &disk, 100);
    bench.wait_for("a", "all are dead, and passed", |status| status.dead == 100 && status.lag == 0);
    assert_eq!(bench.dead_letters("a").len(), 100);
    wait("nothing is needed any more", || disk.released() == 100);
}

#[test]
fn an_event_that_is_larger_than_the_queue_comes_through() {
    let disk = Disk::new(all);
    let tiny = RouteConfig { queue: QueueConfig { events: 10, bytes: 1 }, ..route("tiny") };
    let bench = bench(&disk, 1, vec![(tiny, sink(ok))]);
    append(&bench, &disk, 100);
    bench.wait_for("tiny", "all are delivered", |status| status.delivered == 100 && status.queued_bytes == 0);
}

#[test]
fn an_idle_route_records_what_it_has_done() {
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![(route("a"), sink(ok))]);
    for end in 1..=3 {
        append(&bench, &disk, 1);
        wait("it is recorded", || {
            disk.append(0);
            disk.synced().iter().all(|(_, progress)| *progress == Progress::at(Sequence(end)))
        });
    }
}

#[test]
fn an_event_that_is_done_late_is_recorded_without_another() {
    let gate = closed_gate();
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![(route("a"), gated(&gate, ok))]);
    append(&bench, &disk, 1);
    bench.wait_for("a", "it is in flight", |status| status.in_flight == 1);
    wait("dispatch sleeps", || bench.routes.shared.bell.awaits_done());
    gate.add_permits(ALL);
    bench.wait_for("a", "it is passed", |status| status.lag == 0);
}

#[test]
fn a_queue_full_of_events_in_memory_takes_from_the_journal_when_it_has_room() {
    let gate = closed_gate();
    let disk = Disk::new(all);
    let mut bench = bench(&disk, 1, vec![(small("a", 1), gated(&gate, ok))]);
    assert_eq!(bench.offer("memory"), Ok(1));
    append(&bench, &disk, 1);
    bench.wait_for("a", "dispatch has looked", |status| status.lag == 1);
    wait("dispatch sleeps", || bench.routes.shared.bell.awaits_done());
    gate.add_permits(ALL);
    bench.wait_for("a", "both are delivered", |status| status.delivered == 2);
}

#[test]
fn the_place_of_a_new_route_is_safe_with_the_first_event_it_waits_for() {
    let disk = Disk::new(all);
    disk.append(7);
    let _bench = bench(&disk, 1, vec![(route("a"), sink(ok))]);
    disk.append(1);
    assert_eq!(disk.synced(), [("a".into(), Progress::at(Sequence(7)))]);
}

#[test]
fn a_new_route_begins_where_it_is_told_to() {
    let disk = Disk::new(all);
    disk.append(10);
    let oldest = RouteConfig { from_start: FromStart::Oldest, ..route("oldest") };
    let bench = bench(&disk, 1, vec![(route("now"), sink(ok)), (oldest, sink(ok))]);
    append(&bench, &disk, 5);
    bench.wait_for("now", "the new ones", |status| status.delivered == 5 && status.lag == 0);
    bench.wait_for("oldest", "all", |status| status.delivered == 15 && status.lag == 0);
}

#[test]
fn a_removed_route_keeps_its_place_until_it_is_back() {
    let disk = Disk::new(all);
    drop(bench(&disk, 1, vec![(route("a"), sink(ok)), (route("b"), sink(ok))]));
    disk.append(0);
    {
        let without = bench(&disk, 1, vec![(route("b"), sink(ok))]);
        append(&without, &disk, 50);
        without.wait_for("b", "all are delivered", |status| status.delivered == 50 && status.lag == 0);
        let removed = without.status("a");
        assert_eq!((removed.removed, removed.lag, removed.delivered), (true, 50, 0));
        without.routes.drain(Duration::from_secs(60));
    }
    disk.append(0);
    assert_eq!(disk.released(), 0);
    let back = bench(&disk, 1, vec![(route("a"), sink(ok)), (route("b"), sink(ok))]);
    back.wait_for("a", "all are delivered", |status| status.delivered == 50 && !status.removed);
    assert_eq!(back.status("b").delivered, 0);
}

#[test]
fn without_routes_nothing_is_kept() {
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![]);
    wait("it is released", || {
        append(&bench, &disk, 1);
        disk.released() > 0
    });
}

#[test]
fn a_journal_that_cannot_be_read_is_tried_again() {
    let disk = Disk::new(all);
    let bench = bench(&disk, 1, vec![(route("a"), sink(ok))]);
    disk.is_broken.store(true, SeqCst);
    append(&bench, &disk, 10);
    wait("it was tried", || disk.reads.load(SeqCst) > 0);
    assert_eq!(bench.status("a").lag, 10);
    disk.is_broken.store(false, SeqCst);
    bench.wait_for("a", "all are delivered", |status| status.delivered == 10);
}

#[test]
fn events_of_both_kinds_go_through_one_queue() {
    let disk = Disk::new(all);
    let mut bench = bench(&disk, 2, vec![(small("a", 10_000), sink(ok))]);
    for round in 1..=100 {
        append(&bench, &disk, 10);
        assert_eq!(bench.offer("memory"), Ok(1));
        bench.wait_for("a", "both are delivered", |status| status.delivered == 11 * round);
    }
    assert_eq!(bench.routes.drain(Duration::from_secs(60)), []);
}
