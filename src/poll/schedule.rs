//! When a poll runs: at its interval, later after a failure, and at once when it is told to.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::memory::Memory;
use super::observed::{Command, Taken};
use super::run::{Poller, Shared};
use super::trouble::Trouble;

/// Those who want to know what becomes of a run.
type Waiting = Vec<oneshot::Sender<Result<Taken, String>>>;

/// A reset, and who wants to know of it.
type Reset = (Option<String>, oneshot::Sender<Result<Option<String>, String>>);

impl Poller {
    /// Runs for as long as the thread does.
    pub(super) async fn go(mut self, shared: Rc<Shared>, mut commands: mpsc::Receiver<Command>) {
        let (mut failures, mut waiting) = (0, Waiting::new());
        loop {
            let (asked, before) = (SystemTime::now(), self.observed.counts.taken());
            self.observed.note_start();
            let wait = match self.run_unless_reset(&shared, &mut commands, &mut waiting).await {
                Ok(result) => {
                    failures = if result.is_ok() { 0 } else { failures + 1 };
                    let told = self.judge(result, asked, failures);
                    let after = self.observed.counts.taken();
                    let taken = Taken {
                        records: after.records - before.records,
                        duplicates: after.duplicates - before.duplicates,
                    };
                    for reply in waiting.drain(..) {
                        let _ = reply.send(told.0.clone().map(|()| taken));
                    }
                    told.1
                }
                // Nothing of the run counts: its cursor was not saved.
                Err(reset) => {
                    self.reset(reset);
                    Duration::ZERO
                }
            };
            self.wait(wait, &mut commands, &mut waiting).await;
        }
    }

    /// A run, broken off by a reset.
    async fn run_unless_reset(
        &mut self,
        shared: &Shared,
        commands: &mut mpsc::Receiver<Command>,
        waiting: &mut Waiting,
    ) -> Result<Result<(), Trouble>, Reset> {
        let hurry = Arc::clone(&self.hurry);
        let mut run = pin!(self.run(shared));
        loop {
            tokio::select! {
                result = &mut run => return Ok(result),
                Some(command) = commands.recv() => match command {
                    Command::Run(reply) => {
                        waiting.push(reply);
                        hurry.notify_waiters();
                    }
                    Command::Reset(to, reply) => return Err((to, reply)),
                },
            }
        }
    }

    /// What is told of a run, and how long to wait after it.
    fn judge(
        &mut self,
        result: Result<(), Trouble>,
        asked: SystemTime,
        failures: u32,
    ) -> (Result<(), String>, Duration) {
        match result {
            Ok(()) => {
                if self.observed.is_failing() {
                    tracing::info!(poll = self.config.name, "the poll succeeds again");
                }
                self.observed.note_success(asked);
                let wait = self.config.every.mul_f64(1.0 + self.config.jitter * fastrand::f64());
                self.observed.note_wait(wait, true);
                (Ok(()), wait)
            }
            Err(trouble) => {
                let wait = trouble.wait(failures, self.config.every);
                self.note(&trouble, wait, true);
                (Err(trouble.to_string()), wait)
            }
        }
    }

    async fn wait(&mut self, wait: Duration, commands: &mut mpsc::Receiver<Command>, waiting: &mut Waiting) {
        let mut sleep = pin!(sleep(wait));
        loop {
            tokio::select! {
                () = &mut sleep => return,
                Some(command) = commands.recv() => match command {
                    Command::Run(reply) => return waiting.push(reply),
                    Command::Reset(to, reply) => self.reset((to, reply)),
                },
            }
        }
    }

    fn reset(&mut self, (to, reply): Reset) {
        let told = self.begin_at(to).map(|()| self.memory.cursor.clone());
        if told.is_ok() {
            tracing::info!(poll = self.config.name, "the poll begins anew by request");
        }
        let _ = reply.send(told);
    }

    fn begin_at(&mut self, to: Option<String>) -> Result<(), String> {
        let memory = Memory::anew(&self.config, to)?;
        self.file.replace(&self.config, &memory).map_err(|error| Trouble::Cursor(error).to_string())?;
        self.observed.note_cursor(memory.cursor.as_deref());
        self.memory = memory;
        Ok(())
    }
}
