//! One event that fails for a day, beside a million that do not. The day is passed in. Here the journal is in memory;
//! `gateway/tests/day.rs` has the same day with segments on a disk.

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

/// Dispatch, and one route in which the event with the id "0" fails for a day.
pub(crate) struct Day {
    machine: Machine,
    route: Route,
}

/// The longest wait before an attempt at that event.
pub(crate) const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

impl Day {
    /// Before the first event.
    pub(crate) fn begin() -> Self {
        let start = Start { name: Arc::from("a"), progress: Progress::at(Sequence(0)), max_parked: 10 };
        Self { machine: Machine::new(vec![start], Vec::new(), Vec::new(), 65_536), route: Route::default() }
    }

    /// Hands out what there is at this moment of the day, and has what failed parked.
    pub(crate) fn turn(&mut self, now_ms: u64, log: &mut dyn Log) {
        self.route.now_ms = now_ms;
        while self.machine.turn(now_ms, log, &mut self.route).more {}
        self.take_note(log);
        assert!(self.machine.parked(0) <= 1);
        assert!(self.machine.position(0).progress().undone().len() <= 1);
    }

    /// Takes note of what the journal has parked.
    pub(crate) fn take_note(&mut self, log: &mut dyn Log) {
        self.machine.collect(log, &mut self.route);
    }

    /// Records what is done, and lets go of what is not needed any more; from where on it is needed.
    pub(crate) fn record(&mut self, log: &mut dyn Log) -> Sequence {
        log.save(self.machine.take_moved(), self.machine.take_settled());
        let lowest = self.machine.lowest().unwrap();
        log.release_before(lowest);
        lowest
    }

    /// Whether the event is on its way to be parked.
    pub(crate) fn is_parking(&self) -> bool {
        self.route.is_parking
    }

    /// How often it was tried.
    pub(crate) fn attempts(&self) -> u32 {
        self.route.attempts
    }

    /// How many of the others were delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.route.delivered
    }

    /// Whether it was given up, and nothing is left of it.
    pub(crate) fn is_over(&self) -> bool {
        self.route.died && self.machine.parked(0) == 0
    }
}

/// A route whose processor takes everything but the first event.
#[derive(Default)]
struct Route {
    now_ms: u64,
    done: Vec<Sequence>,
    failed: Vec<Parked>,
    delivered: u64,
    attempts: u32,
    is_parking: bool,
    died: bool,
}

const BAD: &str = "0";

fn retry() -> RetryConfig {
    RetryConfig {
        attempts: u32::MAX,
        first: Duration::from_secs(1),
        max: LONGEST_BACKOFF,
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
        self.is_parking |= !self.failed.is_empty();
        parking.append(&mut self.failed);
    }

    fn let_go(&mut self, _: usize, _: Sequence) {
        self.is_parking = false;
    }

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
    let mut day = Day::begin();
    let mut longest_wait = 0;
    for second in 0..DAY_S {
        disk.append(PER_SECOND);
        day.turn(second * 1_000, &mut log);
        day.record(&mut log);

        longest_wait = longest_wait.max(disk.end() - disk.gone());
        assert!(day.machine.events_held() <= PER_SECOND as usize);
        assert!(disk.events.used() <= 1 + PER_SECOND as usize, "what is parked is a place and a time");
    }
    // The others, every one; the numbers that remain are those of the attempts.
    assert_eq!(day.delivered(), DAY_S * PER_SECOND - 1);
    assert!(day.attempts() > 100, "{} attempts", day.attempts());
    let backoff_s = LONGEST_BACKOFF.as_secs() + 3;
    assert!(longest_wait <= backoff_s * (PER_SECOND + 1), "{longest_wait} sequences were held");
    // It may be given up a little earlier: the next attempt would have come too late.
    day.turn((DAY_S + 3600) * 1_000, &mut log);
    assert!(day.is_over());
}
