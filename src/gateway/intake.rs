//! The way of one request, from its head to its answer. Runs on an io thread; nothing here waits for a worker or a disk.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::request::Parts;
use http::{Method, Response};

use super::refusal_log::RefusalLog;
use super::sources::{Found, Source, Sources};
use super::wakes::PendingWakes;
use crate::counters::IoCounters;
use crate::event::{Budget, Draft, IdSource, RecordPool};
use crate::listen::{Answerer, Request, SharedStage, Stage};
use crate::refusal::Refusal;
use crate::reply::{self, ReplyBody};
use crate::routes;

/// What an io thread needs to answer requests.
pub(super) struct Intake {
    sources: Arc<Sources>,
    records: RecordPool,
    ids: RefCell<IdSource>,
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

impl Intake {
    /// Made on its thread, within its runtime.
    pub(super) fn new(
        sources: Arc<Sources>,
        budget: Arc<Budget>,
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
            routes,
            wakes,
            counters,
            stage,
        }
    }

    /// What needs no body is decided before the body is polled: only then does hyper send `100 Continue`.
    async fn take(&self, at: usize, source: &Source, request: Request) -> Result<Taken, Refusal> {
        let (head, body) = request.split();
        if head.method != Method::POST {
            return Err(Refusal::WrongMethod);
        }
        body.check_length(source.max_body)?;
        let now = SystemTime::now();
        let mut proof = source.admission.head(&head, now)?;

        let mut draft = self.records.draft();
        source.write_head(&head, &mut draft);
        body.read(source.max_body, &mut draft, |frame| proof.update(frame)).await?;
        proof.finish()?;

        if let Some(answer) = source.challenge_answer(draft.body()) {
            return Ok(Taken::Handshake(reply::challenge(answer)));
        }
        self.hand_over(at, source, &head, draft, now)
    }

    /// Gives a proven request its type and id, and hands it to its routes.
    fn hand_over(
        &self,
        at: usize,
        source: &Source,
        head: &Parts,
        draft: Draft,
        now: SystemTime,
    ) -> Result<Taken, Refusal> {
        let meta = source.sniff(head, draft.body());
        let event = draft.seal(meta, source.type_signed, (Instant::now(), now), &mut self.ids.borrow_mut());
        let matched = self.routes.borrow_mut().offer(at, &event)?;
        self.wakes.note();

        let counters = self.counters.source(at);
        counters.accepted.increment();
        counters.body_bytes.add(event.body().len() as u64);
        if matched == 0 {
            counters.unrouted.increment();
        }
        Ok(Taken::Event(source.reply.accepted(event.id(), event.event_type())))
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
}
