//! The loop of the `dispatch` thread: turns, sleeps, and the recording of progress.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::begin::begin;
use super::bell::Bell;
use super::clock::Clock;
use super::log::{Log, LogError};
use super::machine::{Machine, Start};
use super::outlets::Queues;
use crate::event::Sequence;
use crate::failpoint;
use crate::journal::OpenParked;
use crate::routes::backlog::{Backlogs, GiveUp};
use crate::routes::counts::OfferCounts;
use crate::routes::error::RoutesError;
use crate::routes::lock::lock;
use crate::routes::position::WINDOW;
use crate::routes::{Progress, Removed, Shared};

/// All that dispatch consists of. It belongs to its thread, and when that has ended to whoever drains the routes.
pub(in crate::routes) struct Dispatch {
    machine: Machine,
    log: Box<dyn Log>,
    queues: Queues,
    backlogs: Backlogs,
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    clock: Clock,
    /// When the next parked event is due that a route waits for.
    next_due: Option<Instant>,
    /// When progress was last recorded, and when last of all routes.
    saved_at: Instant,
    all_saved_at: Instant,
    released: Sequence,
    /// After the journal could not be read: when to try again, and how long that wait was.
    again: Option<(Instant, Duration)>,
}

impl Dispatch {
    /// Gives each route the place it was at, or if it is new one to begin at, and has all of it recorded: an event that
    /// comes later is not safe before the place of a route is that waits for it.
    pub(in crate::routes) fn new(
        mut log: Box<dyn Log>,
        saved: Vec<(Arc<str>, Progress)>,
        mut parked: Vec<OpenParked>,
        shared: &Arc<Shared>,
        counts: Arc<[OfferCounts]>,
    ) -> Self {
        let mut saved: HashMap<Arc<str>, Progress> = saved.into_iter().collect();
        let end = log.end();
        let mut place = |route: &Arc<crate::routes::route::Route>| {
            let progress =
                saved.remove(&*route.name).unwrap_or_else(|| begin(&route.name, route.from_start, &mut *log));
            Start { name: Arc::clone(&route.name), progress, max_parked: route.max_parked }
        };
        let routes: Vec<_> = shared.routes.iter().map(&mut place).collect();
        let now = Instant::now();
        let clock = Clock::start();
        for parked in &mut parked {
            if let Some(route) = shared.route(&parked.route) {
                // The wall clock may have been wrong when it was written, or be wrong now.
                parked.due_ms = parked.due_ms.min(clock.ms(now + route.longest_backoff()));
            }
        }
        let mut machine = Machine::new(routes, saved.into_iter().collect(), parked, WINDOW);
        let bell = Arc::clone(&shared.bell);
        bell.show_end(end);
        for (route, stand) in shared.routes.iter().zip(machine.stands()) {
            route.durable.stands_at(stand, None);
        }
        *lock(&shared.removed) = machine.removed().stands().map(|(route, stand)| Removed::new(route, stand)).collect();
        for Removed { name, position, parked, .. } in &*lock(&shared.removed) {
            tracing::warn!(
                route = %name,
                position = position.0,
                parked,
                "the route is no more configured, and the journal keeps what it has not delivered until it is again, or is \
                 forgotten: hookgate route forget {name}"
            );
        }
        log.save(machine.take_all(), Vec::new());
        let mut dispatch = Self {
            machine,
            log,
            queues: Queues::new(Arc::clone(shared), counts, clock),
            backlogs: Backlogs::new(shared),
            shared: Arc::clone(shared),
            bell,
            clock,
            next_due: None,
            saved_at: now,
            all_saved_at: now,
            released: Sequence(0),
            again: None,
        };
        // Before anything is accepted: a backlog that was full is full.
        dispatch.look_behind(now);
        dispatch
    }

    /// Starts the thread. It ends when [`Bell::stop`] is called, and gives back what it worked with.
    pub(in crate::routes) fn start(self) -> Result<JoinHandle<Self>, RoutesError> {
        std::thread::Builder::new()
            .name("dispatch".into())
            .spawn(move || self.run())
            .map_err(|source| RoutesError::Thread { name: "dispatch".into(), source })
    }

    fn run(mut self) -> Self {
        self.bell.belongs_to_this_thread();
        loop {
            self.bell.hush();
            if self.bell.is_stopping() {
                return self;
            }
            self.forget();
            let mut more = self.turn();
            let now = Instant::now();
            more |= self.look_behind(now);
            self.save_if_due(now);
            if !more {
                self.sleep();
            }
        }
    }

    /// Takes note of what is done, and records it if the last time is long enough ago. For the time in which routes are
    /// drained and nothing is handed out.
    pub(in crate::routes) fn keep_up(&mut self) {
        self.machine.collect(&mut *self.log, &mut self.queues);
        self.save_if_due(Instant::now());
    }

    /// Records all there is to record.
    pub(in crate::routes) fn finish(&mut self) {
        self.forget();
        self.machine.collect(&mut *self.log, &mut self.queues);
        self.log.save(self.machine.take_all(), self.machine.take_settled());
        self.release();
    }

    /// `true` if there is more to do at once.
    fn turn(&mut self) -> bool {
        if self.again.is_some_and(|(at, _)| at <= Instant::now()) {
            self.machine.try_again();
        }
        let now_ms = self.clock.ms(Instant::now());
        let turn = self.machine.turn(now_ms, &mut *self.log, &mut self.queues);
        self.next_due = turn.next_due_ms.map(|due_ms| self.clock.instant(due_ms));
        self.bell.show_end(self.log.end());
        match turn.failed {
            Some(error) => self.cannot_read(&error),
            None if self.again.is_some_and(|(at, _)| at <= Instant::now()) => self.again = None,
            None => {}
        }
        turn.more
    }

    /// Looks how far routes are behind, and has them go without what they may not keep. `true` if there was something.
    fn look_behind(&mut self, now: Instant) -> bool {
        let given_up = self.backlogs.look(&*self.log, now);
        for GiveUp { route, before } in &given_up {
            self.shared.give_up_before(*route, *before);
            let dropped = self.machine.give_up_before(*route, *before);
            self.shared.routes[*route].counts.given_up.add(dropped.len() as u64);
        }
        !given_up.is_empty()
    }

    /// Lets go of what is kept for routes that were asked to be forgotten.
    fn forget(&mut self) {
        let forgotten = std::mem::take(&mut *lock(&self.shared.forgotten));
        for route in &forgotten {
            self.machine.forget(route);
            self.log.forget(route);
        }
        if !forgotten.is_empty() {
            // With what else was done, or it would be let go before it is known to be done.
            self.save(Instant::now());
            self.release();
        }
    }

    fn cannot_read(&mut self, error: &LogError) {
        let wait = self.again.map_or(FIRST_WAIT, |(_, wait)| (wait * 2).min(LONGEST_WAIT));
        self.again = Some((Instant::now() + wait, wait));
        tracing::error!(%error, again_in = ?wait, "the journal cannot be read where some routes stand: they wait");
    }

    fn save_if_due(&mut self, now: Instant) {
        if now < self.saved_at + SAVE_EVERY {
            return;
        }
        if self.machine.has_moved() {
            self.save(now);
        }
        self.release();
    }

    fn save(&mut self, now: Instant) {
        let all = now >= self.all_saved_at + SAVE_ALL_EVERY;
        let progress = if all { self.machine.take_all() } else { self.machine.take_moved() };
        if all {
            self.all_saved_at = now;
        }
        let settled = self.machine.take_settled();
        if !progress.is_empty() || !settled.is_empty() {
            self.saved_at = now;
            self.log.save(progress, settled);
            failpoint::pass("progress.told");
        }
    }

    fn release(&mut self) {
        let lowest = self.machine.lowest().unwrap_or_else(|| self.log.end());
        if lowest > self.released {
            self.released = lowest;
            self.log.release_before(lowest);
        }
    }

    /// Sleeps until there is something to read, to hand out or to record.
    fn sleep(&mut self) {
        let until = [self.again.map(|(at, _)| at), self.next_due, self.backlogs.due()].into_iter().flatten().min();
        if self.machine.has_moved() {
            // There will be something to record: what is done until then is found then.
            let due = self.saved_at + SAVE_EVERY;
            return self.bell.sleep(Some(until.map_or(due, |until| until.min(due))));
        }
        self.bell.await_done(true);
        if !self.queues.has_news() {
            self.bell.sleep(until);
        }
        self.bell.await_done(false);
    }
}

/// Progress is recorded at most so often.
const SAVE_EVERY: Duration = Duration::from_millis(100);

/// That of all routes, those included that did not move: a journal need not look for it further back.
const SAVE_ALL_EVERY: Duration = Duration::from_mins(1);

const FIRST_WAIT: Duration = Duration::from_millis(200);

const LONGEST_WAIT: Duration = Duration::from_secs(30);
