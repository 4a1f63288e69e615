//! The loop of the `dispatch` thread: turns, sleeps, and the recording of progress.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::begin::begin;
use super::bell::Bell;
use super::log::{Log, LogError};
use super::machine::Machine;
use super::outlets::Queues;
use crate::event::Sequence;
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
        shared: &Arc<Shared>,
        counts: Arc<[OfferCounts]>,
    ) -> Self {
        let mut saved: HashMap<Arc<str>, Progress> = saved.into_iter().collect();
        let end = log.end();
        let mut place = |route: &Arc<crate::routes::route::Route>| {
            let progress =
                saved.remove(&*route.name).unwrap_or_else(|| begin(&route.name, route.from_start, &mut *log));
            route.durable.stands_at(progress.position(), None);
            (Arc::clone(&route.name), progress)
        };
        let routes = shared.routes.iter().map(&mut place).collect();
        let mut removed: Vec<_> = saved.into_iter().collect();
        removed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let shown = |(name, progress): &(Arc<str>, Progress)| Removed {
            name: Arc::clone(name),
            position: progress.position(),
            backlog: 0,
        };
        *lock(&shared.removed) = removed.iter().map(shown).collect();
        for (route, progress) in &removed {
            tracing::warn!(
                %route,
                position = progress.position().0,
                "the route is no more configured, and the journal keeps what it has not delivered until it is again, or forgotten: hookgate route forget"
            );
        }
        let mut machine = Machine::new(routes, removed, WINDOW);
        let bell = Arc::clone(&shared.bell);
        bell.show_end(end);
        log.save(machine.take_all());
        let now = Instant::now();
        let queues = Queues::new(Arc::clone(shared), counts);
        let mut dispatch = Self {
            machine,
            log,
            queues,
            backlogs: Backlogs::new(shared),
            shared: Arc::clone(shared),
            bell,
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
        self.machine.collect(&mut self.queues);
        self.save_if_due(Instant::now());
    }

    /// Records all there is to record.
    pub(in crate::routes) fn finish(&mut self) {
        self.forget();
        self.machine.collect(&mut self.queues);
        self.log.save(self.machine.take_all());
        self.release();
    }

    /// `true` if there is more to do at once.
    fn turn(&mut self) -> bool {
        if self.again.is_some_and(|(at, _)| at <= Instant::now()) {
            self.machine.try_again();
        }
        let turn = self.machine.turn(&mut *self.log, &mut self.queues);
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
            self.machine.give_up_before(*route, *before);
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
        if !progress.is_empty() {
            self.saved_at = now;
            self.log.save(progress);
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
        let again = self.again.map(|(at, _)| at).into_iter().chain(self.backlogs.due()).min();
        if self.machine.has_moved() {
            // There will be something to record: what is done until then is found then.
            let due = self.saved_at + SAVE_EVERY;
            return self.bell.sleep(Some(again.map_or(due, |again| again.min(due))));
        }
        self.bell.await_done(true);
        if !self.queues.has_done() {
            self.bell.sleep(again);
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
