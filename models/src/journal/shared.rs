//! The queue between the threads.

use std::sync::Arc;
use std::time::Instant;

use loom::sync::{Condvar, Mutex};

use super::id_hash::IdHash;
use super::receipt::{Completions, Submission};
use crate::event::Event;
use crate::refusal::Refusal;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::mpsc::UnboundedSender;

#[derive(Debug, Default)]
pub(super) struct Shared {
    queue: Mutex<Vec<Submission>>,
    filled: Condvar,
    /// Events that the journal thread is about to take, or has taken: a bit each.
    taken: AtomicUsize,
    /// Filled before the threads begin.
    entrances: std::sync::Mutex<Vec<(UnboundedSender<Completions>, Arc<AtomicUsize>)>>,
}

impl Shared {
    pub(super) fn admit(&self, _: usize, _: usize, _: Instant, _: Instant) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn hash_id(&self, _: &Event) -> IdHash {
        IdHash
    }

    pub(super) fn send(&self, submission: Submission) -> Result<(), Refusal> {
        self.queue.lock().unwrap().push(submission);
        self.filled.notify_one();
        Ok(())
    }

    /// All that is there, and at least one.
    pub(super) fn gather(&self) -> Vec<Submission> {
        let mut queue = self.queue.lock().unwrap();
        while queue.is_empty() {
            queue = self.filled.wait(queue).unwrap();
        }
        std::mem::take(&mut *queue)
    }

    /// Journal thread: this one is next.
    pub(super) fn takes(&self, number: u64) {
        self.taken.fetch_or(1 << number, Ordering::AcqRel);
    }

    /// Io thread. Not before [`Shared::takes`] means that all of the io thread that comes before this does too.
    pub(super) fn is_being_taken(&self, number: u64) -> bool {
        self.taken.fetch_or(0, Ordering::AcqRel) & (1 << number) > 0
    }

    pub(super) fn add_entrance(&self, sender: UnboundedSender<Completions>, receipts: Arc<AtomicUsize>) -> usize {
        let mut entrances = self.entrances.lock().unwrap();
        entrances.push((sender, receipts));
        entrances.len() - 1
    }

    pub(super) fn entrances(&self) -> Vec<UnboundedSender<Completions>> {
        self.entrances.lock().unwrap().iter().map(|(sender, _)| sender.clone()).collect()
    }

    pub(super) fn open_receipts(&self) -> usize {
        let entrances = self.entrances.lock().unwrap();
        entrances.iter().map(|(_, receipts)| receipts.load(Ordering::Relaxed)).sum()
    }
}
