//! The way of one request, from its head to its answer. Runs on an io thread: a request may wait for its receipt from the
//! journal, the thread never does.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::request::Parts;
use http::{Method, Response};

use super::refusal_log::RefusalLog;
use super::sources::{Found, Source, Sources};
use super::wakes::PendingWakes;
use crate::config::Ack;
use crate::counters::IoCounters;
use crate::event::{Budget, Draft, Event, IdSource, RecordPool};
use crate::journal::{Entrance, Outcome};
use crate::listen::{Answerer, Request, SharedStage, Stage};
use crate::refusal::Refusal;
use crate::reply::{self, ReplyBody};
use crate::routes;

/// What an io thread needs to answer requests.
pub(super) struct Intake {
    sources: Arc<Sources>,
    records: RecordPool,
    ids: RefCell<IdSource>,
    /// Where durable events go; `None` where no source is durable.
    journal: Option<Entrance>,
    routes: Rc<RefCell<routes::Intake>>,
    wakes: Rc<PendingWakes>,
    counters: Arc<IoCounters>,
    refusals: RefCell<RefusalLog>,
    stage: SharedStage,
}

/// How a request to a source ended, if it was not refused.
enum Taken {
    /// An event, now with its routes.
    Event(Response<ReplyBody>),
    /// A handshake, answered in place.
    Handshake(Response<ReplyBody>),
}

/// A refusal for want of a receipt leaves so long before the source's deadline: a sweep may be this late.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

impl Intake {
    /// Made on its thread, within its runtime.
    pub(super) fn new(
        sources: Arc<Sources>,
        budget: Arc<Budget>,
        journal: Option<Entrance>,
        routes: routes::Intake,
        counters: Arc<IoCounters>,
        stage: SharedStage,
    ) -> Self {
        let routes = Rc::new(RefCell::new(routes));
        let wakes = Rc::new(PendingWakes::default());
        tokio::task::spawn_local(Rc::clone(&wakes).run(Rc::clone(&routes)));
        Self {
            refusals: RefCell::new(RefusalLog::new(sources.len())),
            sources,
            records: RecordPool::new(budget),
            ids: RefCell::new(IdSource::new()),
            journal,
            routes,
            wakes,
            counters,
            stage,
        }
    }

    /// What needs no body is decided before the body is polled: only then does hyper send `100 Continue`.
    async fn take(&self, at: usize, source: &Source, request: Request) -> Result<Taken, Refusal> {
        let started = request.started();
        let (mut head, body) = request.split();
        if head.method != Method::POST {
            return Err(Refusal::WrongMethod);
        }
        body.check_length(source.max_body)?;
        let now = SystemTime::now();
        let mut proof = source.admission.head(&head, now)?;
        if source.ack == Ack::Durable && self.routes.borrow().is_refused(at) {
            return Err(Refusal::BacklogFull);
        }

        let mut draft = self.records.draft();
        source.write_head(&head, &mut draft);
        body.read(source.max_body, &mut draft, |frame| proof.update(frame)).await?;
        proof.finish()?;

        if let Some(answer) = source.challenge_answer(draft.body()) {
            return Ok(Taken::Handshake(reply::challenge(answer)));
        }
        let event = self.seal(source, &head, draft, now);
        let matched = match source.ack {
            Ack::Memory => Some(self.hand_over(at, &event)?),
            Ack::Durable => self.make_safe(at, source, &event, started).await?,
        };
        self.count(at, &event, matched);
        Ok(Taken::Event(source.reply.accepted(event.id(), event.event_type(), std::mem::take(&mut head.headers))))
    }

    /// Gives a proven request its type and id.
    fn seal(&self, source: &Source, head: &Parts, draft: Draft, now: SystemTime) -> Event {
        let meta = source.sniff(head, draft.body());
        draft.seal(meta, source.type_signed, (Instant::now(), now), &mut self.ids.borrow_mut())
    }

    /// Hands an event to its routes, which take it into memory. Returns how many there are.
    fn hand_over(&self, at: usize, event: &Event) -> Result<usize, Refusal> {
        let matched = self.routes.borrow_mut().offer(at, event)?;
        self.wakes.note();
        Ok(matched)
    }

    /// Hands an event to the journal and waits until it is synced. Returns how many routes match, or `None` for a duplicate.
    async fn make_safe(
        &self,
        at: usize,
        source: &Source,
        event: &Event,
        started: Instant,
    ) -> Result<Option<usize>, Refusal> {
        let journal = self.journal.as_ref().ok_or(Refusal::JournalFailed)?;
        let deadline = started + source.deadline.saturating_sub(ANSWER_MARGIN);
        match journal.submit(event.clone(), at, deadline, source.remembers_ids).await {
            Outcome::Safe(_) => Ok(Some(self.routes.borrow_mut().count_matches(at, event))),
            Outcome::Duplicate => Ok(None),
            Outcome::Refused(refusal) => Err(refusal),
        }
    }

    fn count(&self, at: usize, event: &Event, matched: Option<usize>) {
        let counters = self.counters.source(at);
        counters.accepted.increment();
        counters.body_bytes.add(event.body().len() as u64);
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
        request: (Instant, std::net::SocketAddr),
    ) -> (Response<ReplyBody>, Instant) {
        let (started, peer) = request;
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
                self.refusals.borrow_mut().note(Some((at, &source.name)), refusal, peer, ready);
                source.reply.refused(refusal)
            }
        };
        (answer, ready)
    }

    /// Refuses a request that no source was found for.
    fn turn_away(&self, refusal: Refusal, peer: std::net::SocketAddr) -> (Response<ReplyBody>, Instant) {
        let now = Instant::now();
        self.counters.listen.refused.note(refusal);
        self.refusals.borrow_mut().note(None, refusal, peer, now);
        (reply::refused(refusal), now)
    }
}

impl Answerer for Intake {
    type Body = ReplyBody;

    async fn answer(&self, request: Request) -> (Response<ReplyBody>, Instant) {
        let (started, peer) = (request.started(), request.peer());
        let found = request.check_head().and_then(|()| self.sources.find(request.head().uri.path()));
        let (mut answer, ready) = match found {
            Err(refusal) => self.turn_away(refusal, peer),
            Ok(Found::Health) => (reply::health(self.stage.get() == Stage::Running), Instant::now()),
            Ok(Found::Source(at, source)) => {
                let ending = self.take(at, source, request).await;
                self.conclude(at, source, ending, (started, peer))
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
