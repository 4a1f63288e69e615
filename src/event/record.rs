//! One event's bytes and where its parts lie in them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use super::pool::Home;

/// A part of a record, as offsets into its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What an event consists of. Text parts are UTF-8: they are copied from `str`s or checked before their span is set.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    pub(super) source: Span,
    pub(super) method: Span,
    pub(super) target: Span,
    pub(super) headers: Span,
    pub(super) body: Span,
    pub(super) event_type: Option<Span>,
    pub(super) id: Span,
    pub(super) type_signed: bool,
    pub(super) received: SystemTime,
    pub(super) received_at: Instant,
    /// Bytes taken from the memory budget, given back when the record is dropped or leaves the budget.
    pub(super) reserved: AtomicUsize,
    /// Where the buffer returns to; `None` for an event that was read back.
    pub(super) home: Option<Arc<Home>>,
}

impl Record {
    pub(super) fn bytes_of(&self, span: Span) -> &[u8] {
        self.bytes.get(span.range()).unwrap_or_default()
    }

    fn text_of(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes_of(span)).unwrap_or_default()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.take_back(std::mem::take(&mut self.bytes), *self.reserved.get_mut());
        }
    }
}

/// An accepted event: what the provider sent, byte for byte, and what hookgate learned about it. Cloning shares it.
#[derive(Clone)]
pub struct Event(pub(super) Arc<Record>);

impl Event {
    /// The name of the source that received it.
    pub fn source(&self) -> &str {
        self.0.text_of(self.0.source)
    }

    /// Its type, as the provider names it (`invoice.paid`), or `None` where the source could not tell.
    pub fn event_type(&self) -> Option<&str> {
        self.0.event_type.map(|span| self.0.text_of(span))
    }

    pub(crate) fn has_type(&self) -> bool {
        self.0.event_type.is_some()
    }

    /// Whether a signature covers the bytes that [`Event::event_type`] comes from. A type that no signature covers is a
    /// hint: whoever can replay a signed body can change it.
    pub fn type_signed(&self) -> bool {
        self.0.type_signed
    }

    /// The provider's delivery id, or one that hookgate gave it. Unique within the source as far as the provider keeps it so.
    pub fn id(&self) -> &str {
        self.0.text_of(self.0.id)
    }

    /// The same, not known to be a text.
    pub(crate) fn id_bytes(&self) -> &[u8] {
        self.0.bytes_of(self.0.id)
    }

    /// The request method.
    pub fn method(&self) -> &str {
        self.0.text_of(self.0.method)
    }

    /// The request target, path and query, without credentials.
    pub fn target(&self) -> &str {
        self.0.text_of(self.0.target)
    }

    /// The request headers that the source keeps: lower-case names, values as sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.bytes_of(self.0.headers).split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
            let line = line.strip_suffix(b"\r\n")?;
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = line.split_at_checked(colon)?;
            Some((std::str::from_utf8(name).ok()?, value.strip_prefix(b": ")?))
        })
    }

    /// One of the kept headers, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The body, byte for byte as it was received.
    pub fn body(&self) -> &[u8] {
        self.0.bytes_of(self.0.body)
    }

    /// When its body was complete, by the wall clock.
    pub fn received(&self) -> SystemTime {
        self.0.received
    }

    /// The same moment by the monotonic clock.
    pub(crate) fn received_at(&self) -> Instant {
        self.0.received_at
    }

    /// Source, type (empty if there is none), id, method, target, headers and body, as they are kept. They are not looked at:
    /// what has no need of them as texts need not know that they are.
    pub(crate) fn parts(&self) -> [&[u8]; 7] {
        self.spans().map(|span| self.0.bytes_of(span))
    }

    /// How long all of them are together. Nothing of the content is touched.
    pub(crate) fn length(&self) -> usize {
        self.spans().into_iter().map(|span| span.range().len()).sum()
    }

    fn spans(&self) -> [Span; 7] {
        let Record { source, method, target, headers, body, event_type, id, .. } = *self.0;
        [source, event_type.unwrap_or_default(), id, method, target, headers, body]
    }

    /// The memory it holds.
    pub(crate) fn footprint(&self) -> usize {
        self.0.bytes.capacity() + size_of::<Record>()
    }

    /// Gives its share of the memory budget back before the event itself is gone: the budget bounds bodies in flight, and
    /// whoever keeps an event beyond that has a bound of its own.
    pub(crate) fn leave_budget(&self) {
        if let Some(home) = &self.0.home {
            home.give_back(self.0.reserved.swap(0, Ordering::Relaxed));
        }
    }

    /// An event that is read back from where it was kept: in a buffer of its own, outside the memory budget. `now` is one
    /// moment by both clocks.
    pub(crate) fn from_parts(parts: &EventParts<'_>, now: (Instant, SystemTime)) -> Self {
        let lengths = [
            parts.source.len(),
            parts.event_type.map_or(0, str::len),
            parts.id.len(),
            parts.method.len(),
            parts.target.len(),
            parts.headers.len(),
            parts.body.len(),
        ];
        let mut bytes = Vec::with_capacity(lengths.iter().sum());
        let mut append = |part: &[u8]| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(part);
            Span { start, end: bytes.len() as u32 }
        };
        let source = append(parts.source.as_bytes());
        let event_type = parts.event_type.map(|text| append(text.as_bytes()));
        let id = append(parts.id.as_bytes());
        let method = append(parts.method.as_bytes());
        let target = append(parts.target.as_bytes());
        let headers = append(parts.headers);
        let body = append(parts.body);
        let age = now.1.duration_since(parts.received).unwrap_or_default();
        Self(Arc::new(Record {
            bytes,
            source,
            method,
            target,
            headers,
            body,
            event_type,
            id,
            type_signed: parts.type_signed,
            received: parts.received,
            // Older than the monotonic clock itself: as old as it can say.
            received_at: now.0.checked_sub(age).unwrap_or(now.0),
            reserved: AtomicUsize::new(0),
            home: None,
        }))
    }
}

/// What an event consists of, for one that is read back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventParts<'bytes> {
    pub(crate) source: &'bytes str,
    pub(crate) event_type: Option<&'bytes str>,
    pub(crate) type_signed: bool,
    pub(crate) id: &'bytes str,
    pub(crate) method: &'bytes str,
    pub(crate) target: &'bytes str,
    /// As they lie in the record: `name: value\r\n` each.
    pub(crate) headers: &'bytes [u8],
    pub(crate) body: &'bytes [u8],
    pub(crate) received: SystemTime,
}

/// The body itself, so that `bytes::Bytes` can own an event and lend its body without a copy.
impl AsRef<[u8]> for Event {
    fn as_ref(&self) -> &[u8] {
        self.body()
    }
}

/// Bodies may hold personal data: debug output tells of an event, not its content.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("source", &self.source())
            .field("type", &self.event_type())
            .field("id", &self.id())
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// A text that was found in a request, where it lies or, if it had to be decoded, itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'head> {
    /// These bytes of the body, which are UTF-8.
    Body(Range<usize>),
    /// A part of the request line or of a header.
    Head(&'head str),
    /// A JSON string with escapes, or an encoded query parameter, decoded.
    Decoded(String),
}

/// A type or id: one piece, or two that are joined by a dot (`issues` and `opened`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found<'head> {
    pub(crate) piece: Piece<'head>,
    pub(crate) appended: Option<Piece<'head>>,
}

/// What sniffing learned about an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EventMeta<'head> {
    pub(crate) event_type: Option<Found<'head>>,
    pub(crate) id: Option<Found<'head>>,
}

impl<'head> Found<'head> {
    /// An id behind the name of its tenant: the ids of one say nothing of another's, who could else be robbed of an event
    /// whose id is known before.
    #[must_use]
    pub(crate) fn of_tenant(self, tenant: &'head str, body: &[u8]) -> Self {
        let Some(appended) = self.appended else {
            return Self { piece: Piece::Head(tenant), appended: Some(self.piece) };
        };
        let text = |piece: Piece<'_>| match piece {
            Piece::Body(range) => String::from_utf8_lossy(body.get(range).unwrap_or_default()).into_owned(),
            Piece::Head(text) => text.to_owned(),
            Piece::Decoded(text) => text,
        };
        let whole = format!("{}.{}", text(self.piece), text(appended));
        Self { piece: Piece::Head(tenant), appended: Some(Piece::Decoded(whole)) }
    }
}

impl EventMeta<'_> {
    /// The same for an event whose body is another than the one that was looked into, which is this.
    #[must_use]
    pub(crate) fn detached_from(mut self, body: &[u8]) -> Self {
        for found in [&mut self.event_type, &mut self.id].into_iter().flatten() {
            found.piece.detach(body);
            if let Some(appended) = &mut found.appended {
                appended.detach(body);
            }
        }
        self
    }
}

impl Piece<'_> {
    fn detach(&mut self, body: &[u8]) {
        if let Piece::Body(range) = self {
            let text = body.get(range.clone()).unwrap_or_default();
            *self = Piece::Decoded(String::from_utf8_lossy(text).into_owned());
        }
    }
}
