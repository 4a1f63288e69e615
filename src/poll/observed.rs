//! A poll as others see it, and what it can be told. Its thread writes, anybody reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::trouble::{REASONS, Trouble};
use crate::config::Config;
use crate::counters::Counter;

/// One poll of a running gateway.
#[derive(Debug)]
pub(crate) struct ObservedPoll {
    pub(crate) name: String,
    pub(crate) counts: PollCounts,
    /// Where its events come from, as routes know it.
    source: String,
    since: SystemTime,
    state: Mutex<State>,
    commands: mpsc::Sender<Command>,
}

/// What is counted of a poll.
#[derive(Debug, Default)]
pub(crate) struct PollCounts {
    /// When a run was last complete, in seconds of the Unix epoch; 0 before the first.
    pub(crate) last_success: Counter,
    /// When that run began, likewise.
    pub(super) last_asked: Counter,
    /// Pages that were answered.
    pub(crate) pages: Counter,
    /// Answers that there is nothing new.
    pub(crate) unchanged: Counter,
    /// Records that became events.
    pub(crate) records: Counter,
    /// Records whose id was known: not delivered again.
    pub(crate) duplicates: Counter,
    errors: [Counter; REASONS.len()],
}

/// What only people want to know.
#[derive(Debug, Default)]
struct State {
    running: bool,
    cursor: Option<String>,
    /// From a failure to the next run that is complete.
    trouble: Option<Told>,
    next: Option<Instant>,
}

#[derive(Debug)]
struct Told {
    reason: &'static str,
    said: String,
    passes: bool,
}

/// What a poll does at the wish of an operator, and to whom it tells what became of it.
#[derive(Debug)]
pub(super) enum Command {
    /// Runs now. Where a run is under way, it is that one, and it waits for nothing.
    Run(oneshot::Sender<Result<Taken, String>>),
    /// Goes on from this cursor, or begins anew.
    Reset(Option<String>, oneshot::Sender<Result<Option<String>, String>>),
}

/// What a run found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Records that became events.
    pub(crate) records: u64,
    /// Records that were known.
    pub(crate) duplicates: u64,
}

/// A poll as `hookgate poll list` prints it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PollStatus {
    pub(crate) poll: String,
    pub(crate) source: String,
    /// `running`, `waiting` for its next run, `failing` in a way that may pass, `paused` for something that somebody has to
    /// put right (and tried again now and then), or `stopped` with the gateway.
    pub(crate) state: String,
    pub(crate) cursor: Option<String>,
    pub(crate) last_success: Option<String>,
    pub(crate) lag_seconds: Option<f64>,
    pub(crate) next_run_seconds: Option<f64>,
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    pub(crate) errors: u64,
    /// The label of what stopped its last run.
    pub(crate) reason: Option<String>,
    /// The same in a sentence.
    pub(crate) trouble: Option<String>,
}

/// Why a command has no effect.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// It did what was asked and failed, or cannot.
    Failed(String),
    /// The gateway is stopping, or too much was asked already.
    Busy,
}

/// Commands that wait for their turn.
const COMMANDS_MAX: usize = 16;

impl ObservedPoll {
    /// One for each poll of a configuration, and where it is to look for commands.
    pub(super) fn of(config: &Config) -> (Vec<Arc<Self>>, Vec<mpsc::Receiver<Command>>) {
        let one = |poll: &crate::config::PollConfig| {
            let (commands, received) = mpsc::channel(COMMANDS_MAX);
            let filled = poll.fills.and_then(|at| config.sources.get(at));
            let observed = Self {
                name: poll.name.clone(),
                counts: PollCounts::default(),
                source: filled.map_or(&poll.name, |source| &source.name).clone(),
                since: SystemTime::now(),
                state: Mutex::default(),
                commands,
            };
            (Arc::new(observed), received)
        };
        config.polls.iter().map(one).unzip()
    }

    /// Runs it now, and waits for the end of the run.
    pub(crate) async fn run(&self) -> Result<Taken, NotDone> {
        self.command(Command::Run).await
    }

    /// Has it go on from this cursor, or begin anew; returns where it goes on from.
    pub(crate) async fn reset(&self, to: Option<String>) -> Result<Option<String>, NotDone> {
        self.command(|reply| Command::Reset(to, reply)).await
    }

    async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Command,
    ) -> Result<T, NotDone> {
        let (reply, told) = oneshot::channel();
        self.commands.try_send(command(reply)).map_err(|_| NotDone::Busy)?;
        told.await.map_err(|_| NotDone::Busy)?.map_err(NotDone::Failed)
    }

    /// What people are told of it.
    pub(crate) fn status(&self, now: SystemTime) -> PollStatus {
        let state = self.state();
        let (counts, trouble) = (&self.counts, state.trouble.as_ref());
        let word = match trouble {
            Some(told) if told.passes => "failing",
            Some(_) => "paused",
            None if state.running => "running",
            None => "waiting",
        };
        let last = counts.last_success.get();
        PollStatus {
            poll: self.name.clone(),
            source: self.source.clone(),
            state: word.to_owned(),
            cursor: state.cursor.clone(),
            last_success: (last > 0)
                .then(|| format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(last)).to_string()),
            lag_seconds: Some(self.lag(now).as_secs_f64()),
            next_run_seconds: state.next.map(|next| next.saturating_duration_since(Instant::now()).as_secs_f64()),
            records: counts.records.get(),
            duplicates: counts.duplicates.get(),
            errors: counts.errors().map(|(_, count)| count).sum(),
            reason: trouble.map(|told| told.reason.to_owned()),
            trouble: trouble.map(|told| told.said.clone()),
        }
    }

    /// Since the begin of the last complete run, or since the gateway's: what its server had by then is safe.
    pub(crate) fn lag(&self, now: SystemTime) -> Duration {
        let asked = self.counts.last_asked.get();
        let asked = if asked > 0 { UNIX_EPOCH + Duration::from_secs(asked) } else { self.since };
        now.duration_since(asked).unwrap_or_default()
    }

    /// Whether its last run stopped before its end.
    pub(crate) fn is_failing(&self) -> bool {
        self.state().trouble.is_some()
    }

    pub(super) fn note_start(&self) {
        let mut state = self.state();
        (state.running, state.next) = (true, None);
    }

    pub(super) fn note_cursor(&self, cursor: Option<&str>) {
        self.state().cursor = cursor.map(ToOwned::to_owned);
    }

    /// A run that began at `asked` is complete.
    pub(super) fn note_success(&self, asked: SystemTime) {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.counts.last_asked.set(seconds(asked));
        self.counts.last_success.set(seconds(SystemTime::now()));
        self.state().trouble = None;
    }

    pub(super) fn note_trouble(&self, trouble: &Trouble) {
        let (reason, passes) = (trouble.reason(), trouble.passes());
        self.counts.note_error(reason);
        self.state().trouble = Some(Told { reason, said: trouble.to_string(), passes });
    }

    /// Nothing is asked for so long.
    pub(super) fn note_wait(&self, wait: Duration, run_is_over: bool) {
        let mut state = self.state();
        (state.running, state.next) = (!run_is_over, Instant::now().checked_add(wait));
    }

    /// Each change leaves the state whole, so also after a panic it can be read.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PollCounts {
    /// Failures by reason.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.errors.iter().map(Counter::get))
    }

    fn note_error(&self, reason: &str) {
        let of_reason = REASONS.iter().zip(&self.errors).find(|(known, _)| **known == reason);
        if let Some((_, count)) = of_reason {
            count.increment();
        }
    }

    /// What was found since the begin.
    pub(super) fn taken(&self) -> Taken {
        Taken { records: self.records.get(), duplicates: self.duplicates.get() }
    }
}
