//! Routes that fall behind further than they may, with real queues and workers. An event takes up a kilobyte.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fake::Disk;
use crate::config::{BacklogConfig, BacklogFull, From, FromStart, QueueConfig, RetryConfig, RouteConfig, TypePattern};
use crate::event::Sequence;
use crate::journal::{OpenParked, Parked};
use crate::routes::tests::{ALL, Bench, closed_gate, gated, ok, route, sink, wait};
use crate::routes::{ForgetError, Log, Progress, SinkFactory};

#[expect(clippy::unnecessary_wraps, reason = "other journals have gaps")]
fn all(_: u64) -> Option<&'static str> {
    Some("invoice.paid")
}

/// A route with a queue of so many events that may be so many behind.
fn limited(name: &str, queue: usize, behind: u64, when_full: BacklogFull) -> RouteConfig {
    RouteConfig {
        queue: QueueConfig { events: queue, bytes: 1 << 20 },
        backlog: BacklogConfig { size: behind << 10, when_full },
        ..route(name)
    }
}

fn bench(disk: &Arc<Disk>, routes: Vec<(RouteConfig, SinkFactory)>) -> Bench {
    let bench = Bench::new(1, routes);
    bench.routes.dispatch(disk.log(), disk.synced(), disk.open()).unwrap();
    bench
}

fn append(bench: &Bench, disk: &Disk, sequences: u64) {
    disk.append(sequences);
    bench.routes.waker().wake();
}

#[test]
fn a_full_backlog_refuses_its_source_until_it_has_caught_up() {
    let (gate, disk) = (closed_gate(), Disk::new(all));
    let dead = limited("dead", 10, 1_000, BacklogFull::RefuseSource);
    let bench = bench(&disk, vec![(dead, gated(&gate, ok)), (route("alive"), sink(ok))]);
    let intake = bench.routes.intake();
    append(&bench, &disk, 999);
    bench.wait_for("dead", "it is behind", |status| status.backlog == 999 << 10);
    assert!(!intake.is_refused(0));
    append(&bench, &disk, 1);
    wait("it is full", || intake.is_refused(0));
    bench.wait_for("alive", "the other route is not held", |status| status.delivered == 1_000 && status.backlog == 0);
    // Eight are in flight at once: a hundred are needed, and are not enough alone.
    gate.add_permits(95);
    bench.wait_for("dead", "it has caught up a little", |status| status.backlog == 905 << 10);
    assert!(intake.is_refused(0));
    gate.add_permits(ALL);
    wait("it heals by itself", || !intake.is_refused(0));
    bench.wait_for("dead", "nothing was given up", |status| status.delivered == 1_000 && status.given_up == 0);
}

#[test]
fn a_source_is_refused_only_for_routes_that_it_feeds() {
    let (gate, disk) = (closed_gate(), Disk::new(all));
    let dead = limited("dead", 10, 10, BacklogFull::RefuseSource);
    let other = From { source: 1, types: vec![TypePattern::Any] };
    let of_others = RouteConfig { from: vec![other], ..limited("others", 10, 10, BacklogFull::RefuseSource) };
    let bench = bench(&disk, vec![(of_others, sink(ok)), (dead, gated(&gate, ok))]);
    append(&bench, &disk, 100);
    let intake = bench.routes.intake();
    wait("its own source is refused", || intake.is_refused(0));
    assert!(!intake.is_refused(1));
    gate.add_permits(ALL);
}

#[test]
fn a_backlog_that_was_full_is_full_before_anything_is_accepted() {
    let disk = Disk::new(all);
    disk.append(2_000);
    let behind = RouteConfig { from_start: FromStart::Oldest, ..limited("r", 10, 1_000, BacklogFull::RefuseSource) };
    let gate = closed_gate();
    let bench = bench(&disk, vec![(behind, gated(&gate, ok))]);
    assert!(bench.routes.intake().is_refused(0));
    gate.add_permits(ALL);
}

#[test]
fn a_route_that_drops_its_oldest_keeps_the_rest_and_counts() {
    const EVENTS: u64 = 20_000;
    let (gate, disk) = (closed_gate(), Disk::new(all));
    let dropping = limited("r", 50, 1_000, BacklogFull::DropOldest);
    let bench = bench(&disk, vec![(dropping, gated(&gate, ok))]);
    for _ in 0..EVENTS / 200 {
        append(&bench, &disk, 200);
    }
    // Eight are in flight, and hold the position until they end.
    bench.wait_for("r", "what it held is given up too", |status| {
        status.given_up >= EVENTS - 1_000 - 8 && status.in_flight == 8
    });
    assert!(!bench.routes.intake().is_refused(0));
    gate.add_permits(ALL);
    let status = bench.wait_for("r", "the rest arrives", |status| status.lag == 0 && status.queued_events == 0);
    assert_eq!(status.delivered + status.given_up, EVENTS);
    assert!(status.delivered >= 900, "{} of the newest are delivered", status.delivered);
    assert_eq!(status.offered, EVENTS);
    append(&bench, &disk, 100);
    bench.wait_for("r", "it gets all again", |now| now.delivered == status.delivered + 100);
}

/// A journal in which a route has parked its first events, which are due in an hour, and nothing else happened for it.
fn with_parked(events: u64) -> Arc<Disk> {
    let disk = Disk::new(all);
    disk.append(events);
    let mut log = disk.log();
    let in_an_hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_hours(1);
    let read = log.read(Sequence(0), usize::MAX).unwrap();
    let parked = |(sequence, event)| Parked {
        route: "r".into(),
        due_ms: in_an_hour.as_millis() as u64,
        attempts: 1,
        original: Some(sequence),
        replaces: Some(sequence),
        state: Vec::new(),
        event,
        told: None,
    };
    log.park(read.into_iter().map(parked).collect());
    log.save(vec![("r".into(), Progress::at(Sequence(events)))], Vec::new());
    disk.append(0);
    log.take_park_outcomes();
    disk
}

/// Fast, and as slow to try again as the events of [`with_parked`] are.
fn patient(behind: u64, when_full: BacklogFull) -> RouteConfig {
    let route = limited("r", 100, behind, when_full);
    RouteConfig { retry: RetryConfig { max: Duration::from_hours(2), ..route.retry.clone() }, ..route }
}

#[test]
fn what_is_parked_counts_from_where_it_lies() {
    let disk = with_parked(10);
    let bench = bench(&disk, vec![(patient(1_000, BacklogFull::RefuseSource), sink(ok))]);
    append(&bench, &disk, 989);
    bench.wait_for("r", "ten of its events wait, and hold what is behind them", |status| {
        (status.delivered, status.lag, status.parked, status.backlog) == (989, 0, 10, 999 << 10)
    });
    assert!(!bench.routes.intake().is_refused(0));
    append(&bench, &disk, 1);
    wait("it is full", || bench.routes.intake().is_refused(0));
}

#[test]
fn a_route_that_drops_its_oldest_keeps_what_is_parked_within_its_limit() {
    let disk = with_parked(10);
    let bench = bench(&disk, vec![(patient(1_000, BacklogFull::DropOldest), sink(ok))]);
    append(&bench, &disk, 990);
    bench.wait_for("r", "it is at its limit", |status| {
        (status.delivered, status.parked, status.given_up, status.backlog) == (990, 10, 0, 1_000 << 10)
    });
    append(&bench, &disk, 1);
    let status = bench.wait_for("r", "what holds too much is given up", |status| status.parked == 0);
    assert_eq!((status.given_up, status.delivered, status.offered), (10, 991, 991));
    wait("it is released", || disk.released() >= 1_010);
    disk.append(0);
    assert_eq!(disk.open(), [], "the next process does not find it");
}

#[test]
fn a_lag_has_an_age_until_it_is_caught_up() {
    let (gate, disk) = (closed_gate(), Disk::new(all));
    let bench = bench(&disk, vec![(route("r"), gated(&gate, ok))]);
    assert_eq!(bench.status("r").lag_age, None);
    append(&bench, &disk, 100);
    bench.wait_for("r", "its oldest event has an age", |status| status.lag_age.is_some());
    gate.add_permits(ALL);
    bench.wait_for("r", "it has caught up", |status| status.lag == 0 && status.lag_age.is_none());
}

#[test]
fn a_route_that_is_no_more_is_forgotten_and_its_events_are_released() {
    let disk = Disk::new(all);
    disk.append(500);
    let saved = vec![("gone".into(), Progress::at(Sequence(17)))];
    let parked =
        |sequence| OpenParked { route: "gone".into(), sequence: Sequence(sequence), due_ms: 0, original: None };
    let bench = Bench::new(1, vec![(route("r"), sink(ok))]);
    bench.routes.dispatch(disk.log(), saved, vec![parked(9), parked(20)]).unwrap();
    let gone = bench.status("gone");
    assert!(gone.removed);
    bench.wait_for("gone", "it shows what it holds", |status| status.backlog == 491 << 10);
    assert_eq!((gone.parked, gone.lag), (2, 483));
    append(&bench, &disk, 100);
    bench.wait_for("r", "the other works", |status| status.delivered == 100);
    wait("what nobody needs is released", || disk.released() == 9);

    let configured = ForgetError::Configured { route: "r".into() };
    assert_eq!(bench.routes.forget("r"), Err(configured));
    let unknown = ForgetError::Unknown { route: "gnoe".into(), removed: vec!["gone".into()] };
    assert_eq!(bench.routes.forget("gnoe"), Err(unknown));
    assert_eq!(bench.routes.forget("gone"), Ok(()));
    wait("the rest is released", || disk.released() == 600);
    assert!(bench.routes.status().iter().all(|status| status.name != "gone"));
    bench.routes.drain(Duration::from_secs(60));
    disk.append(0);
    assert!(disk.synced().iter().all(|(name, _)| **name != *"gone"), "the next process knows nothing of it");
}

#[test]
fn a_new_route_begins_with_the_first_event_of_a_time() {
    let from = |time| RouteConfig { from_start: FromStart::At(time), ..route("r") };
    let hour = Duration::from_hours(1);
    for (time, delivered) in [(SystemTime::now() - hour, 510), (SystemTime::now() + hour, 10)] {
        let disk = Disk::new(all);
        disk.append(500);
        let bench = bench(&disk, vec![(from(time), sink(ok))]);
        append(&bench, &disk, 10);
        bench.wait_for("r", "it has them", |status| status.delivered == delivered && status.lag == 0);
    }
}

#[test]
fn a_dispatch_that_breaks_down_is_noticed() {
    let disk = Disk::new(all);
    let bench = bench(&disk, vec![(route("r"), sink(ok))]);
    assert_eq!(bench.routes.fallen_thread(), None);
    disk.panics.store(true, SeqCst);
    append(&bench, &disk, 1);
    wait("it is noticed", || bench.routes.fallen_thread().as_deref() == Some("dispatch"));
    bench.routes.drain(Duration::ZERO);
    assert_eq!(bench.routes.fallen_thread(), None, "what was asked to end has not broken down");
}
