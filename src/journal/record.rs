//! One record ⇄ bytes. Pure functions over slices; `docs/journal-format.md` has the tables.
//!
//! ```text
//! length u32 │ kind u8 │ flags u8 │ 0 u16 │ payload
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::layout::BLOCK;
use super::parked::{LISTED, Listed, Open, Parked, ParkedParts};
use crate::event::Sequence;
use crate::event::{Event, EventParts};

/// Bytes before the payload.
const HEAD: usize = 8;

/// Bytes of an event's payload before its texts: the time of receipt and seven lengths.
const EVENT_HEAD: usize = 8 + 7 * 4;

const HAS_TYPE: u8 = 1;
const TYPE_SIGNED: u8 = 2;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// An event that was received. Only these and parked ones are counted by sequences.
    Event = 1,
    /// How far some routes have come.
    Progress = 2,
    /// How far all routes have come: the first record of each segment, and the last before a clean stop.
    Checkpoint = 3,
    /// The routes and their rules, from here on. Written by nobody, and passed over.
    RoutesChanged = 4,
    /// An event that waits for an attempt at one route.
    Parked = 5,
    /// Parked events that a route is done with.
    Settled = 6,
    /// All parked events that are open, behind a checkpoint.
    Open = 7,
    /// In the place of what was damaged and taken out by a repair.
    Removed = 8,
}

/// How far a route has come. The journal keeps it and looks at none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteProgress {
    /// The first event the route is not done with.
    pub(crate) position: Sequence,
    /// What the route knows beyond that, in its own form: which events after `position` are done.
    pub(crate) done: Vec<u8>,
}

/// A record, read.
#[derive(Debug)]
pub(super) enum Record<'bytes> {
    /// An event.
    Event(EventParts<'bytes>),
    /// Progress of some routes.
    Progress(Vec<(&'bytes str, RouteProgress)>),
    /// Progress of all routes.
    Checkpoint(Vec<(&'bytes str, RouteProgress)>),
    /// Nothing this version acts on.
    RoutesChanged,
    /// An event that waits for an attempt.
    Parked(ParkedParts<'bytes>),
    /// Parked events that are done.
    Settled(Vec<Sequence>),
    /// Parked events that are open, by route.
    Open(Vec<(&'bytes str, Vec<Listed>)>),
    /// What stood here was damaged.
    Removed,
}

/// Appends an event.
pub(super) fn write_event(event: &Event, to: &mut Vec<u8>) {
    let start = begin(Kind::Event, to);
    push_event(event, start, to);
    end(start, to);
}

/// Appends an event's payload, and sets the flags of the record that began at `start`.
fn push_event(event: &Event, start: usize, to: &mut Vec<u8>) {
    let flags = if event.has_type() { HAS_TYPE } else { 0 } | if event.type_signed() { TYPE_SIGNED } else { 0 };
    if let Some(place) = to.get_mut(start + 5) {
        *place = flags;
    }
    let since_epoch = event.received().duration_since(UNIX_EPOCH).unwrap_or_default();
    to.extend_from_slice(&(since_epoch.as_nanos() as u64).to_le_bytes());
    let parts = event.parts();
    for part in parts {
        to.extend_from_slice(&(part.len() as u32).to_le_bytes());
    }
    for part in parts {
        to.extend_from_slice(part);
    }
}

/// How many bytes [`write_event`] appends.
pub(super) fn event_length(event: &Event) -> usize {
    HEAD + EVENT_HEAD + event.length()
}

/// Appends the progress of routes, as [`Kind::Progress`] or [`Kind::Checkpoint`].
pub(super) fn write_progress<'p>(
    kind: Kind,
    progress: impl IntoIterator<Item = (&'p Arc<str>, &'p RouteProgress)>,
    to: &mut Vec<u8>,
) {
    let start = begin(kind, to);
    for (route, progress) in progress {
        push_bytes(route.as_bytes(), to);
        to.extend_from_slice(&progress.position.0.to_le_bytes());
        push_bytes(&progress.done, to);
    }
    end(start, to);
}

/// Appends an event that waits for an attempt.
pub(super) fn write_parked(parked: &Parked, to: &mut Vec<u8>) {
    let start = begin(Kind::Parked, to);
    push_bytes(parked.route.as_bytes(), to);
    to.extend_from_slice(&parked.due_ms.to_le_bytes());
    to.extend_from_slice(&parked.attempts.to_le_bytes());
    push_place(parked.original, to);
    push_place(parked.replaces, to);
    push_bytes(&parked.state, to);
    push_event(&parked.event, start, to);
    end(start, to);
}

/// Appends which parked events are done.
pub(super) fn write_settled(settled: &[Sequence], to: &mut Vec<u8>) {
    let start = begin(Kind::Settled, to);
    for sequence in settled {
        to.extend_from_slice(&sequence.0.to_le_bytes());
    }
    end(start, to);
}

/// Appends which parked events are open.
pub(super) fn write_open(open: &Open, to: &mut Vec<u8>) {
    let start = begin(Kind::Open, to);
    for (route, list) in open.lists() {
        push_bytes(route.as_bytes(), to);
        to.extend_from_slice(&(list.len() as u32).to_le_bytes());
        for Listed { sequence, due_ms, original, offset } in list {
            to.extend_from_slice(&sequence.0.to_le_bytes());
            to.extend_from_slice(&due_ms.to_le_bytes());
            push_place(original, to);
            to.extend_from_slice(&((offset / BLOCK as u64) as u32).to_le_bytes());
        }
    }
    end(start, to);
}

fn push_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// No event has the sequence 0.
fn push_place(place: Option<Sequence>, to: &mut Vec<u8>) {
    to.extend_from_slice(&place.map_or(0, |place| place.0).to_le_bytes());
}

/// Fills up with [`Kind::Removed`] until there are `length` bytes.
pub(super) fn write_removed(length: usize, to: &mut Vec<u8>) {
    let start = begin(Kind::Removed, to);
    to.resize(length.max(to.len()), 0);
    end(start, to);
}

fn begin(kind: Kind, to: &mut Vec<u8>) -> usize {
    let start = to.len();
    to.extend_from_slice(&[0, 0, 0, 0, kind as u8, 0, 0, 0]);
    start
}

fn end(start: usize, to: &mut [u8]) {
    let length = (to.len() - start) as u32;
    if let Some(place) = to.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// Takes the first record off `bytes`. `None` if it is not one.
pub(super) fn take<'bytes>(bytes: &mut &'bytes [u8]) -> Option<Record<'bytes>> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let (record, rest) = bytes.split_at_checked(length)?;
    let (head, payload) = record.split_at_checked(HEAD)?;
    let &[.., kind, flags, 0, 0] = head else { return None };
    let record = match kind {
        kind if kind == Kind::Event as u8 => Record::Event(event(flags, payload)?),
        kind if kind == Kind::Progress as u8 => Record::Progress(progress(payload)?),
        kind if kind == Kind::Checkpoint as u8 => Record::Checkpoint(progress(payload)?),
        kind if kind == Kind::RoutesChanged as u8 => Record::RoutesChanged,
        kind if kind == Kind::Parked as u8 => Record::Parked(parked(flags, payload)?),
        kind if kind == Kind::Settled as u8 => Record::Settled(settled(payload)?),
        kind if kind == Kind::Open as u8 => Record::Open(open(payload)?),
        kind if kind == Kind::Removed as u8 => Record::Removed,
        _ => return None,
    };
    *bytes = rest;
    Some(record)
}

fn event(flags: u8, mut payload: &[u8]) -> Option<EventParts<'_>> {
    if flags & !(HAS_TYPE | TYPE_SIGNED) != 0 {
        return None;
    }
    let received = UNIX_EPOCH.checked_add(Duration::from_nanos(take_u64(&mut payload)?))?;
    let mut lengths = [0; 7];
    for length in &mut lengths {
        *length = take_u32(&mut payload)? as usize;
    }
    let mut parts = [[].as_slice(); 7];
    for (part, length) in parts.iter_mut().zip(lengths) {
        *part = take_bytes(&mut payload, length)?;
    }
    if !payload.is_empty() {
        return None;
    }
    let [source, event_type, id, method, target, headers, body] = parts;
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some(EventParts {
        source: text(source)?,
        event_type: if flags & HAS_TYPE == 0 { None } else { Some(text(event_type)?) },
        type_signed: flags & TYPE_SIGNED != 0,
        id: text(id)?,
        method: text(method)?,
        target: text(target)?,
        headers,
        body,
        received,
    })
}

fn progress(mut payload: &[u8]) -> Option<Vec<(&str, RouteProgress)>> {
    let mut all = Vec::new();
    while !payload.is_empty() {
        let route = std::str::from_utf8(take_counted(&mut payload)?).ok()?;
        let position = Sequence(take_u64(&mut payload)?);
        let done = take_counted(&mut payload)?.to_vec();
        all.push((route, RouteProgress { position, done }));
    }
    Some(all)
}

fn parked(flags: u8, mut payload: &[u8]) -> Option<ParkedParts<'_>> {
    Some(ParkedParts {
        route: std::str::from_utf8(take_counted(&mut payload)?).ok()?,
        due_ms: take_u64(&mut payload)?,
        attempts: take_u32(&mut payload)?,
        original: place(take_u64(&mut payload)?),
        replaces: place(take_u64(&mut payload)?),
        state: take_counted(&mut payload)?,
        event: event(flags, payload)?,
    })
}

fn settled(payload: &[u8]) -> Option<Vec<Sequence>> {
    let (sequences, rest) = payload.as_chunks();
    rest.is_empty().then(|| sequences.iter().map(|bytes| Sequence(u64::from_le_bytes(*bytes))).collect())
}

fn open(mut payload: &[u8]) -> Option<Vec<(&str, Vec<Listed>)>> {
    let mut all = Vec::new();
    while !payload.is_empty() {
        let route = std::str::from_utf8(take_counted(&mut payload)?).ok()?;
        let count = take_u32(&mut payload)? as usize;
        let mut list = take_bytes(&mut payload, count.checked_mul(LISTED)?)?;
        let mut listed = Vec::with_capacity(count);
        while !list.is_empty() {
            listed.push(Listed {
                sequence: Sequence(take_u64(&mut list)?),
                due_ms: take_u64(&mut list)?,
                original: place(take_u64(&mut list)?),
                offset: u64::from(take_u32(&mut list)?) * BLOCK as u64,
            });
        }
        all.push((route, listed));
    }
    Some(all)
}

fn place(number: u64) -> Option<Sequence> {
    (number > 0).then_some(Sequence(number))
}

/// Bytes with their number before them.
fn take_counted<'b>(from: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = take_u32(from)? as usize;
    take_bytes(from, length)
}

fn take_bytes<'b>(from: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

fn take_u32(from: &mut &[u8]) -> Option<u32> {
    super::layout::take(from).map(u32::from_le_bytes)
}

fn take_u64(from: &mut &[u8]) -> Option<u64> {
    super::layout::take(from).map(u64::from_le_bytes)
}

/// One moment by both clocks, for events that are read back.
pub(super) fn now() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}
