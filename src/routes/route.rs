//! One route, as io threads fill it and the workers of its pool empty it.
//!
//! Workers call [`Route::take`] for the next batch and [`Route::settle`] with what became of it. Whoever has settled a batch
//! must let its worker look for work again: a permit has become free, an event may have been parked, the breaker may have
//! opened or closed. That rule, the wake after a push and that of whoever resumes a route are all it takes for no event to
//! wait while all workers sleep and one of them could take it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::breaker::{Change, Probe};
use super::counts::DeliveryCounts;
use super::dead::{DeadLetters, Letter};
use super::delivery::{Failure, FailureKind, Outcome, Outcomes};
use super::dispatch::Bell;
use super::durable::Durable;
use super::filter::Filter;
use super::gate::{Gate, Shut};
use super::lock::lock;
use super::parked::Parked;
use super::queue::{Bounded, Queue};
use super::retry::{self, Reason, Verdict};
use super::waiting::Waiting;
use crate::config::{BacklogConfig, FromStart, RetryConfig, RouteConfig, WhenFull};
use crate::event::Event;
use crate::failpoint;

/// One route.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) name: Arc<str>,
    /// The index of its pool.
    pub(super) pool: usize,
    pub(super) when_full: WhenFull,
    pub(super) from_start: FromStart,
    pub(super) backlog: BacklogConfig,
    /// The sources that it takes from.
    pub(super) sources: Vec<usize>,
    /// Events it may have parked in the journal before it waits.
    pub(super) max_parked: usize,
    /// Its side towards dispatch.
    pub(super) durable: Durable,
    pub(super) counts: DeliveryCounts,
    /// Deliveries it may have at once, over all workers.
    pub(super) in_flight_max: usize,
    pub(super) retry: RetryConfig,
    filter: Option<Filter>,
    pub(super) queue: Queue,
    pub(super) parked: Parked,
    permits: Bounded,
    gate: Mutex<Gate>,
    /// How long the breaker has been open in all, the present outage excepted.
    outages_us: AtomicU64,
    dead: DeadLetters,
}

/// Events on their way to the sink in one delivery.
#[derive(Debug)]
pub(super) struct Batch {
    events: Vec<Waiting>,
    probe: Option<Probe>,
    taken: Instant,
    _permit: Permit,
}

/// What a worker can do for a route now.
#[derive(Debug)]
pub(super) enum Take {
    /// Deliver these.
    Batch(Batch),
    /// Come back at this time.
    NotBefore(Instant),
    /// Nothing, until it is woken or settles a batch.
    Nothing,
}

impl Route {
    pub(super) fn new(config: &RouteConfig, dead: DeadLetters, bell: Arc<Bell>, now: Instant) -> Self {
        let in_flight_max = config.in_flight.max(1);
        Self {
            name: config.name.as_str().into(),
            pool: config.pool,
            when_full: config.when_full,
            from_start: config.from_start,
            backlog: config.backlog,
            sources: config.from.iter().map(|from| from.source).collect(),
            max_parked: config.max_parked,
            durable: Durable::new(bell),
            counts: DeliveryCounts::default(),
            in_flight_max,
            retry: config.retry.clone(),
            filter: Filter::new(&config.conditions),
            queue: Queue::new(config.queue, now),
            parked: Parked::default(),
            permits: Bounded::new(in_flight_max),
            gate: Mutex::new(Gate::new(config, now)),
            outages_us: AtomicU64::new(0),
            dead,
        }
    }

    // Io threads.

    /// Reserves room for an event with a body of so many bytes.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let granted = self.queue.reserve(bytes);
        if !granted {
            // It had a place while it looked for bytes, and dispatch may have found none meanwhile.
            self.durable.offer_room(&self.queue);
        }
        granted
    }

    /// Gives back room that was reserved and is not needed.
    pub(super) fn release(&self, bytes: usize) {
        self.queue.release(bytes);
        self.durable.offer_room(&self.queue);
    }

    /// Takes an event, for which room has been reserved.
    pub(super) fn push(&self, event: &Event) {
        self.queue.push(Waiting::new(event.clone(), None, self.outages()));
    }

    // Workers.

    /// Whether an event waits that was never tried: a cheap hint that there is more to do.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes up to `max` events, those that are due again before new ones, and no more once they have [`BATCH_BYTES`].
    pub(super) fn take(self: &Arc<Self>, max: usize, now: Instant) -> Take {
        match self.next_due(now) {
            None => return Take::Nothing,
            Some(due) if due > now => return Take::NotBefore(due),
            Some(_) => {}
        }
        if self.permits.used() >= self.in_flight_max {
            return Take::Nothing;
        }
        let pass = match lock(&self.gate).ask(max, now) {
            Ok(pass) => pass,
            Err(Shut::Until(at)) => return Take::NotBefore(at),
            Err(Shut::UntilToldOtherwise) => return Take::Nothing,
        };
        let Some(permit) = Permit::take(self) else {
            lock(&self.gate).give_back(&pass, 0);
            return Take::Nothing;
        };
        let mut events = Vec::new();
        let mut bytes = self.parked.take_due(pass.events, BATCH_BYTES, now, &mut events);
        let mut passed_over = 0;
        while events.len() < pass.events
            && bytes < BATCH_BYTES
            && let Some(waiting) = self.next_wanted(&mut passed_over)
        {
            bytes += waiting.bytes();
            events.push(waiting);
        }
        if events.len() < pass.events {
            lock(&self.gate).give_back(&pass, events.len());
        }
        if events.is_empty() {
            self.durable.offer_room(&self.queue);
            // Another worker was faster, or none was wanted. A third may have missed the permit or the probe that this one
            // held meanwhile, and sleep: this one has to look again for it.
            drop(permit);
            return Take::NotBefore(now);
        }
        self.durable.offer_room(&self.queue);
        Take::Batch(Batch { events, probe: pass.probe, taken: now, _permit: permit })
    }

    /// The next event that was never tried and that the route's `where` takes. Those that it does not are done.
    fn next_wanted(&self, passed_over: &mut usize) -> Option<Waiting> {
        while *passed_over < PASSED_OVER_MAX {
            let waiting = self.queue.take()?;
            if self.filter.as_ref().is_none_or(|filter| filter.takes(waiting.event())) {
                return Some(waiting);
            }
            *passed_over += 1;
            self.counts.filtered.increment();
            self.done(&waiting);
        }
        None
    }

    /// Takes note of what became of a batch, and frees its permit.
    pub(super) fn settle(self: &Arc<Self>, batch: Batch, outcomes: Outcomes, now: Instant) {
        self.note_attempts(&batch, &outcomes, now);
        match outcomes {
            Outcomes::All(Outcome::Delivered) => {
                self.tell(lock(&self.gate).succeeded(now));
                batch.events.into_iter().for_each(|waiting| self.delivered(&waiting, now));
            }
            // One attempt, of which the breaker learns once.
            Outcomes::All(Outcome::Failed(failure)) => {
                let counts = self.note_failure(&failure, batch.probe, now);
                for waiting in batch.events {
                    self.failed(waiting, failure.clone(), counts, now);
                }
            }
            Outcomes::Each(outcomes) | Outcomes::Alone { each: outcomes, .. } => {
                // One attempt here too: if the processor took something of it, or refused something for good, it is up, and
                // what failed has failed for reasons of its own.
                let mut counts = outcomes.iter().any(|outcome| self.shows_it_up(outcome)).then_some(true);
                let mut outcomes = outcomes.into_iter();
                for waiting in batch.events {
                    match outcomes.next().unwrap_or_else(|| Outcome::Failed(no_outcome())) {
                        Outcome::Delivered => {
                            self.tell(lock(&self.gate).succeeded(now));
                            self.delivered(&waiting, now);
                        }
                        Outcome::Failed(failure) => {
                            if retry::is_final(&self.retry, &failure) {
                                self.note_failure(&failure, batch.probe, now);
                            }
                            let counts = *counts.get_or_insert_with(|| self.note_failure(&failure, batch.probe, now));
                            self.failed(waiting, failure, counts, now);
                        }
                    }
                }
            }
        }
        self.durable.offer_room(&self.queue);
    }

    /// Writes a batch into the diary.
    fn note_attempts(&self, batch: &Batch, outcomes: &Outcomes, now: Instant) {
        if !self.dead.notes_attempts() {
            return;
        }
        let took = now.saturating_duration_since(batch.taken);
        let started = SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH);
        let note_all = |outcome: &Outcome, span| {
            batch.events.iter().for_each(|waiting| self.dead.note(&self.name, waiting, outcome, span));
        };
        let note_each = |outcomes: &[Outcome], span| {
            let pairs = batch.events.iter().zip(outcomes);
            pairs.for_each(|(waiting, outcome)| self.dead.note(&self.name, waiting, outcome, span));
        };
        match outcomes {
            Outcomes::All(outcome) => note_all(outcome, (started, took)),
            Outcomes::Each(outcomes) => note_each(outcomes, (started, took)),
            Outcomes::Alone { refused, took: together, each } => {
                note_all(&Outcome::Failed(refused.clone()), (started, *together));
                note_each(each, (started + *together, took.saturating_sub(*together)));
            }
        }
    }

    /// When the next event could be tried, as far as events go: `now` or earlier if one is waiting.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.queue.is_empty() { self.parked.next_due() } else { Some(now) }
    }

    fn delivered(&self, waiting: &Waiting, now: Instant) {
        self.counts.delivered.increment();
        self.counts.age.record(now.saturating_duration_since(waiting.event().received_at()));
        self.done(waiting);
    }

    /// Whatever became of an event, it needs its place no more.
    pub(super) fn done(&self, waiting: &Waiting) {
        if let Some(sequence) = waiting.sequence() {
            self.durable.done(sequence);
        }
        self.queue.release(waiting.bytes());
    }

    /// Whether only a processor that is up gives such an outcome.
    fn shows_it_up(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Delivered => true,
            Outcome::Failed(failure) => retry::is_final(&self.retry, failure),
        }
    }

    /// Tells the gate of a failed attempt; `true` if it counts for its events.
    fn note_failure(&self, failure: &Failure, probe: Option<Probe>, now: Instant) -> bool {
        let mut gate = lock(&self.gate);
        let (counts, change) =
            if retry::is_final(&self.retry, failure) { (true, gate.answered(now)) } else { gate.failed(probe, now) };
        drop(gate);
        self.tell(change);
        counts
    }

    fn failed(self: &Arc<Self>, mut waiting: Waiting, failure: Failure, counts: bool, now: Instant) {
        self.counts.failed(failure.kind);
        if !counts {
            // The processor and the breaker, not the backoff, say when it goes out again.
            let wish = failure.retry_after.unwrap_or_default().min(self.retry.max);
            return self.park(waiting, now + wish);
        }
        let age = waiting.age(self.outages(), now);
        let attempts = waiting.failed_attempts() + 1;
        let verdict = retry::verdict(&self.retry, &failure, attempts, age, fastrand::f64());
        waiting.add_attempt(failure, SystemTime::now());
        match verdict {
            Verdict::Again(wait) => {
                failpoint::pass("delivery.failed");
                self.park(waiting, now + wait);
                failpoint::pass("delivery.parked");
            }
            Verdict::Dead(reason) => self.bury(waiting, reason),
        }
    }

    fn park(&self, waiting: Waiting, due: Instant) {
        if waiting.sequence().is_some() {
            self.durable.failed(waiting, due);
        } else {
            self.parked.park(waiting, due);
        }
    }

    fn bury(self: &Arc<Self>, waiting: Waiting, reason: Reason) {
        let pauses = lock(&self.gate).buried();
        if pauses {
            tracing::error!(
                route = &*self.name,
                "every event since the last success has become a dead letter: the route is paused and queues; correct its \
                 processor, then resume it"
            );
        }
        self.dead.bury(Letter::new(Arc::clone(self), waiting, reason));
    }

    fn tell(&self, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Opened) => {
                tracing::warn!(
                    route = &*self.name,
                    "the processor keeps failing: only probes go out until one succeeds"
                );
            }
            Some(Change::Closed(open)) => {
                self.outages_us.fetch_add(open.as_micros() as u64, Ordering::Relaxed);
                tracing::info!(route = &*self.name, ?open, "the processor answers again");
            }
        }
    }

    pub(super) fn outages(&self) -> Duration {
        Duration::from_micros(self.outages_us.load(Ordering::Relaxed))
    }

    // The `disk` thread.

    /// The dead letter of an event is safe: the route is done with it.
    pub(super) fn buried(&self, waiting: &Waiting) {
        self.counts.dead.increment();
        self.done(waiting);
        self.durable.offer_room(&self.queue);
    }

    // Control.

    /// Stops deliveries; those in flight end.
    pub(super) fn pause(&self) {
        lock(&self.gate).pause();
    }

    /// Allows deliveries again. The caller has to wake a worker of the pool.
    pub(super) fn resume(&self) {
        lock(&self.gate).resume();
    }

    pub(super) fn is_paused(&self) -> bool {
        lock(&self.gate).is_paused()
    }

    pub(super) fn breaker_is_open(&self) -> bool {
        lock(&self.gate).breaker_is_open()
    }

    /// Events it has taken and is not done with, and the bytes of their bodies.
    pub(super) fn undelivered(&self) -> (usize, usize) {
        (self.queue.places_used(), self.queue.bytes_used())
    }

    /// Of them, the events that are nowhere but in memory.
    pub(super) fn undelivered_in_memory(&self) -> usize {
        self.queue.places_used().saturating_sub(self.durable.held())
    }

    /// Lets go of the events of the journal that are not being delivered: they are there when the process starts again.
    pub(super) fn leave_durable(&self) {
        let mut durable = self.parked.take_durable();
        for _ in 0..self.queue.len() {
            match self.queue.take() {
                Some(waiting) if waiting.sequence().is_some() => durable.push(waiting),
                Some(waiting) => self.queue.push(waiting),
                None => break,
            }
        }
        for waiting in durable {
            self.durable.let_go();
            self.queue.release(waiting.bytes());
        }
    }

    /// Events that were never tried.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Events that wait for another attempt, here or in the journal.
    pub(super) fn parked(&self) -> usize {
        self.parked.len() + self.durable.parked()
    }

    /// Deliveries in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.permits.used()
    }

    /// How long the oldest undelivered event has been here; of those waiting in the queue, at most how long.
    pub(super) fn oldest_age(&self, now: Instant) -> Option<Duration> {
        let in_queue = (self.waiting() > 0 || self.in_flight() > 0).then(|| self.queue.none_older_than());
        let oldest = [in_queue, self.parked.oldest()].into_iter().flatten().min()?;
        Some(now.saturating_duration_since(oldest))
    }

    /// Whether what is left cannot be delivered before `deadline`, however long one waits.
    pub(super) fn is_stuck_until(&self, deadline: Instant) -> bool {
        let nothing_due = !self.has_waiting() && self.parked.next_due().is_some_and(|due| due > deadline);
        self.in_flight() == 0 && self.waiting() + self.parked.len() > 0 && (self.is_paused() || nothing_due)
    }
}

impl Batch {
    pub(super) fn events(&self) -> &[Waiting] {
        &self.events
    }
}

/// One of a route's `in_flight` deliveries; given back when dropped.
#[derive(Debug)]
struct Permit(Arc<Route>);

impl Permit {
    fn take(route: &Arc<Route>) -> Option<Self> {
        route.permits.take(1).then(|| Self(Arc::clone(route)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.permits.give_back(1);
    }
}

/// A batch with so many bytes of bodies is full, and what comes next begins another.
const BATCH_BYTES: usize = 4 << 20;

/// Events that a route may pass over before others of its worker have their turn.
const PASSED_OVER_MAX: usize = 64;

fn no_outcome() -> Failure {
    Failure { kind: FailureKind::Handler, detail: "no outcome was given for this event".into(), retry_after: None }
}
