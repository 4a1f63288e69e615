//! One event that fails for a day, beside a million that do not. The day is passed in.

use std::sync::Arc;
use std::time::Duration;

use super::super::machine::{Machine, Outlets, Start};
use super::fake::Disk;
use crate::config::RetryConfig;
use crate::event::{Event, Sequence};
use crate::journal::{Parked, ReadParked};
use crate::routes::durable::Stand;
use crate::routes::retry::{Verdict, verdict};
use crate::routes::{Failure, FailureKind, Log, Progress};

const DAY_S: u64 = 24 * 3600;
const PER_SECOND: u64 = 12;

/// A route whose processor takes everything but the first event.
#[derive(Default)]
struct Route {
    now_ms: u64,
    done: Vec<Sequence>,
    failed: Vec<Parked>,
    delivered: u64,
    attempts: u32,
    died: bool,
}

const BAD: &str = "0";

fn retry() -> RetryConfig {
    RetryConfig {
        attempts: u32::MAX,
        first: Duration::from_secs(1),
        max: Duration::from_mins(15),
        age: Duration::from_hours(24),
        final_statuses: Vec::new(),
    }
}

impl Route {
    fn deliver(&mut self, place: Sequence, original: Sequence, event: &Event, attempts: u32) {
        if event.id() != BAD {
            self.delivered += 1;
            return self.done.push(place);
        }
        self.attempts += 1;
        assert_eq!(attempts + 1, self.attempts, "the attempts of an event are counted on");
        let failure = Failure { kind: FailureKind::Status(503), detail: String::new(), retry_after: None };
        // It was received at 0.
        let age = Duration::from_millis(self.now_ms);
        match verdict(&retry(), &failure, self.attempts, age, fastrand::f64()) {
            Verdict::Again(wait) => self.failed.push(Parked {
                route: "a".into(),
                due_ms: self.now_ms + wait.as_millis() as u64,
                attempts: self.attempts,
                original: Some(original),
                replaces: Some(place),
                state: Vec::new(),
                event: event.clone(),
                told: None,
            }),
            Verdict::Dead(_) => {
                self.died = true;
                self.done.push(place);
            }
        }
    }
}

impl Outlets for Route {
    fn find(&mut self, _: &Event, matches: &mut Vec<usize>) {
        matches.push(0);
    }

    fn has_room(&mut self, _: usize) -> bool {
        true
    }

    fn push(&mut self, _: usize, sequence: Sequence, event: &Event) -> bool {
        self.deliver(sequence, sequence, event, 0);
        true
    }

    fn await_room(&mut self, _: usize) {
        panic!("the route never waits");
    }

    fn take_done(&mut self, _: usize, empty: &mut Vec<Sequence>) {
        std::mem::swap(&mut self.done, empty);
    }

    fn take_failed(&mut self, _: usize, parking: &mut Vec<Parked>) {
        parking.append(&mut self.failed);
    }

    fn let_go(&mut self, _: usize, _: Sequence) {}

    fn keep(&mut self, _: usize, _: Sequence) {
        panic!("the journal takes what fails");
    }

    fn push_parked(&mut self, _: usize, place: Sequence, read: ReadParked) -> bool {
        self.deliver(place, read.original.unwrap(), &read.event, read.attempts);
        true
    }

    fn stands_at(&mut self, _: usize, _: Stand) {}

    fn gave_up(&mut self, _: usize, _: Sequence) {
        panic!("the route goes without nothing");
    }

    fn wake_workers(&mut self) {}
}

#[test]
fn one_event_that_fails_for_a_day_holds_nothing_for_longer_than_the_longest_backoff() {
    let disk = Disk::new(|_| Some("invoice.paid"));
    let mut log = disk.log();
    let start = Start { name: Arc::from("a"), progress: Progress::at(Sequence(0)), max_parked: 10 };
    let mut machine = Machine::new(vec![start], Vec::new(), Vec::new(), 65_536);
    let mut route = Route::default();
    let mut longest_wait = 0;
    for second in 0..DAY_S {
        route.now_ms = second * 1_000;
        disk.append(PER_SECOND);
        machine.turn(route.now_ms, &mut log, &mut route);
        machine.collect(&mut log, &mut route);
        log.save(machine.take_moved(), machine.take_settled());
        log.release_before(machine.lowest().unwrap());

        longest_wait = longest_wait.max(disk.end() - disk.gone());
        assert!(machine.parked(0) <= 1);
        assert!(machine.events_held() <= PER_SECOND as usize);
        assert!(machine.position(0).progress().undone().len() <= 1);
        assert!(disk.events.used() <= 1 + PER_SECOND as usize, "what is parked is a place and a time");
    }
    // The others, every one; the numbers that remain are those of the attempts.
    assert_eq!(route.delivered, DAY_S * PER_SECOND - 1);
    assert!(route.attempts > 100, "{} attempts", route.attempts);
    let backoff_s = retry().max.as_secs() + 3;
    assert!(longest_wait <= backoff_s * (PER_SECOND + 1), "{longest_wait} sequences were held");
    // It may be given up a little earlier: the next attempt would have come too late.
    route.now_ms = (DAY_S + 3600) * 1_000;
    machine.turn(route.now_ms, &mut log, &mut route);
    machine.collect(&mut log, &mut route);
    assert!(route.died);
    assert_eq!(machine.parked(0), 0);
}
