//! Gathers a batch, writes it with one write and one sync, and tells everybody what became of it. Runs on `journal`.
//!
//! ```text
//! orders ─▶ take: withdrawn? duplicate? ─▶ batch ─▶ commit: write, sync ─┬─▶ outcomes, one list per io thread
//!                                                       │ failed         └─▶ ring, readers woken
//!                                                       └─▶ all refused; trouble: no event until a retry succeeds
//! ```
//!
//! There is no timer: while one batch is synced the next one gathers in the queue, and an idle journal writes what comes at
//! once. A batch is written only after the one before it was synced. Where a whole batch waits then, the outcomes of the one
//! before are told when that is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::batch::BatchBuffer;
use super::disk::Disk;
use super::gathered::{Gathered, Waiting};
use super::ids::{Ids, Known};
use super::index::{self, Spot};
use super::layout::{BLOCK, whole_blocks};
use super::mutex::locked;
use super::parked::{LISTED, Open};
use super::parking::Parking;
use super::receipt::{Outcome, Outcomes, Submission, Ticket};
use super::record::{self, Kind, RouteProgress};
use super::ring::Item;
use super::segment::{AppendError, Header, Link, Segment};
use super::shared::{Control, Shared, Trouble};
use super::stock::{Shortage, Supply};
use super::threads::Errand;
use crate::event::Sequence;
use crate::failpoint;
use crate::refusal::Refusal;

/// What the journal thread owns.
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    supply: Arc<Supply>,
    errands: Sender<Errand>,
    /// How long to wait for the next segment's file while it is written.
    patience: Duration,
    batch_bytes_max: usize,

    /// `None` after a failure, and before the first.
    segment: Option<Segment>,
    /// The segment that joined last, as the next header will describe it.
    last: Option<Link>,
    next: Sequence,
    /// Of all routes, as last told.
    progress: BTreeMap<Arc<str>, RouteProgress>,
    /// To be let go once the progress that came with it is safe.
    release: Option<Sequence>,
    ids: Ids,
    /// Of the current segment, and of none while there is none.
    index: index::Draft,
    parking: Parking,
    gathered: Gathered,
    /// A buffer of its own: it is written while a batch waits.
    checkpoint: BatchBuffer,
    outcomes: Outcomes,
    retry: Option<Retry>,
}

/// When to try again after a failure.
struct Retry {
    at: Instant,
    wait: Duration,
}

/// After a failure that may pass, before the next attempt.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait between attempts on a failing disk.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What [`Writer::new`] needs to know.
pub(super) struct Parts {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) shared: Arc<Shared>,
    pub(super) supply: Arc<Supply>,
    pub(super) errands: Sender<Errand>,
    pub(super) patience: Duration,
    pub(super) batch_bytes_max: usize,
    pub(super) segment: Option<Segment>,
    pub(super) next: Sequence,
    pub(super) progress: BTreeMap<Arc<str>, RouteProgress>,
    pub(super) ids: Ids,
    /// Of the segment so far.
    pub(super) index: index::Draft,
}

impl Writer {
    /// A writer that goes on where recovery has ended.
    pub(super) fn new(parts: Parts) -> Self {
        let mut writer = Self {
            disk: parts.disk,
            shared: parts.shared,
            supply: parts.supply,
            errands: parts.errands,
            patience: parts.patience,
            batch_bytes_max: parts.batch_bytes_max,
            last: parts.segment.as_ref().map(Segment::link),
            segment: parts.segment,
            next: parts.next,
            progress: parts.progress,
            release: None,
            ids: parts.ids,
            index: parts.index,
            parking: Parking::default(),
            gathered: Gathered::default(),
            checkpoint: BatchBuffer::default(),
            outcomes: Outcomes::default(),
            retry: None,
        };
        writer.gathered.buffer.clear();
        writer
    }

    /// Begins the first segment, if there is none.
    pub(super) fn begin(&mut self) -> Result<(), Shortage> {
        if self.segment.is_none() { self.rotate() } else { Ok(()) }
    }

    /// When it wants to be called without an order.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry.as_ref().map(|retry| retry.at)
    }

    /// Whether one more event belongs into this batch.
    pub(super) fn has_room(&self) -> bool {
        self.gathered.buffer.len() < self.batch_bytes_max
    }

    /// Whether there is more to commit than one batch took.
    pub(super) fn has_more(&self) -> bool {
        self.parking.has_more()
    }

    /// Takes an event into the batch, or answers it at once.
    pub(super) fn take(&mut self, submission: Submission) {
        self.shared.left_queue(submission.source, submission.bytes);
        let Submission { event, source, id, dedupe, bytes, ticket, state } = submission;
        if !state.take() {
            // The io thread has refused it. The slot is free only now.
            return self.tell(ticket, Outcome::Refused(Refusal::JournalBehind));
        }
        if self.retry.is_some() {
            return self.tell(ticket, Outcome::Refused(self.refusal()));
        }
        if bytes > self.batch_bytes_max {
            // It takes long to write, and outcomes may be held back.
            self.outcomes.send();
        }
        let waiting = Waiting { ticket, source, id, dedupe };
        let known = if dedupe { self.ids.look_up(source, id, self.shared.id_time(event.received_at())) } else { None };
        match known {
            Some(Known::Safe) => return self.tell(ticket, Outcome::Duplicate),
            Some(Known::Pending) => return self.gathered.copies.push(waiting),
            Some(Known::New) | None => {}
        }
        self.gathered.buffer.push_event(&event);
        self.gathered.events.push(event);
        self.gathered.waiting.push(waiting);
    }

    /// Writes what was gathered and what was left in [`Shared::control`], and says what became of it. Returns whether the
    /// journal is to be closed.
    pub(super) fn commit(&mut self) -> bool {
        let Control { progress, forget, settled, parking, release, close } =
            std::mem::take(&mut *locked(&self.shared.control));
        self.release = self.release.max(release);
        if self.retry.is_none() {
            if !progress.is_empty() {
                failpoint::pass("progress.gathered");
                let records = progress.iter().map(|(route, progress)| (route, progress));
                self.gathered.buffer.push(|to| record::write_progress(Kind::Progress, records, to));
            }
            if !settled.is_empty() {
                self.gathered.buffer.push(|to| record::write_settled(&settled, to));
            }
        }
        // In trouble, or if this batch fails, it goes with the checkpoint that ends the trouble.
        self.progress.extend(progress);
        if !settled.is_empty() {
            let mut open = locked(&self.shared.open);
            settled.into_iter().for_each(|sequence| open.settle(sequence));
        }
        if !forget.is_empty() {
            self.forget(&forget);
        }
        self.parking.add(parking);
        match self.retry {
            None => self.parking.fill(&mut self.gathered.buffer, self.batch_bytes_max / 4),
            Some(_) => self.parking.refuse(self.refusal(), &self.shared),
        }

        if self.gathered.buffer.is_empty() {
            self.outcomes.send();
        } else {
            match self.write() {
                Ok((first, offset)) => self.succeed(first, offset),
                Err(shortage) => self.fail(shortage),
            }
            self.gathered.buffer.clear();
        }
        self.let_go();
        close
    }

    /// Tries to end a trouble, if it is time.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.retry.as_ref().is_none_or(|retry| now < retry.at) {
            return;
        }
        match self.probe() {
            Err(shortage) => self.note_trouble(shortage, now),
            Ok(()) => {
                self.retry = None;
                self.shared.set_gate(None);
                *locked(&self.shared.trouble) = None;
                tracing::info!("the journal takes events again");
                self.let_go();
            }
        }
    }

    /// Leaves a checkpoint, so that the next start has little to read.
    pub(super) fn close(&mut self) {
        self.outcomes.send();
        failpoint::pass("close.begun");
        if self.retry.is_none()
            && let Err(shortage) = self.probe()
        {
            tracing::warn!(
                why = shortage.why,
                "the journal ends without a checkpoint; routes may deliver some events again"
            );
        }
        failpoint::pass("close.done");
    }

    /// Why nothing is taken.
    fn refusal(&self) -> Refusal {
        locked(&self.shared.trouble).as_ref().map_or(Refusal::JournalFailed, |trouble| trouble.refusal)
    }

    fn tell(&mut self, ticket: Ticket, outcome: Outcome) {
        self.outcomes.note(&self.shared, ticket, outcome);
    }

    fn succeed(&mut self, first: Sequence, offset: u64) {
        let now = self.shared.id_time(Instant::now());
        for (at, waiting) in self.gathered.waiting.iter().enumerate() {
            if waiting.dedupe {
                self.ids.settle(waiting.source, waiting.id, now);
            }
            self.outcomes.note(&self.shared, waiting.ticket, Outcome::Safe(first.plus(at as u64)));
        }
        for copy in std::mem::take(&mut self.gathered.copies) {
            self.ids.note_duplicate(copy.source);
            self.tell(copy.ticket, Outcome::Duplicate);
        }
        failpoint::pass("receipts.ready");
        // Answers first: providers wait for them, routes only for work. But an io thread on the same core would answer while the
        // disk rests: where a whole batch waits, that sends them, between its write and its sync.
        if !self.shared.is_saturated() {
            self.outcomes.send();
            failpoint::pass("receipts.sent");
        }
        self.note_in_index(first, offset);
        let mut items: Vec<_> = self.gathered.events.drain(..).map(Item::Event).collect();
        items.extend(self.parking.succeed(first.plus(items.len() as u64), offset, &self.shared));
        if !items.is_empty() {
            self.shared.publish(first, items);
            failpoint::pass("batch.published");
        }
    }

    /// Takes note of all that is in the batch, for the segment's page.
    fn note_in_index(&mut self, first: Sequence, offset: u64) {
        let key = *self.ids.key();
        let waiting = self.gathered.waiting.drain(..).map(|waiting| (waiting.id, Some(waiting.source), false));
        let received = waiting.zip(&self.gathered.events);
        let parked = self.parking.taken().map(|event| ((key.hash(event.id_bytes()), None, true), event));
        for (at, ((id, source, parked), event)) in received.chain(parked).enumerate() {
            let spot = Spot { sequence: first.plus(at as u64), offset, parked };
            self.index.push(id, spot, (source, || event.source()), event.received());
        }
    }

    fn fail(&mut self, shortage: Shortage) {
        let outcome = Outcome::Refused(shortage.refusal);
        let waiting = std::mem::take(&mut self.gathered.waiting);
        for waiting in waiting.into_iter().chain(std::mem::take(&mut self.gathered.copies)) {
            if waiting.dedupe {
                self.ids.forget(waiting.source, waiting.id);
            }
            self.tell(waiting.ticket, outcome);
        }
        self.gathered.events.clear();
        self.shared.counts.failures.increment();
        self.parking.fail(shortage.refusal, &self.shared);
        self.note_trouble(shortage, Instant::now());
        self.outcomes.send();
    }

    fn note_trouble(&mut self, shortage: Shortage, now: Instant) {
        let Shortage { refusal, why } = shortage;
        let wait = match &self.retry {
            // A new segment is tried at once.
            None if refusal == Refusal::JournalFailed => Duration::ZERO,
            Some(retry) if refusal == Refusal::JournalFailed => (retry.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT),
            _ => FIRST_WAIT,
        };
        self.retry = Some(Retry { at: now + wait, wait });
        self.shared.set_gate(Some(refusal));
        let mut trouble = locked(&self.shared.trouble);
        if trouble.as_ref().is_none_or(|known| known.refusal != refusal) {
            tracing::error!(why, reason = refusal.label(), "the journal takes no events");
        }
        let since = trouble.as_ref().map_or(now, |known| known.since);
        *trouble = Some(Trouble { refusal, why, since });
    }

    /// Lets go what is released, if the progress that was told before is safe.
    fn let_go(&mut self) {
        if self.retry.is_none()
            && let Some(released) = self.release.take()
        {
            failpoint::pass("release.safe");
            self.send(Errand::Release(released));
        }
    }

    /// Nothing is kept of these routes any more. Only a checkpoint says so.
    fn forget(&mut self, routes: &[Arc<str>]) {
        self.progress.retain(|route, _| !routes.contains(route));
        locked(&self.shared.open).forget(routes);
        if self.retry.is_none() {
            write_checkpoint(&self.progress, &locked(&self.shared.open), &mut self.gathered.buffer);
        }
    }

    /// Returns the first sequence of the batch, and its offset.
    fn write(&mut self) -> Result<(Sequence, u64), Shortage> {
        let size = whole_blocks(self.gathered.buffer.len());
        // Something is left for the checkpoint that makes a release safe when there is no room for another segment.
        let left = BLOCK + (locked(&self.shared.open).len() * LISTED).min(self.batch_bytes_max);
        if self.segment.as_ref().is_none_or(|segment| !segment.has_room(size + left)) {
            // The next segment's file may be long in coming.
            self.outcomes.send();
            self.rotate()?;
        }
        failpoint::pass("batch.gathered");
        let first = self.next;
        let offset = self.segment.as_ref().map_or(0, |segment| segment.link().sealed_at);
        let begun = Instant::now();
        self.shared.pace.begin(begun);
        let Some(segment) = &mut self.segment else {
            return Err(Shortage { refusal: Refusal::JournalFailed, why: "there is no segment".into() });
        };
        let written = segment.write(&mut self.gathered.buffer, first);
        let sending = Instant::now();
        self.outcomes.send();
        // Whoever was woken on this core may have had a turn.
        let sending = sending.elapsed();
        let appended = written.and_then(|written| segment.sync(written));
        let took = begun.elapsed();
        self.shared.pace.end(took);
        let events = u64::from(self.gathered.buffer.events());
        self.settle(appended, events)?;
        self.shared.counts.note_batch(took.saturating_sub(sending), events, size as u64);
        Ok((first, offset))
    }

    /// Takes note of how an append to the current segment ended.
    fn settle(&mut self, appended: Result<(), AppendError>, events: u64) -> Result<(), Shortage> {
        match appended {
            Ok(()) => {
                if let Some(segment) = &self.segment {
                    self.next = segment.link().end;
                    self.last = Some(segment.link());
                    self.shared.catalog.note(segment);
                }
                Ok(())
            }
            Err(AppendError { error, broken }) => {
                // What was written may be there all the same: its numbers are not used for other events.
                self.next = self.next.plus(events.max(1));
                if broken {
                    self.segment = None;
                    self.shared.catalog.note_broken();
                }
                Err(Shortage::from(&error))
            }
        }
    }

    /// Begins the next segment with a checkpoint. It joins the others only when that is synced.
    fn rotate(&mut self) -> Result<(), Shortage> {
        let spare = self.supply.take(self.patience)?;
        if self.last.is_some_and(|last| last.first == self.next) {
            // A segment without an event: its name is taken.
            self.next = self.next.plus(1);
        }
        failpoint::pass("segment.wanted");
        let header = Header::new(self.next, self.last);
        // The new header says where the old segment ends; nothing may be appended to that any more.
        self.segment = None;
        let names = [spare.name.clone(), header.name()];
        let started = Segment::start(&*self.disk, spare, header);
        let started = started.and_then(|mut segment| {
            self.fill_checkpoint();
            segment.append(&mut self.checkpoint, self.next).map_err(|failed| failed.error)?;
            Ok(segment)
        });
        let rotated = match started {
            Ok(segment) => {
                failpoint::pass("segment.joined");
                let draft = std::mem::replace(&mut self.index, index::Draft::new(segment.link().first));
                let page = self.last.and_then(|sealed| draft.finish(&sealed, self.ids.key()));
                if let Some(page) = page {
                    self.send(Errand::Index(page));
                }
                self.last = Some(segment.link());
                self.shared.catalog.note(&segment);
                self.segment = Some(segment);
                Ok(())
            }
            Err(error) => {
                self.next = self.next.plus(1);
                // It never was a part of the journal. Where removing it fails too, recovery finds that out.
                for name in names {
                    let _ = self.disk.remove(&name);
                }
                Err(Shortage::from(&error))
            }
        };
        // Only now: what there is counts against `max_size`.
        self.send(Errand::Tend);
        rotated
    }

    /// Proves by a checkpoint that events can be written again.
    fn probe(&mut self) -> Result<(), Shortage> {
        if self.retry.is_some() && self.segment.is_some() {
            // It is only room that is wanting, and what routes are done with makes some: once that is safe.
            if let Some(released) = self.release {
                self.append_checkpoint()?;
                self.release = None;
                self.send(Errand::Release(released));
            }
            if self.segment.as_ref().is_some_and(|segment| !segment.has_room(self.batch_bytes_max)) {
                // The next batch will need another segment.
                self.supply.check()?;
            }
        }
        self.fill_checkpoint();
        let size = whole_blocks(self.checkpoint.len());
        if self.segment.as_ref().is_some_and(|segment| segment.has_room(size)) {
            self.append_checkpoint()
        } else {
            self.rotate()
        }
    }

    /// Appends a checkpoint to the current segment, which grows if it must.
    fn append_checkpoint(&mut self) -> Result<(), Shortage> {
        self.fill_checkpoint();
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let appended = segment.append(&mut self.checkpoint, self.next);
        self.settle(appended, 0)
    }

    fn fill_checkpoint(&mut self) {
        self.checkpoint.clear();
        write_checkpoint(&self.progress, &locked(&self.shared.open), &mut self.checkpoint);
    }

    fn send(&self, errand: Errand) {
        // Fails only when `disk` has ended, and then nothing is written any more.
        let _ = self.errands.send(errand);
    }
}

/// How far all routes have come, and all parked events that are open.
fn write_checkpoint(progress: &BTreeMap<Arc<str>, RouteProgress>, open: &Open, to: &mut BatchBuffer) {
    to.push(|to| record::write_progress(Kind::Checkpoint, progress, to));
    if open.len() > 0 {
        to.push(|to| record::write_open(open, to));
    }
}
