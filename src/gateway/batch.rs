//! A request that carries several events: acknowledged when all of them are taken, and otherwise refused. What of it is in
//! the journal by then is known by its ids when the sender tries again, so that nothing of it is delivered twice.
//!
//! ```text
//! body ─▶ items ─▶ an event each, in buffers of their own ─┬▶ memory: a place for each in every matching route, or none
//!                                                          └▶ journal: all submitted, then a receipt for each
//! ```

use std::ops::Range;
use std::time::{Instant, SystemTime};

use http::request::Parts;
use http::{HeaderMap, Response};
use tokio::task::yield_now;

use super::intake::{Counted, Intake};
use super::sources::Source;
use crate::config::Ack;
use crate::event::{Event, IdSource};
use crate::refusal::Refusal;
use crate::reply::ReplyBody;

/// A proven request and its way so far.
pub(super) struct Batch<'request> {
    pub(super) head: &'request Parts,
    /// Not compressed.
    pub(super) body: &'request [u8],
    pub(super) received: SystemTime,
    pub(super) started: Instant,
}

/// Events that are made before other requests have their turn.
const TURN: usize = 64;

/// Beside a body: head, id and what a type is joined from.
const HEAD_BYTES: usize = 512;

impl Intake {
    /// Takes the events that lie in these places of the body.
    pub(super) async fn take_items(
        &self,
        at: usize,
        source: &Source,
        batch: Batch<'_>,
        items: Vec<Range<usize>>,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let mut events = Vec::with_capacity(items.len());
        for (number, item) in items.into_iter().enumerate() {
            let item = batch.body.get(item).unwrap_or_default();
            events.push(self.item(source, &batch, item, number)?);
            if number % TURN == TURN - 1 {
                yield_now().await;
            }
        }
        let matched = match source.ack {
            Ack::Memory => self.hand_over_all(at, &events)?,
            Ack::Durable => self.make_all_safe(at, source, &events, batch.started).await?,
        };
        for (event, matched) in events.iter().zip(matched) {
            self.count(at, Counted::of(event), matched);
        }
        self.counters.source(at).batches.increment();
        Ok(match events.first() {
            Some(first) => source.reply.accepted(|| (first.id(), first.event_type()), HeaderMap::new()),
            None => self.accepted_nothing(source, batch.received),
        })
    }

    fn item(&self, source: &Source, batch: &Batch<'_>, item: &[u8], number: usize) -> Result<Event, Refusal> {
        let mut draft = self.records.draft_of(item.len() + HEAD_BYTES);
        if !draft.reserve(item.len()) {
            return Err(Refusal::OverMemoryBudget);
        }
        source.write_item_head(batch.head, &mut draft);
        draft.push_body(item);
        let meta = source.sniff_item(batch.head, item, number);
        let now = (Instant::now(), batch.received);
        Ok(draft.seal(meta, source.type_signed, now, &mut self.ids.borrow_mut()))
    }

    fn hand_over_all(&self, at: usize, events: &[Event]) -> Result<Vec<Option<usize>>, Refusal> {
        let mut routes = self.routes.borrow_mut();
        routes.offer_all(at, events)?;
        self.wakes.note(events.len(), &mut routes);
        Ok(events.iter().map(|event| Some(routes.count_matches(at, event))).collect())
    }

    /// All are on their way before the first is waited for: they become safe in one write if it has room for them.
    async fn make_all_safe(
        &self,
        at: usize,
        source: &Source,
        events: &[Event],
        started: Instant,
    ) -> Result<Vec<Option<usize>>, Refusal> {
        let receipts: Vec<_> =
            events.iter().map(|event| self.submit(at, source, event.clone(), started)).collect::<Result<_, _>>()?;
        let mut safe = Vec::with_capacity(events.len());
        for (matched, receipt) in receipts {
            safe.push(Self::made_safe(receipt.await, matched)?);
        }
        Ok(safe)
    }

    /// There was nothing in it; the answer may still want an id.
    fn accepted_nothing(&self, source: &Source, received: SystemTime) -> Response<ReplyBody> {
        let id = self.ids.borrow_mut().next(IdSource::unix_ms(received));
        source.reply.accepted(|| (std::str::from_utf8(&id).unwrap_or_default(), None), HeaderMap::new())
    }
}
