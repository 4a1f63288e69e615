//! The way of one request, from its head to its answer. Runs on an io thread: a request may wait for its receipt from the
//! journal, the thread never does.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::EXPECT;
use http::request::Parts;
use http::{Method, Response};

use super::batch::Batch;
use super::learned;
use super::refusal_log::RefusalLog;
use super::sources::{Found, Source, Sources};
use super::wakes::PendingWakes;
use crate::admit::Sender;
use crate::config::Ack;
use crate::counters::IoCounters;
use crate::event::{Budget, Draft, Event, IdSource, RecordPool};
use crate::failpoint;
use crate::journal::{Entrance, Outcome, Receipt};
use crate::listen::{Answerer, Clients, PendingBody, Request, SharedStage, Stage};
use crate::quarantine::{self, Loss, Quarantine};
use crate::refusal::Refusal;
use crate::reply::{self, Asked, Handshaken, ReplyBody};
use crate::routes;
use crate::sniff::{Coding, InflateError, UnknownCoding};

/// What all threads share that take events.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) sources: Arc<Sources>,
    pub(super) budget: Arc<Budget>,
    pub(super) stage: SharedStage,
    pub(super) clients: Arc<Clients>,
    /// Where refused requests are kept; `None` where none are.
    pub(super) quarantine: Option<Arc<Quarantine>>,
}

/// What an io thread needs to answer requests.
pub(super) struct Intake {
    sources: Arc<Sources>,
    pub(super) records: RecordPool,
    pub(super) ids: RefCell<IdSource>,
    /// The last body that was inflated: its memory is for the next.
    inflated: Cell<Vec<u8>>,
    /// Where durable events go; `None` where no source is durable.
    journal: Option<Entrance>,
    pub(super) routes: Rc<RefCell<routes::Intake>>,
    pub(super) wakes: Rc<PendingWakes>,
    pub(super) counters: Arc<IoCounters>,
    refusals: RefCell<RefusalLog>,
    stage: SharedStage,
    clients: Arc<Clients>,
    quarantine: Option<Arc<Quarantine>>,
}

/// A buffer with an inflated body, which goes back for the next when it is dropped, unless it has grown beyond
/// [`INFLATED_KEPT_BYTES`].
struct Inflated<'home> {
    bytes: Vec<u8>,
    home: &'home Cell<Vec<u8>>,
}

const INFLATED_KEPT_BYTES: usize = 1 << 20;

impl Deref for Inflated<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Inflated<'_> {
    fn drop(&mut self) {
        if self.bytes.capacity() <= INFLATED_KEPT_BYTES {
            self.home.set(std::mem::take(&mut self.bytes));
        }
    }
}

/// How a request to a source ended, if it was not refused.
pub(super) enum Taken {
    /// An event, now with its routes.
    Event(Response<ReplyBody>),
    /// A handshake, answered in place.
    Handshake(Response<ReplyBody>),
}

/// What is counted of an event.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    received: SystemTime,
    body_bytes: u64,
}

impl Counted {
    pub(super) fn of(event: &Event) -> Self {
        Self { received: event.received(), body_bytes: event.body().len() as u64 }
    }
}

/// What a request that is proven and whole has come to.
pub(super) enum Proven {
    /// An event that nobody has been given yet.
    Event(Event),
    /// Several, and their answer.
    Batch(Response<ReplyBody>),
    /// A handshake's answer.
    Handshake(Response<ReplyBody>),
}

/// A request that is refused by its head.
struct Unproven<'r> {
    at: usize,
    source: &'r Source,
    asked: Asked<'r>,
    refusal: Refusal,
    client: IpAddr,
    received: SystemTime,
}

/// What the body of such a request is read for, and how much of it.
struct Reading<'r> {
    keeper: Option<&'r Quarantine>,
    may_shake_hands: bool,
    most: usize,
}

/// Bytes of the largest body that is read of a sender who has not proven anything, in search of a handshake.
const UNPROVEN_BODY_MAX: usize = 16 * 1024;

/// Bytes of the largest that is read to be kept in quarantine, where the head alone is reason enough to refuse it.
const UNREAD_KEPT_MAX: usize = 256 * 1024;

/// A refusal for want of a receipt leaves so long before the source's deadline: a sweep may be this late.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

impl Intake {
    /// Made on its thread, within its runtime.
    pub(super) fn new(
        common: Common,
        journal: Option<Entrance>,
        routes: routes::Intake,
        counters: Arc<IoCounters>,
    ) -> Self {
        let Common { sources, budget, stage, clients, quarantine } = common;
        let routes = Rc::new(RefCell::new(routes));
        let wakes = Rc::new(PendingWakes::default());
        tokio::task::spawn_local(Rc::clone(&wakes).run(Rc::clone(&routes)));
        Self {
            refusals: RefCell::new(RefusalLog::new(sources.len())),
            sources,
            records: RecordPool::new(budget),
            ids: RefCell::new(IdSource::new()),
            inflated: Cell::default(),
            journal,
            routes,
            wakes,
            counters,
            stage,
            clients,
            quarantine,
        }
    }

    /// What needs no body is decided before the body is polled: only then does hyper send `100 Continue`.
    ///
    /// The state of this future is a connection's while its body comes, and is moved and cleared for every request: what is
    /// rare is boxed, and what is large is borrowed.
    async fn take(&self, at: usize, source: &Source, request: &mut Request) -> Result<Taken, Refusal> {
        let (started, client) = (request.started(), request.client());
        let sender = Sender { address: client, names: request.client_names(), at: started };
        source.senders.check(sender)?;
        let (head, body) = request.split();
        let now = SystemTime::now();
        let tenant = source.tenant(head.uri.path());
        let asked = Asked { head, body: b"", tenant, admission: &source.admission, now };
        if let Some(handshake) = source.handshakes.by_head(asked) {
            return Self::shake_hands(source, handshake).await.map(Taken::Handshake);
        }
        if head.method != Method::POST {
            return Err(Refusal::WrongMethod);
        }
        body.check_length(source.max_body)?;
        let proof = source.admission.head(head, asked.tenant, now);
        if let Some(refusal) = proof.as_ref().err().copied() {
            // Not to be kept while the body is looked into.
            drop(proof);
            let unproven = Unproven { at, source, asked, refusal, client, received: now };
            return match self.reading_of(&unproven) {
                Some(reading) => Box::pin(self.look_into_unproven(unproven, reading, body)).await,
                None => Err(refusal),
            };
        }
        let mut proof = proof?;
        if source.ack == Ack::Durable && self.routes.borrow().is_refused(at) {
            return Err(Refusal::BacklogFull);
        }
        let coding = Coding::of(&head.headers).map_err(|UnknownCoding| Refusal::UnsupportedEncoding)?;

        let mut draft = self.records.draft();
        source.write_head(head, &mut draft);
        body.read(source.max_body, &mut draft, (&self.clients, &source.share), |so_far| proof.advance(so_far)).await?;
        let proven = proof.finish(draft.body());
        drop(proof);
        if let Err(refusal) = proven {
            if let Some(keeper) = self.keeper(source, refusal) {
                keeper.keep(at, refusal, (client, now), head, draft);
            }
            return Err(refusal);
        }
        source.senders.count(started)?;
        Ok(match self.take_proven((at, source), head, (coding, draft), (started, now)).await? {
            Proven::Event(event) => {
                let headers = std::mem::take(&mut head.headers);
                // Made while the event is in the cache, which it will have left when the journal has synced it.
                let answer = source.reply.accepted(|| (event.id(), event.event_type()), headers);
                self.keep(at, source, event, started).await?;
                Taken::Event(answer)
            }
            Proven::Batch(answer) => Taken::Event(answer),
            Proven::Handshake(answer) => Taken::Handshake(answer),
        })
    }

    /// The way of a request that is proven and whole, with its head and kept headers in the draft.
    pub(super) async fn take_proven(
        &self,
        (at, source): (usize, &Source),
        head: &Parts,
        (coding, draft): (Option<Coding>, Draft),
        (started, now): (Instant, SystemTime),
    ) -> Result<Proven, Refusal> {
        let tenant = source.tenant(head.uri.path());
        let inflated = match coding.filter(|_| source.reads_bodies()) {
            Some(coding) => Some(self.inflate(coding, source.max_body, draft.body())?),
            None => None,
        };
        let body = inflated.as_deref().unwrap_or(draft.body());
        if let Some(handshake) =
            source.handshakes.proven(Asked { head, body, tenant, admission: &source.admission, now })
        {
            return Self::shake_hands(source, handshake).await.map(Proven::Handshake);
        }
        if let Some(items) = source.items(head, body)? {
            let batch = Batch { head, body, received: now, started };
            return Box::pin(self.take_items(at, source, batch, items)).await.map(Proven::Batch);
        }
        let mut meta = source.sniff(head, body);
        if inflated.is_some() {
            meta = meta.detached_from(body);
        }
        let event = draft.seal(meta, source.type_signed, (Instant::now(), now), &mut self.ids.borrow_mut());
        Ok(Proven::Event(event))
    }

    /// Hands an event over, and counts it when it is as safe as its source promises.
    pub(super) async fn keep(&self, at: usize, source: &Source, event: Event, started: Instant) -> Result<(), Refusal> {
        let counted = Counted::of(&event);
        let matched = match source.ack {
            Ack::Memory => Some(self.hand_over(at, &event)?),
            Ack::Durable => {
                let (matched, receipt) = self.submit(at, source, event, started)?;
                Self::made_safe(receipt.await, matched)?
            }
        };
        self.count(at, counted, matched);
        Ok(())
    }

    /// Some providers do not sign their handshakes, which then have to be told by a small body; and some of what is refused is
    /// kept, for which its body must be read.
    async fn look_into_unproven(
        &self,
        unproven: Unproven<'_>,
        reading: Reading<'_>,
        body: PendingBody<'_>,
    ) -> Result<Taken, Refusal> {
        let Unproven { at, source, asked, refusal, client, received } = unproven;
        let Reading { keeper, may_shake_hands, most } = reading;
        let mut draft = self.records.draft();
        let read = match body.check_length(most) {
            Ok(()) => body.read(most, &mut draft, (&self.clients, &source.share), |_| {}).await,
            too_large => too_large,
        };
        match read {
            Ok(()) => {}
            // Had it not been looked into, it would have been refused for what its head is.
            Err(Refusal::BodyTooLarge | Refusal::OverMemoryBudget | Refusal::OverMemoryShare) => {
                if let Some(keeper) = keeper {
                    keeper.went_without(at, Loss::TooLarge);
                }
                return Err(refusal);
            }
            Err(other) => return Err(other),
        }
        let body = draft.body();
        let shaken = may_shake_hands.then(|| source.handshakes.by_unproven_body(Asked { body, ..asked })).flatten();
        if let Some(handshake) = shaken {
            return Self::shake_hands(source, handshake).await.map(Taken::Handshake);
        }
        if let Some(keeper) = keeper {
            keeper.keep(at, refusal, (client, received), asked.head, draft);
        }
        Err(refusal)
    }

    /// What its body is read for, if for anything.
    fn reading_of(&self, unproven: &Unproven<'_>) -> Option<Reading<'_>> {
        let Unproven { at, source, asked, refusal, client, .. } = unproven;
        let may_shake_hands = source.handshakes.may_be_in_unproven_body(&asked.head.method);
        let keeper = self.keeper(source, *refusal).filter(|keeper| {
            // A sender that waits to be told to continue is told why not instead.
            !asked.head.headers.contains_key(EXPECT) && keeper.would_take(*at, *client, 0)
        });
        let most = match keeper {
            Some(_) => UNREAD_KEPT_MAX,
            None if may_shake_hands => UNPROVEN_BODY_MAX,
            None => return None,
        };
        Some(Reading { keeper, may_shake_hands, most: most.min(source.max_body) })
    }

    /// Where what is refused for this is kept, if it is.
    fn keeper(&self, source: &Source, refusal: Refusal) -> Option<&Quarantine> {
        let is_kept = quarantine::is_curable(refusal) && !source.admission.has_credential_in_body();
        self.quarantine.as_deref().filter(|_| is_kept)
    }

    /// Answers a handshake. A secret that comes with it is kept first, by a thread that may wait for the disk.
    fn shake_hands(
        source: &Source,
        handshake: Result<Handshaken, Refusal>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<ReplyBody>, Refusal>> + '_>> {
        Box::pin(async move { Self::give_hand(source, handshake?).await })
    }

    async fn give_hand(source: &Source, handshake: Handshaken) -> Result<Response<ReplyBody>, Refusal> {
        if let (Some(secret), Some(file)) = (handshake.secret, &source.learns_to) {
            let (kept, file) = (secret.clone(), file.clone());
            let keeping = tokio::task::spawn_blocking(move || learned::keep(&file, &kept));
            match keeping.await {
                Ok(Ok(())) => {
                    source.admission.learn(&secret);
                }
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    return Err(Refusal::WrongCredentials);
                }
                Ok(Err(_)) | Err(_) => return Err(Refusal::JournalFailed),
            }
            tracing::info!(source = source.name, "the provider has handed over its secret");
        }
        Ok(handshake.answer)
    }

    /// What a compressed body says. The event keeps it as it came.
    fn inflate(&self, coding: Coding, max: usize, body: &[u8]) -> Result<Inflated<'_>, Refusal> {
        let mut inflated = Inflated { bytes: self.inflated.take(), home: &self.inflated };
        match coding.inflate(body, max, &mut inflated.bytes) {
            Ok(()) => Ok(inflated),
            Err(InflateError::Malformed) => Err(Refusal::MalformedEncoding),
            Err(InflateError::TooLarge) => Err(Refusal::InflatesTooMuch),
        }
    }

    /// Hands an event to its routes, which take it into memory. Returns how many there are.
    fn hand_over(&self, at: usize, event: &Event) -> Result<usize, Refusal> {
        let mut routes = self.routes.borrow_mut();
        let matched = routes.offer(at, event)?;
        self.wakes.note(1, &mut routes);
        Ok(matched)
    }

    /// Hands an event to the journal. Tells how many routes match it too.
    pub(super) fn submit(
        &self,
        at: usize,
        source: &Source,
        event: Event,
        started: Instant,
    ) -> Result<(usize, Receipt), Refusal> {
        let journal = self.journal.as_ref().ok_or(Refusal::JournalFailed)?;
        let deadline = started + source.deadline.saturating_sub(ANSWER_MARGIN);
        let matched = self.routes.borrow_mut().count_matches(at, &event);
        Ok((matched, journal.submit(event, at, deadline, source.remembers_ids)))
    }

    /// How many routes wait for an event of which the journal has said this; `None` for a duplicate.
    pub(super) fn made_safe(outcome: Outcome, matched: usize) -> Result<Option<usize>, Refusal> {
        failpoint::pass("answer.ready");
        match outcome {
            Outcome::Safe(_) => Ok(Some(matched)),
            Outcome::Duplicate => Ok(None),
            Outcome::Refused(refusal) => Err(refusal),
        }
    }

    pub(super) fn count(&self, at: usize, counted: Counted, matched: Option<usize>) {
        let counters = self.counters.source(at);
        counters.accepted.increment();
        counters.last_accepted.set(counted.received.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        counters.body_bytes.add(counted.body_bytes);
        match matched {
            None => counters.duplicates.increment(),
            Some(0) => counters.unrouted.increment(),
            Some(_) => {}
        }
    }

    /// Counts how a request to a source ended, and makes that an answer.
    fn conclude(
        &self,
        at: usize,
        source: &Source,
        ending: Result<Taken, Refusal>,
        request: (Instant, IpAddr),
    ) -> (Response<ReplyBody>, Instant) {
        let (started, client) = request;
        let ready = Instant::now();
        let latency = ready.saturating_duration_since(started);
        let counters = self.counters.source(at);
        if latency <= source.deadline {
            counters.deadline_met.increment();
        } else {
            counters.deadline_missed.increment();
        }
        let answer = match ending {
            Ok(Taken::Event(answer)) => {
                counters.ack.record(latency);
                answer
            }
            Ok(Taken::Handshake(answer)) => {
                counters.handshakes.increment();
                answer
            }
            Err(refusal) => {
                counters.refused.note(refusal);
                self.refusals.borrow_mut().note(Some((at, &source.name)), refusal, client, ready);
                source.reply.refused(refusal)
            }
        };
        (answer, ready)
    }

    /// Refuses a request that no source was found for.
    fn turn_away(&self, refusal: Refusal, client: IpAddr) -> (Response<ReplyBody>, Instant) {
        let now = Instant::now();
        self.counters.listen.refused.note(refusal);
        self.refusals.borrow_mut().note(None, refusal, client, now);
        (reply::refused(refusal), now)
    }
}

impl Answerer for Intake {
    type Body = ReplyBody;

    async fn answer(&self, request: &mut Request) -> (Response<ReplyBody>, Instant) {
        let (started, client) = (request.started(), request.client());
        let found = request.check_head().and_then(|()| self.sources.find(request.head().uri.path()));
        let (mut answer, ready) = match found {
            Err(refusal) => self.turn_away(refusal, client),
            Ok(Found::Health) => (reply::health(self.stage.get() == Stage::Running), Instant::now()),
            Ok(Found::Source(at, source)) => {
                let ending = self.take(at, source, request).await;
                self.conclude(at, source, ending, (started, client))
            }
        };
        // Looked at now: a stop may have begun while the body came.
        if self.stage.get() >= Stage::NotReady {
            reply::close_after(&mut answer);
        }
        (answer, ready)
    }

    fn sweep(&self, now: Instant) {
        if let Some(journal) = &self.journal {
            journal.sweep(now);
        }
    }
}
