//! What takes a while and is asked for: replaying events to a route, its dead letters again, or away with them. Each runs on
//! a thread of its own, one at a time, and tells how far it is, a line of JSON each, as long as its client listens: when the
//! client goes, it stops.
//!
//! ```text
//! events ──▶ as many as the rate and the route's room allow ──▶ journal, parked for the route, synced ──▶ told
//!                                                                  └──▶ dispatch ──▶ the route, as any other event
//! ```
//!
//! Nothing is told as handed over that would not survive the end of the process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{RecvTimeoutError, bounded};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Sender;

use super::follow::Lines;
use super::observed::Observed;
use super::replay::Replay;
use super::undertaking::Undertaking;
use crate::event::Event;
use crate::journal::Journal;
use crate::listen::Stage;

/// How far a job is, on the wire: the last line says how it ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct JobLine {
    /// Events that are handed over and safe, or dropped; with a dry run, those that would be.
    pub(crate) events: u64,
    /// So much is looked through…
    pub(crate) looked_through: u64,
    /// …of so much. 0 where that is not known.
    pub(crate) of: u64,
    /// Where to go on. Only of replays.
    pub(crate) next_sequence: Option<u64>,
    /// The route has no room, and the job waits.
    pub(crate) waits: bool,
    /// This is the last line.
    pub(crate) is_over: bool,
    /// Why it ended before its end.
    pub(crate) stopped: Option<String>,
}

/// A job that is not begun, since that would be of no use: the status and the words of the answer.
pub(super) type Refused = (StatusCode, String);

/// What is asked for, by its path.
#[derive(Debug)]
pub(super) enum Job {
    Replay(Replay),
    Dead(Undertaking),
}

/// What a job works with.
pub(super) struct Desk {
    pub(super) observed: Observed,
    pub(super) journal: Option<Arc<Journal>>,
    pub(super) route: String,
    pub(super) told: JobLine,
    lines: Sender<Bytes>,
    last_told: Instant,
}

/// Why nothing more is handed over.
#[derive(Debug)]
pub(super) struct Stopped(pub(super) String);

/// Lines are told no more often, but for the last.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// How soon a job sees that it is to stop, or that there is room.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Job {
    /// The route and the job that a path names. `None` if it names none; an error if its parameters do not fit.
    pub(super) fn of<'path>(path: &'path str, query: &str) -> Option<(&'path str, Result<Self, String>)> {
        let (route, verb) = path.strip_prefix("/routes/")?.split_once('/')?;
        let job = match verb {
            "replay" => Replay::parse(query).map(Job::Replay),
            "dead/retry" => Undertaking::parse(query, true).map(Job::Dead),
            "dead/drop" => Undertaking::parse(query, false).map(Job::Dead),
            _ => return None,
        };
        Some((route, job))
    }

    /// The source that is asked for.
    pub(super) fn source(&self) -> Option<&str> {
        match self {
            Job::Replay(replay) => replay.source(),
            Job::Dead(_) => None,
        }
    }

    /// Begins it. The permit is given back when it ends.
    pub(super) fn begin(
        self,
        observed: &Observed,
        route: &str,
        permit: OwnedSemaphorePermit,
    ) -> Result<Lines, Refused> {
        match &self {
            Job::Replay(replay) => replay.check(observed, route)?,
            Job::Dead(undertaking) => undertaking.check(observed)?,
        }
        let (lines, body) = Lines::channel();
        let mut desk = Desk {
            observed: observed.clone(),
            journal: observed.journal.clone(),
            route: route.to_owned(),
            told: JobLine::default(),
            lines,
            last_told: Instant::now(),
        };
        let work = move || {
            let _permit = permit;
            let ended = match self {
                Job::Replay(replay) => replay.run(&mut desk),
                Job::Dead(undertaking) => undertaking.run(&mut desk),
            };
            desk.end(ended);
        };
        let thread = std::thread::Builder::new().name("replay".into()).spawn(work);
        let failed = |error| (StatusCode::SERVICE_UNAVAILABLE, format!("no thread can be started for this: {error}"));
        thread.map_err(failed)?;
        Ok(body)
    }
}

impl Desk {
    /// Hands events over to the route, as soon as it has room. Returns how many of them are safe, from the first on, and why
    /// the others are not.
    pub(super) fn hand_over(&mut self, events: &[Event]) -> (usize, Result<(), Stopped>) {
        match self.try_hand_over(events) {
            Ok(outcome) => outcome,
            Err(stopped) => (0, Err(stopped)),
        }
    }

    fn try_hand_over(&mut self, events: &[Event]) -> Result<(usize, Result<(), Stopped>), Stopped> {
        self.wait_for_room()?;
        let Some(journal) = &self.journal else { return Err(Stopped("there is no journal".to_owned())) };
        let (told, outcomes) = bounded(events.len());
        let again = |event: &Event| self.observed.routes.again(&self.route, event.clone(), told.clone());
        let parked: Vec<_> = events.iter().filter_map(again).collect();
        journal.park(parked);
        // In the order in which they were handed over.
        for safe in 0..events.len() {
            let outcome = loop {
                match outcomes.recv_timeout(LOOK_EVERY) {
                    Ok(outcome) => break outcome,
                    // Those that were handed over are seen through, unless the journal ends.
                    Err(RecvTimeoutError::Timeout) if self.observed.stage.get() == Stage::Running => {}
                    Err(_) => return Ok((safe, Err(stopping()))),
                }
            };
            if let Err(refusal) = outcome {
                let why = format!("the journal takes nothing ({}); /readyz says why", refusal.label());
                return Ok((safe, Err(Stopped(why))));
            }
        }
        Ok((events.len(), Ok(())))
    }

    fn wait_for_room(&mut self) -> Result<(), Stopped> {
        self.check()?;
        while !self.observed.routes.has_room_again(&self.route) {
            self.told.waits = true;
            self.tell();
            std::thread::sleep(LOOK_EVERY);
            self.check()?;
        }
        self.told.waits = false;
        Ok(())
    }

    /// Waits until it is time for more.
    pub(super) fn wait_until(&mut self, time: Instant) -> Result<(), Stopped> {
        loop {
            self.check()?;
            let left = time.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// Whether somebody still wants this, and it can go on.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        if self.lines.is_closed() {
            Err(Stopped("its client has gone".to_owned()))
        } else if self.observed.stage.get() == Stage::Running {
            Ok(())
        } else {
            Err(stopping())
        }
    }

    /// Says how far it is, now and then. A client that does not read misses some.
    pub(super) fn tell(&mut self) {
        if self.last_told.elapsed() >= TELL_EVERY {
            self.last_told = Instant::now();
            let _ = self.lines.try_send(line(&self.told));
        }
    }

    fn end(mut self, ended: Result<(), Stopped>) {
        self.told.is_over = true;
        self.told.stopped = ended.err().map(|Stopped(why)| why);
        tracing::info!(
            route = self.route,
            events = self.told.events,
            next_sequence = self.told.next_sequence,
            stopped = self.told.stopped,
            "a replay, or what was asked for with dead letters, has ended"
        );
        // Fails if nobody is there to be told.
        let _ = self.lines.blocking_send(line(&self.told));
    }
}

fn stopping() -> Stopped {
    Stopped("the gateway is stopping".to_owned())
}

fn line(told: &JobLine) -> Bytes {
    format!("{}\n", serde_json::json!(told)).into()
}
