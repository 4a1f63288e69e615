//! Preallocated buffers of one io thread, and the draft of an event that is built in one of them.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::budget::Budget;
use super::id::IdSource;
use super::record::{Event, EventMeta, Found, Piece, Record, Span};

/// Buffers a thread keeps for reuse; besides, as many may be on their way back until it takes the next.
const BUFFERS_KEPT: usize = 512;

/// Buffers made before the first request.
const BUFFERS_AT_START: usize = 64;

/// Bytes of a fresh buffer: a small event with its head fits, one grown to a large body is kept up to [`KEPT_BYTES_MAX`].
const BUFFER_BYTES: usize = 4 << 10;

/// A buffer that has grown past this is freed rather than kept, so that a burst of large bodies does not hold memory.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Room for a type and an id that are no slices of the body.
const META_BYTES: usize = 256;

/// Where records of one io thread return to.
#[derive(Debug)]
pub(super) struct Home {
    free: Sender<Vec<u8>>,
    budget: Arc<Budget>,
}

impl Home {
    /// Called by whichever thread drops the last reference to a record.
    pub(super) fn take_back(&self, buffer: Vec<u8>, reserved: usize) {
        self.give_back(reserved);
        self.keep(buffer);
    }

    fn keep(&self, mut buffer: Vec<u8>) {
        if (BUFFER_BYTES..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            // Full, or the io thread is gone: the buffer is freed.
            let _ = self.free.try_send(buffer);
        }
    }

    /// Returns a part of the budget.
    pub(super) fn give_back(&self, reserved: usize) {
        self.budget.give_back(reserved);
    }
}

/// The preallocated buffers of one io thread.
#[derive(Debug)]
pub(crate) struct RecordPool {
    home: Arc<Home>,
    /// Those that have come back.
    free: Receiver<Vec<u8>>,
    /// Those at hand. The one that came back last is taken first: it may still be in cache.
    at_hand: RefCell<Vec<Vec<u8>>>,
    /// Stands for the time of events that have not been received yet.
    made: Instant,
}

impl RecordPool {
    /// A pool whose records draw on `budget`.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        let (sender, free) = bounded(BUFFERS_KEPT);
        let mut at_hand = Vec::with_capacity(BUFFERS_KEPT);
        at_hand.extend((0..BUFFERS_AT_START).map(|_| Vec::with_capacity(BUFFER_BYTES)));
        let home = Arc::new(Home { free: sender, budget });
        Self { home, free, at_hand: RefCell::new(at_hand), made: Instant::now() }
    }

    /// An empty draft. Allocates only when every buffer is out.
    pub(crate) fn draft(&self) -> Draft {
        let mut at_hand = self.at_hand.borrow_mut();
        for buffer in self.free.try_iter() {
            if at_hand.len() < BUFFERS_KEPT {
                at_hand.push(buffer);
            }
        }
        self.draft_in(at_hand.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES)))
    }

    /// An empty draft in a buffer of just this size: for one of many that come at once, and would empty the pool.
    pub(crate) fn draft_of(&self, bytes: usize) -> Draft {
        self.draft_in(Vec::with_capacity(bytes))
    }

    fn draft_in(&self, bytes: Vec<u8>) -> Draft {
        Draft {
            record: Record {
                bytes,
                source: Span::default(),
                method: Span::default(),
                target: Span::default(),
                headers: Span::default(),
                body: Span::default(),
                event_type: None,
                id: Span::default(),
                type_signed: false,
                received: UNIX_EPOCH,
                received_at: self.made,
                reserved: AtomicUsize::new(0),
                home: Some(Arc::clone(&self.home)),
            },
        }
    }
}

/// An event that is being received. The parts are written in the order of the record: head, headers, body, meta, seal.
/// Dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Draft {
    record: Record,
}

impl Draft {
    /// Takes `bytes` more out of the memory budget, or `false` if there is no room.
    pub(crate) fn reserve(&mut self, bytes: usize) -> bool {
        let granted = self.record.home.as_ref().is_none_or(|home| home.budget.take(bytes));
        if granted {
            *self.record.reserved.get_mut() += bytes;
        }
        granted
    }

    /// Whether the memory budget has room for `bytes` more. Nothing is taken.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.record.home.as_ref().is_none_or(|home| home.budget.has_room_for(bytes))
    }

    /// Writes source, method and target (without credentials).
    pub(crate) fn head(&mut self, source: &str, method: &str, target: &str) {
        self.record.source = self.append(source.as_bytes());
        self.record.method = self.append(method.as_bytes());
        self.record.target = self.append(target.as_bytes());
        let end = self.end();
        self.record.headers = Span { start: end, end };
        self.record.body = Span { start: end, end };
    }

    /// Writes one kept header; `name` is lower-case. A value cannot hold a line break: hyper refuses such a request.
    pub(crate) fn header(&mut self, name: &str, value: &[u8]) {
        self.append(name.as_bytes());
        self.append(b": ");
        self.append(value);
        self.append(b"\r\n");
        let end = self.end();
        self.record.headers.end = end;
        self.record.body = Span { start: end, end };
    }

    /// Makes room for a body of this length, which is what the sender announced, and for what is written behind it.
    pub(crate) fn expect_body(&mut self, length: usize) {
        let bytes = &mut self.record.bytes;
        let room = length + META_BYTES;
        match &self.record.home {
            // It will not be kept: the thread's own buffer goes back and is not outgrown.
            Some(home) if bytes.len() + room > KEPT_BYTES_MAX => {
                let mut large = Vec::with_capacity(bytes.len() + room);
                large.extend_from_slice(bytes);
                home.keep(std::mem::replace(bytes, large));
            }
            _ => bytes.reserve(room),
        }
    }

    /// Copies one frame of the body: the only copy that is made of it.
    pub(crate) fn push_body(&mut self, frame: &[u8]) {
        self.append(frame);
        self.record.body.end = self.end();
    }

    /// The body so far.
    pub(crate) fn body(&self) -> &[u8] {
        self.record.bytes_of(self.record.body)
    }

    /// Seals the draft. Without an id from the provider it is given one from `ids`.
    pub(crate) fn seal(
        mut self,
        meta: EventMeta<'_>,
        type_signed: bool,
        now: (Instant, SystemTime),
        ids: &mut IdSource,
    ) -> Event {
        let (received_at, received) = now;
        self.record.received = received;
        self.record.received_at = received_at;
        self.record.type_signed = type_signed;
        self.record.event_type = meta.event_type.map(|found| self.place(found));
        self.record.id = if let Some(found) = meta.id {
            self.place(found)
        } else {
            self.append(&ids.next(IdSource::unix_ms(received)))
        };
        Event(Arc::new(self.record))
    }

    /// A found text that is a slice of the body stays there; any other is written behind it.
    fn place(&mut self, found: Found<'_>) -> Span {
        match (found.piece, found.appended) {
            (Piece::Body(range), None) => self.in_body(&range),
            (piece, None) => self.append_piece(&piece),
            (piece, Some(appended)) => {
                let start = self.append_piece(&piece).start;
                self.append(b".");
                let end = self.append_piece(&appended).end;
                Span { start, end }
            }
        }
    }

    fn append_piece(&mut self, piece: &Piece<'_>) -> Span {
        match piece {
            Piece::Head(text) => self.append(text.as_bytes()),
            Piece::Decoded(text) => self.append(text.as_bytes()),
            Piece::Body(range) => {
                let start = self.end();
                let from = self.in_body(range).range();
                if from.end <= self.record.bytes.len() {
                    self.record.bytes.extend_from_within(from);
                }
                Span { start, end: self.end() }
            }
        }
    }

    fn in_body(&self, range: &Range<usize>) -> Span {
        let start = self.record.body.start;
        Span { start: start + range.start as u32, end: start + range.end as u32 }
    }

    fn append(&mut self, bytes: &[u8]) -> Span {
        let start = self.end();
        self.record.bytes.extend_from_slice(bytes);
        Span { start, end: self.end() }
    }

    /// Offsets are 32 bits: `max_body` is at most 1 GiB.
    fn end(&self) -> u32 {
        self.record.bytes.len() as u32
    }
}

#[cfg(test)]
impl Event {
    /// An event as a source would have made it, for the tests of other rooms.
    pub(crate) fn for_test(
        source: &str,
        event_type: Option<&str>,
        id: &str,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> Self {
        let mut draft = RecordPool::new(Arc::new(Budget::new(usize::MAX))).draft();
        draft.head(source, "POST", "/");
        for (name, value) in headers {
            draft.header(name, value);
        }
        draft.push_body(body);
        let found = |text| Found { piece: Piece::Head(text), appended: None };
        let meta = EventMeta { event_type: event_type.map(found), id: Some(found(id)) };
        draft.seal(meta, true, (Instant::now(), SystemTime::now()), &mut IdSource::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> (RecordPool, Arc<Budget>) {
        let budget = Arc::new(Budget::new(1 << 20));
        (RecordPool::new(Arc::clone(&budget)), budget)
    }

    fn now() -> (Instant, SystemTime) {
        (Instant::now(), SystemTime::now())
    }

    fn idle(pool: &RecordPool) -> usize {
        pool.free.len() + pool.at_hand.borrow().len()
    }

    #[test]
    fn an_event_gives_back_every_part_as_it_was_written() {
        let (pool, _) = pool();
        let mut draft = pool.draft();
        draft.head("github", "POST", "/hooks/github?a=b");
        draft.header("content-type", b"application/json");
        draft.header("x-github-event", b"issues");
        draft.push_body(br#"{"action":"#);
        draft.push_body(br#""opened"}"#);
        let meta = EventMeta {
            event_type: Some(Found { piece: Piece::Head("issues"), appended: Some(Piece::Body(11..17)) }),
            id: Some(Found { piece: Piece::Body(11..17), appended: None }),
        };
        let event = draft.seal(meta, true, now(), &mut IdSource::new());
        assert_eq!(event.source(), "github");
        assert_eq!(event.method(), "POST");
        assert_eq!(event.target(), "/hooks/github?a=b");
        assert_eq!(event.body(), br#"{"action":"opened"}"#);
        assert_eq!(event.event_type(), Some("issues.opened"));
        assert_eq!(event.id(), "opened");
        assert_eq!(event.header("x-github-event"), Some(b"issues".as_slice()));
        assert_eq!(event.headers().count(), 2);
    }

    #[test]
    fn an_event_without_an_id_is_given_one() {
        let (pool, _) = pool();
        let mut draft = pool.draft();
        draft.head("erp", "POST", "/");
        let event = draft.seal(EventMeta::default(), false, now(), &mut IdSource::new());
        assert_eq!(event.id().len(), 26);
        assert_eq!(event.event_type(), None);
        assert_eq!(event.body(), b"");
    }

    #[test]
    fn the_last_holder_returns_buffer_and_budget_from_any_thread() {
        let (pool, budget) = pool();
        let free_at_start = idle(&pool);
        let mut draft = pool.draft();
        assert!(draft.reserve(500));
        draft.head("s", "POST", "/");
        let event = draft.seal(EventMeta::default(), false, now(), &mut IdSource::new());
        let other = event.clone();
        drop(event);
        assert_eq!((idle(&pool), budget.used()), (free_at_start - 1, 500));
        std::thread::spawn(move || drop(other)).join().unwrap();
        assert_eq!((idle(&pool), budget.used()), (free_at_start, 0));
    }

    #[test]
    fn an_event_that_leaves_the_budget_gives_its_share_back_once() {
        let (pool, budget) = pool();
        let mut draft = pool.draft();
        assert!(draft.reserve(500));
        draft.head("s", "POST", "/");
        let event = draft.seal(EventMeta::default(), false, now(), &mut IdSource::new());
        event.leave_budget();
        assert_eq!(budget.used(), 0);
        drop(event);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_large_body_gets_a_buffer_of_its_own_that_is_not_kept() {
        let (pool, _) = pool();
        let free_at_start = idle(&pool);
        let mut draft = pool.draft();
        draft.head("github", "POST", "/");
        draft.expect_body(KEPT_BYTES_MAX);
        assert_eq!(idle(&pool), free_at_start);
        draft.push_body(b"{}");
        let event = draft.seal(EventMeta::default(), false, now(), &mut IdSource::new());
        assert_eq!((event.source(), event.target(), event.body()), ("github", "/", b"{}".as_slice()));
        drop(event);
        assert_eq!(idle(&pool), free_at_start);
    }

    #[test]
    fn a_draft_over_budget_takes_nothing() {
        let (pool, budget) = pool();
        let mut draft = pool.draft();
        assert!(!draft.reserve(2 << 20));
        drop(draft);
        assert_eq!(budget.used(), 0);
    }
}
