//! The machine against a model: journals that grow, routes that come and go, deliveries that end in any order, fail, or do
//! not end at all, and processes that crash. Every run has a seed, which a failure prints; `HOOKGATE_SEED` runs it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use fastrand::Rng;

use super::super::machine::{Machine, Outlets, Start};
use super::fake::{Disk, FakeLog};
use crate::event::{Event, Sequence};
use crate::journal::{Parked, ReadParked};
use crate::routes::durable::Stand;
use crate::routes::{Log, Progress};

const RUNS: usize = 50;
const STEPS: usize = 300;
const WINDOW: usize = 40;

#[test]
fn every_route_gets_every_event_it_matches_whatever_happens_in_between() {
    let chosen = std::env::var("HOOKGATE_SEED").ok().map(|seed| seed.parse().unwrap());
    for _ in 0..if chosen.is_some() { 1 } else { RUNS } {
        let seed = chosen.unwrap_or_else(|| fastrand::u64(..));
        let told = Told(seed);
        World::new(seed).run();
        std::mem::forget(told);
    }
}

struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("this run has HOOKGATE_SEED={}", self.0);
    }
}

/// Three of four sequences are events, in runs, of one of three types.
fn kind(sequence: u64) -> Option<&'static str> {
    let scattered = (sequence / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
    match scattered {
        0..4 => None,
        4..9 => Some("often"),
        9..15 => Some("sometimes"),
        _ => Some("rarely"),
    }
}

/// The routes there may be, and what they match.
const ROUTES: [(&str, &[&str]); 4] = [
    ("all", &["often", "sometimes", "rarely"]),
    ("often", &["often"]),
    ("rare", &["rarely"]),
    ("two", &["rarely", "often"]),
];

fn matches(route: &str, kind: &str) -> bool {
    ROUTES.iter().any(|(name, kinds)| *name == route && kinds.contains(&kind))
}

struct World {
    rng: Rng,
    disk: Arc<Disk>,
    /// By route that has ever been there: the first sequence it must get, and those it has got.
    due: BTreeMap<&'static str, (u64, BTreeSet<u64>)>,
    now_ms: u64,
}

/// One process.
struct Process {
    machine: Machine,
    log: FakeLog,
    routes: Entrances,
}

struct Entrances {
    routes: Vec<Entrance>,
    awaited: BTreeSet<usize>,
}

struct Entrance {
    name: &'static str,
    places: usize,
    max_parked: usize,
    /// Handed out and not done.
    held: Vec<u64>,
    /// What is handed out, and how often it has failed.
    events: BTreeMap<u64, (Event, u32)>,
    /// Failed, and not yet taken.
    failed: Vec<Parked>,
    /// Taken to be parked.
    parking: BTreeSet<u64>,
    /// Parked when the process began.
    begun: BTreeSet<u64>,
    handed_out: BTreeSet<u64>,
    /// Likewise, those that were parked, by place.
    parked_out: BTreeSet<u64>,
    done: Vec<Sequence>,
    /// Passed without being handed out.
    given_up: Vec<u64>,
    position: Sequence,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), disk: Disk::new(kind), due: BTreeMap::new(), now_ms: 0 }
    }

    fn run(&mut self) {
        let mut process = self.start(false);
        for _ in 0..STEPS {
            self.now_ms += self.rng.u64(..20);
            match self.rng.u8(..100) {
                0..25 => {
                    self.disk.is_full.store(self.rng.u8(..4) == 0, SeqCst);
                    self.disk.append(self.rng.u64(1..30));
                }
                25..60 => self.turn(&mut process),
                60..85 => self.deliver(&mut process),
                85..92 => self.save(&mut process),
                92 => self.give_up(&mut process),
                93 => self.forget(&mut process),
                94..96 => {
                    // A stop in order: what is saved is synced by it.
                    process.machine.collect(&mut process.log, &mut process.routes);
                    process.log.save(process.machine.take_all(), process.machine.take_settled());
                    self.disk.append(0);
                    process = self.start(false);
                }
                _ => process = self.start(false),
            }
            self.check(&process);
        }
        self.end();
    }

    /// Starts a process with some of the routes, after the one before has crashed.
    fn start(&mut self, with_all: bool) -> Process {
        self.disk.crash();
        let saved = self.disk.synced();
        let known = |name: &str| saved.iter().any(|(saved, _)| **saved == *name);
        let mut routes = Vec::new();
        let mut entrances = Vec::new();
        for (name, _) in ROUTES {
            let is_there = if with_all { self.due.contains_key(name) } else { self.rng.u8(..4) > 0 };
            if !is_there {
                continue;
            }
            let progress = match saved.iter().find(|(saved, _)| **saved == *name) {
                Some((_, progress)) => progress.clone(),
                None => {
                    let oldest = self.rng.bool();
                    let (from, first) = if oldest { (0, self.disk.gone()) } else { (self.disk.end(), self.disk.end()) };
                    self.due.insert(name, (first, BTreeSet::new()));
                    Progress::at(Sequence(from))
                }
            };
            let max_parked = self.rng.usize(1..40);
            routes.push(Start { name: Arc::from(name), progress, max_parked });
            let begun = self.disk.open().into_iter().filter(|parked| *parked.route == *name);
            entrances.push(Entrance {
                name,
                places: self.rng.usize(1..60),
                max_parked,
                held: Vec::new(),
                events: BTreeMap::new(),
                failed: Vec::new(),
                parking: BTreeSet::new(),
                begun: begun.map(|parked| parked.original.unwrap().0).collect(),
                handed_out: BTreeSet::new(),
                parked_out: BTreeSet::new(),
                done: Vec::new(),
                given_up: Vec::new(),
                position: Sequence(0),
            });
        }
        let is_here = |name: &str| routes.iter().any(|route: &Start| *route.name == *name);
        let removed = saved.iter().filter(|(name, _)| !is_here(name)).cloned().collect();
        // A new route of which nothing was synced has never been there.
        self.due.retain(|name, _| known(name) || is_here(name));
        let mut machine = Machine::new(routes, removed, self.disk.open(), WINDOW);
        let mut log = self.disk.log();
        log.save(machine.take_all(), Vec::new());
        Process { machine, log, routes: Entrances { routes: entrances, awaited: BTreeSet::new() } }
    }

    /// Some of what is held is done, in any order.
    fn deliver(&mut self, process: &mut Process) {
        for entrance in &mut process.routes.routes {
            for _ in 0..self.rng.usize(..20) {
                if entrance.held.is_empty() {
                    break;
                }
                let at = match self.rng.u8(..3) {
                    // Mostly in order, so that positions move.
                    0 => self.rng.usize(..entrance.held.len()),
                    _ => 0,
                };
                let place = entrance.held[at];
                let original = self.disk.original(place).unwrap_or(place);
                let keeps_failing = original.is_multiple_of(13) && self.rng.u8(..10) > 0;
                if keeps_failing && self.rng.bool() {
                    // It takes long.
                    continue;
                }
                entrance.held.remove(at);
                if keeps_failing || self.rng.u8(..5) == 0 {
                    entrance.fail(place, original, self.now_ms + self.rng.u64(..200));
                } else {
                    self.due.get_mut(entrance.name).unwrap().1.insert(original);
                    entrance.done.push(Sequence(place));
                }
            }
        }
    }

    fn turn(&mut self, process: &mut Process) {
        let turn = process.machine.turn(self.now_ms, &mut process.log, &mut process.routes);
        assert!(turn.failed.is_none());
        assert!(turn.next_due_ms.is_none_or(|due_ms| due_ms > self.now_ms || turn.more));
        self.note_given_up(process);
    }

    /// What a route goes without is as good as got.
    fn note_given_up(&mut self, process: &mut Process) {
        for entrance in &mut process.routes.routes {
            let (first, got) = self.due.get_mut(entrance.name).unwrap();
            for sequence in entrance.given_up.drain(..) {
                assert!(sequence >= *first && !entrance.handed_out.contains(&sequence));
                got.insert(sequence);
            }
        }
    }

    /// A route goes without its oldest events: those it has not come to, and most of those that it holds.
    fn give_up(&mut self, process: &mut Process) {
        let Some(at) = (0..process.routes.routes.len()).nth(self.rng.usize(..ROUTES.len())) else { return };
        let from = process.machine.stands().nth(at).unwrap().holds_from;
        let to = self.rng.u64(from.0..=self.disk.end());
        let dropped = process.machine.give_up_before(at, Sequence(to));
        let entrance = &mut process.routes.routes[at];
        let (given_up, held): (Vec<_>, Vec<_>) =
            entrance.held.drain(..).partition(|&sequence| sequence < to && self.rng.u8(..4) > 0);
        entrance.held = held;
        entrance.done.extend(given_up.iter().copied().map(Sequence));
        for place in dropped.iter().map(|dropped| dropped.0).chain(given_up) {
            let original = self.disk.original(place).unwrap_or(place);
            self.due.get_mut(entrance.name).unwrap().1.insert(original);
        }
        assert!(dropped.iter().all(|place| place.0 < to && !entrance.parked_out.contains(&place.0)));
    }

    /// A route that is not there is forgotten: it is new when it comes back.
    fn forget(&mut self, process: &mut Process) {
        let (name, _) = ROUTES[self.rng.usize(..ROUTES.len())];
        if process.routes.routes.iter().all(|entrance| entrance.name != name) {
            process.machine.forget(name);
            process.log.forget(&name.into());
            self.due.remove(name);
            self.save(process);
        }
    }

    fn save(&mut self, process: &mut Process) {
        process.machine.collect(&mut process.log, &mut process.routes);
        process.log.save(process.machine.take_moved(), process.machine.take_settled());
        let lowest = process.machine.lowest().unwrap_or_else(|| process.log.end());
        if lowest.0 > self.disk.released() {
            process.log.release_before(lowest);
        }
    }

    /// The events that a route must get and has not got, and that are not safely parked for it.
    fn all_undone(&self, route: &str) -> impl Iterator<Item = u64> {
        let (first, got) = &self.due[route];
        let open = self.disk.open();
        let parked: BTreeSet<u64> =
            open.iter().filter(|parked| *parked.route == *route).map(|parked| parked.original.unwrap().0).collect();
        let is_due = move |sequence: &u64| self.disk.kind(*sequence).is_some_and(|kind| matches(route, kind));
        (*first..self.disk.end())
            .filter(move |sequence| !got.contains(sequence) && !parked.contains(sequence))
            .filter(is_due)
    }

    /// The lowest of them.
    fn undone(&self, route: &str) -> u64 {
        self.all_undone(route).next().unwrap_or(self.disk.end())
    }

    /// Progress tells of no event that it is done which is not.
    fn check_progress(&self, route: &str, progress: &Progress) {
        for sequence in self.all_undone(route).take_while(|sequence| *sequence < progress.next().0) {
            let told = progress.undone().contains(&Sequence(sequence));
            assert!(told, "{progress:?} of {route} has passed {sequence}");
        }
    }

    fn check(&self, process: &Process) {
        for (at, entrance) in process.routes.routes.iter().enumerate() {
            let position = process.machine.position(at);
            self.check_progress(entrance.name, &position.progress());
            assert!(position.lowest().0 <= self.undone(entrance.name), "{} has passed an event", entrance.name);
            assert!(position.progress().undone().len() <= 2 * WINDOW);
            let before_done: BTreeSet<_> = entrance.handed_out.range(position.lowest().0..).collect();
            assert!(before_done.len() <= WINDOW, "the window of {} is {}", entrance.name, before_done.len());
            assert!(entrance.position <= position.lowest());
            let parked = process.machine.parked(at);
            assert!(parked <= entrance.max_parked.max(entrance.begun.len()) + entrance.places, "{parked} are parked");
            assert!(entrance.held.len() + entrance.parking.len() + entrance.failed.len() <= entrance.places);
        }
        for (name, progress) in self.disk.synced() {
            let name = ROUTES.iter().find(|(known, _)| **known == *name).unwrap().0;
            self.check_progress(name, &progress);
        }
        for route in self.due.keys() {
            assert!(self.disk.gone() <= self.undone(route), "{route} still needs what was released");
        }
        for parked in self.disk.open() {
            assert!(self.disk.gone() <= parked.sequence.0, "{parked:?} is gone");
        }
    }

    /// All routes come back, and everything succeeds.
    fn end(&mut self) {
        let mut process = self.start(true);
        loop {
            let turn = process.machine.turn(u64::MAX / 2, &mut process.log, &mut process.routes);
            self.note_given_up(&mut process);
            let mut delivered = 0;
            for entrance in &mut process.routes.routes {
                for place in entrance.held.drain(..) {
                    let original = self.disk.original(place).unwrap_or(place);
                    self.due.get_mut(entrance.name).unwrap().1.insert(original);
                    entrance.done.push(Sequence(place));
                    delivered += 1;
                }
            }
            self.check(&process);
            if !turn.more && delivered == 0 {
                break;
            }
        }
        process.log.save(process.machine.take_all(), process.machine.take_settled());
        self.disk.append(0);
        assert_eq!(self.disk.open(), []);
        for route in self.due.keys() {
            assert_eq!(self.undone(route), self.disk.end(), "{route} did not get it");
        }
        assert_eq!(process.machine.lowest().map_or(self.disk.end(), |lowest| lowest.0), self.disk.end());
        assert_eq!(process.machine.events_held(), 0);
    }
}

impl Entrance {
    fn has_room(&self) -> bool {
        self.held.len() + self.parking.len() + self.failed.len() < self.places
    }

    fn fail(&mut self, place: u64, original: u64, due_ms: u64) {
        let (event, attempts) = &self.events[&place];
        self.failed.push(Parked {
            route: self.name.into(),
            due_ms,
            attempts: attempts + 1,
            original: Some(Sequence(original)),
            replaces: Some(Sequence(place)),
            state: Vec::new(),
            event: event.clone(),
            told: None,
        });
    }
}

impl Outlets for Entrances {
    fn find(&mut self, event: &Event, found: &mut Vec<usize>) {
        let kind = event.event_type().unwrap();
        found.extend((0..self.routes.len()).filter(|&at| matches(self.routes[at].name, kind)));
    }

    fn has_room(&mut self, route: usize) -> bool {
        self.routes[route].has_room()
    }

    fn push(&mut self, route: usize, sequence: Sequence, event: &Event) -> bool {
        assert_eq!(event.id(), sequence.0.to_string());
        let entrance = &mut self.routes[route];
        if !entrance.has_room() {
            return false;
        }
        assert!(entrance.handed_out.insert(sequence.0), "{} gets {sequence} twice", entrance.name);
        assert!(!entrance.begun.contains(&sequence.0), "{} begins anew with {sequence}", entrance.name);
        entrance.held.push(sequence.0);
        entrance.events.insert(sequence.0, (event.clone(), 0));
        true
    }

    fn take_failed(&mut self, route: usize, parking: &mut Vec<Parked>) {
        let entrance = &mut self.routes[route];
        entrance.parking.extend(entrance.failed.iter().map(|failed| failed.replaces.unwrap().0));
        parking.append(&mut entrance.failed);
    }

    fn let_go(&mut self, route: usize, held: Sequence) {
        assert!(self.routes[route].parking.remove(&held.0));
    }

    fn keep(&mut self, route: usize, held: Sequence) {
        let entrance = &mut self.routes[route];
        assert!(entrance.parking.remove(&held.0));
        entrance.held.push(held.0);
    }

    fn push_parked(&mut self, route: usize, place: Sequence, read: ReadParked) -> bool {
        let entrance = &mut self.routes[route];
        if !entrance.has_room() {
            return false;
        }
        assert_eq!(read.event.id(), read.original.unwrap().0.to_string());
        assert!(read.attempts > 0);
        assert!(entrance.parked_out.insert(place.0), "{} gets {place} twice", entrance.name);
        entrance.held.push(place.0);
        entrance.events.insert(place.0, (read.event, read.attempts));
        true
    }

    fn await_room(&mut self, route: usize) {
        self.awaited.insert(route);
    }

    fn take_done(&mut self, route: usize, empty: &mut Vec<Sequence>) {
        std::mem::swap(&mut self.routes[route].done, empty);
    }

    fn stands_at(&mut self, route: usize, stand: Stand) {
        assert!(stand.holds_from <= stand.position);
        self.routes[route].position = stand.position;
    }

    fn gave_up(&mut self, route: usize, sequence: Sequence) {
        self.routes[route].given_up.push(sequence.0);
    }

    fn wake_workers(&mut self) {}
}
