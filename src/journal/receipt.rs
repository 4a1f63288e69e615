//! Receipts: how an io thread learns what became of an event it handed over.
//!
//! ```text
//! io thread                                     journal thread
//! submit: slot ── submission (slot, generation) ──▶ take: waiting → taken
//! sweep: past its deadline: waiting → withdrawn,    write, sync
//!        and refused either way
//! receipt resolves ◀── one list and one wake ────── outcomes of the batch
//! ```
//!
//! A slot is freed by the journal's completion and by nothing else, and its generation grows then: whatever a client does,
//! a completion never meets another's request.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::id_hash::IdHash;
use super::shared::Shared;
use crate::event::Event;
use crate::event::Sequence;
use crate::refusal::Refusal;
use crate::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use crate::sync::spawn_local;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is synced: it survives the process and the power.
    Safe(Sequence),
    /// Its source has sent this id before, and that event is safe: success, and no delivery.
    Duplicate,
    /// It is not promised.
    Refused(Refusal),
}

/// An event on its way to the journal thread.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) event: Event,
    pub(super) source: usize,
    /// Hashed by the io thread, which has just written it: the journal thread would be the first on its core to touch it.
    pub(super) id: IdHash,
    pub(super) dedupe: bool,
    /// As counted in the queue.
    pub(super) bytes: usize,
    pub(super) ticket: Ticket,
    pub(super) state: Arc<State>,
}

/// Which receipt a completion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) entrance: usize,
    slot: usize,
    generation: u64,
}

/// What one io thread is told after a batch.
pub(super) type Completions = Vec<(Ticket, Outcome)>;

/// Who may still decide about a submission.
#[derive(Debug, Default)]
pub(super) struct State(AtomicU8);

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

impl State {
    /// Journal thread: takes it, unless it was withdrawn.
    pub(super) fn take(&self) -> bool {
        self.change(TAKEN)
    }

    /// Io thread: withdraws it, unless it was taken.
    fn withdraw(&self) -> bool {
        self.change(WITHDRAWN)
    }

    fn change(&self, to: u8) -> bool {
        self.0.compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn reset(&self) {
        self.0.store(WAITING, Ordering::Relaxed);
    }
}

/// Where an io thread hands events over. Made on that thread, inside its `LocalSet`.
#[derive(Debug)]
pub(crate) struct Entrance {
    shared: Arc<Shared>,
    index: usize,
    slots: Rc<RefCell<Slots>>,
}

impl Entrance {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (sender, completions) = unbounded_channel();
        let slots = Slots::default();
        let index = shared.add_entrance(sender, Arc::clone(&slots.occupied));
        let slots = Rc::new(RefCell::new(slots));
        spawn_local(complete(completions, Rc::clone(&slots)));
        Self { shared, index, slots }
    }

    /// Hands an event over. `source` is the index of its source in [`super::Settings::id_windows`]; with `dedupe` its id is
    /// looked up there. The receipt resolves by `deadline`, as [`Entrance::sweep`] sees it.
    pub(crate) fn submit(&self, event: Event, source: usize, deadline: Instant, dedupe: bool) -> Receipt {
        let bytes = super::record::event_length(&event);
        if let Err(refusal) = self.shared.admit(source, bytes, event.received_at(), deadline) {
            return Receipt(Held::Ready(Some(Outcome::Refused(refusal))));
        }
        let (ticket, state) = self.slots.borrow_mut().occupy(self.index, deadline);
        let id = self.shared.hash_id(&event);
        let submission = Submission { event, source, id, dedupe, bytes, ticket, state };
        if let Err(refusal) = self.shared.send(submission) {
            self.slots.borrow_mut().complete(ticket, Outcome::Refused(refusal));
        }
        Receipt(Held::Waiting { ticket, slots: Rc::clone(&self.slots) })
    }

    /// Refuses what is past its deadline. What the journal has not taken by then is withdrawn; what it has may still be
    /// written and delivered.
    pub(crate) fn sweep(&self, now: Instant) {
        self.slots.borrow_mut().sweep(now);
    }
}

async fn complete(mut completions: UnboundedReceiver<Completions>, slots: Rc<RefCell<Slots>>) {
    while let Some(list) = completions.recv().await {
        let mut slots = slots.borrow_mut();
        for (ticket, outcome) in list {
            slots.complete(ticket, outcome);
        }
    }
}

/// Resolves once. May be dropped at any time: what was handed over is kept all the same.
#[derive(Debug)]
pub(crate) struct Receipt(Held);

#[derive(Debug)]
enum Held {
    /// Known at once; `None` when it has been told.
    Ready(Option<Outcome>),
    /// In a slot.
    Waiting { ticket: Ticket, slots: Rc<RefCell<Slots>> },
}

impl Future for Receipt {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let outcome = match &mut self.0 {
            Held::Ready(outcome) => outcome.take(),
            Held::Waiting { ticket, slots } => match slots.borrow_mut().poll(*ticket, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(outcome) => outcome,
            },
        };
        self.0 = Held::Ready(None);
        // Polled again after it has resolved: it promises nothing.
        Poll::Ready(outcome.unwrap_or(Outcome::Refused(Refusal::JournalFailed)))
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Held::Waiting { ticket, slots } = &self.0 {
            slots.borrow_mut().abandon(*ticket);
        }
    }
}

/// The receipts of one io thread.
#[derive(Debug, Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
    /// How many are not free, for others to see.
    occupied: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u64,
    state: Arc<State>,
    /// What its receipt is waiting for; `None` when nothing more can change it.
    deadline: Option<Instant>,
    outcome: Option<Outcome>,
    waker: Option<Waker>,
    /// The journal has told its outcome.
    completed: bool,
    /// A receipt looks at it.
    watched: bool,
}

impl Slots {
    fn occupy(&mut self, entrance: usize, deadline: Instant) -> (Ticket, Arc<State>) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.all.push(Slot::default());
            self.all.len() - 1
        });
        let slot = &mut self.all[index];
        slot.state.reset();
        slot.deadline = Some(deadline);
        slot.watched = true;
        let occupied = (Ticket { entrance, slot: index, generation: slot.generation }, Arc::clone(&slot.state));
        self.show_occupied();
        occupied
    }

    fn at(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        self.all.get_mut(ticket.slot).filter(|slot| slot.generation == ticket.generation)
    }

    /// The journal is done with it. The first outcome stands: a receipt that was refused at its deadline stays so.
    fn complete(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(slot) = self.at(ticket) else { return };
        slot.completed = true;
        slot.resolve(outcome);
        self.free_if_done(ticket);
    }

    fn poll(&mut self, ticket: Ticket, context: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let Some(slot) = self.at(ticket) else { return Poll::Ready(None) };
        let Some(outcome) = slot.outcome else {
            slot.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        slot.watched = false;
        self.free_if_done(ticket);
        Poll::Ready(Some(outcome))
    }

    fn abandon(&mut self, ticket: Ticket) {
        let Some(slot) = self.at(ticket) else { return };
        slot.watched = false;
        slot.waker = None;
        self.free_if_done(ticket);
    }

    fn sweep(&mut self, now: Instant) {
        if self.free.len() == self.all.len() {
            return;
        }
        for slot in &mut self.all {
            if slot.deadline.is_some_and(|deadline| deadline <= now) {
                slot.state.withdraw();
                slot.resolve(Outcome::Refused(Refusal::JournalBehind));
            }
        }
    }

    fn free_if_done(&mut self, ticket: Ticket) {
        let Some(slot) = self.at(ticket).filter(|slot| slot.completed && !slot.watched) else { return };
        let state = Arc::clone(&slot.state);
        *slot = Slot { generation: slot.generation + 1, state, ..Slot::default() };
        self.free.push(ticket.slot);
        self.show_occupied();
    }

    fn show_occupied(&self) {
        self.occupied.store(self.all.len() - self.free.len(), Ordering::Relaxed);
    }
}

impl Slot {
    fn resolve(&mut self, outcome: Outcome) {
        self.deadline = None;
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }
}

/// The outcomes that the journal thread has not sent yet, by io thread.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    lists: Vec<(UnboundedSender<Completions>, Completions)>,
}

impl Outcomes {
    /// Notes one.
    pub(super) fn note(&mut self, shared: &Shared, ticket: Ticket, outcome: Outcome) {
        if self.lists.len() <= ticket.entrance {
            let senders = shared.entrances();
            self.lists.extend(senders.into_iter().skip(self.lists.len()).map(|sender| (sender, Vec::new())));
        }
        if let Some((_, list)) = self.lists.get_mut(ticket.entrance) {
            list.push((ticket, outcome));
        }
    }

    /// Sends them: one list and one wake for each io thread that is concerned.
    pub(super) fn send(&mut self) {
        for (sender, list) in &mut self.lists {
            if !list.is_empty() {
                // Fails when the io thread has ended; nobody waits then.
                let _ = sender.send(std::mem::take(list));
            }
        }
    }
}

#[cfg(test)]
impl Submission {
    /// One that no io thread waits for: its outcome comes to the `entrance` with this number.
    pub(super) fn for_test(shared: &Shared, event: Event, dedupe: bool, entrance: usize, number: usize) -> Self {
        let bytes = super::record::event_length(&event);
        let ticket = Ticket { entrance, slot: number, generation: 0 };
        Self { id: shared.hash_id(&event), event, source: 0, dedupe, bytes, ticket, state: Arc::default() }
    }
}

#[cfg(test)]
impl Ticket {
    /// The number it was given.
    pub(super) fn number(self) -> usize {
        self.slot
    }
}
