//! Blocks of records ⇄ bytes. Pure.
//!
//! ```text
//! block    [ "hgat" │ length u32 │ CRC-32C u32 │ payload ]
//! payload  [ base time, ms u64 │ base sequence u64 │ number of routes │ length, name … │ records ]
//! record   [ kind u8 │ route │ attempt │ sequence − base │ start − base, ms │ took, µs │ key u64 │ what failed ]
//! failed   [ status, if the kind says so │ length, first bytes of the answer, unless they are those before ]
//! run      [ 62 began or 63 ended │ time − base, ms ]
//! ```
//!
//! Numbers without a size are LEB128, differences with a zigzag. A block is proven by its checksum, so that a torn tail is
//! known as one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::event::{Event, Sequence};
use crate::routes::delivery::FailureKind;
use crate::routes::progress::{push_number, take_number};

/// One line of the diary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// An attempt to deliver an event.
    Attempt(Attempt),
    /// A process began to deliver.
    Began(SystemTime),
    /// It ended in order.
    Ended(SystemTime),
}

/// An attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) route: Arc<str>,
    /// 1 for the first.
    pub(super) number: u32,
    /// Where in the journal the event was received; `None` if it was nowhere but in memory.
    pub(super) sequence: Option<Sequence>,
    /// Which event: see [`key`].
    pub(super) key: u64,
    pub(super) started: SystemTime,
    pub(super) took: Duration,
    /// What failed, and the first bytes of the answer; `None` if it was delivered.
    pub(super) failure: Option<(FailureKind, Box<str>)>,
}

/// An event, hashed (FNV-1a): the log holds no ids. Two that meet tell each other's story, which nobody would gain by
/// making happen.
pub(super) fn key(source: &str, id: &str) -> u64 {
    let bytes = source.bytes().chain([0]).chain(id.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The same of an event.
pub(super) fn key_of(event: &Event) -> u64 {
    key(event.source(), event.id())
}

const MAGIC: [u8; 4] = *b"hgat";
const HEAD: usize = 12;

const BEGAN: u8 = 62;
const ENDED: u8 = 63;
/// Flags beside a kind.
const IN_MEMORY: u8 = 0x80;
const SAME_DETAIL: u8 = 0x40;

/// Entries of one block at most: a reader has a block in memory, and a torn one loses no more.
pub(super) const BLOCK_ENTRIES: usize = 1_024;

/// Appends entries as one block.
pub(super) fn write_block(entries: &[Entry], to: &mut Vec<u8>) {
    let base = Base::of(entries);
    let start = to.len();
    to.extend_from_slice(&MAGIC);
    to.extend_from_slice(&[0; HEAD - MAGIC.len()]);
    to.extend_from_slice(&base.ms.to_le_bytes());
    to.extend_from_slice(&base.sequence.to_le_bytes());
    push_number(to, base.routes.len() as u64);
    for route in &base.routes {
        push_text(to, route);
    }
    let mut detail = "";
    for entry in entries {
        match entry {
            Entry::Began(at) => base.push_run(BEGAN, *at, to),
            Entry::Ended(at) => base.push_run(ENDED, *at, to),
            Entry::Attempt(attempt) => base.push_attempt(attempt, &mut detail, to),
        }
    }
    let length = (to.len() - start - HEAD) as u32;
    let crc = to.get(start + HEAD..).map_or(0, crc32c::crc32c);
    if let Some(head) = to.get_mut(start + MAGIC.len()..start + HEAD) {
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&crc.to_le_bytes());
    }
}

/// What the records of a block are relative to.
struct Base<'e> {
    ms: u64,
    sequence: u64,
    routes: Vec<&'e str>,
}

impl<'e> Base<'e> {
    fn of(entries: &'e [Entry]) -> Self {
        let mut base = Self { ms: 0, sequence: 0, routes: Vec::new() };
        for entry in entries {
            let at = match entry {
                Entry::Began(at) | Entry::Ended(at) => at,
                Entry::Attempt(attempt) => {
                    if base.sequence == 0 {
                        base.sequence = attempt.sequence.unwrap_or_default().0;
                    }
                    if !base.routes.contains(&&*attempt.route) {
                        base.routes.push(&attempt.route);
                    }
                    &attempt.started
                }
            };
            if base.ms == 0 {
                base.ms = unix_ms(*at);
            }
        }
        base
    }

    fn push_run(&self, kind: u8, at: SystemTime, to: &mut Vec<u8>) {
        to.push(kind);
        push_difference(to, unix_ms(at), self.ms);
    }

    fn push_attempt<'a>(&self, attempt: &'a Attempt, detail_before: &mut &'a str, to: &mut Vec<u8>) {
        let (kind, status, detail) = match &attempt.failure {
            None => (0, None, ""),
            Some((kind, detail)) => (code(*kind), status(*kind), &**detail),
        };
        let is_same = attempt.failure.is_some() && detail == *detail_before;
        let flags = if attempt.sequence.is_none() { IN_MEMORY } else { 0 } | if is_same { SAME_DETAIL } else { 0 };
        to.push(kind | flags);
        let route = self.routes.iter().position(|route| **route == *attempt.route).unwrap_or_default();
        push_number(to, route as u64);
        push_number(to, u64::from(attempt.number));
        if let Some(Sequence(sequence)) = attempt.sequence {
            push_difference(to, sequence, self.sequence);
        }
        push_difference(to, unix_ms(attempt.started), self.ms);
        push_number(to, attempt.took.as_micros() as u64);
        to.extend_from_slice(&attempt.key.to_le_bytes());
        if let Some(status) = status {
            push_number(to, u64::from(status));
        }
        if attempt.failure.is_some() && !is_same {
            push_text(to, detail);
            *detail_before = detail;
        }
    }
}

/// Takes the first block off `bytes`: its entries. `None` at the end, or where what follows is no whole block.
pub(super) fn take_block(bytes: &mut &[u8]) -> Option<Vec<Entry>> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    if [m0, m1, m2, m3] != MAGIC {
        return None;
    }
    let (mut payload, rest) = rest.split_at_checked(u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
    if crc32c::crc32c(payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return None;
    }
    *bytes = rest;
    entries(&mut payload)
}

fn entries(payload: &mut &[u8]) -> Option<Vec<Entry>> {
    let ms = take_u64(payload)?;
    let sequence = take_u64(payload)?;
    let count = take_number(payload)?;
    let routes: Vec<Arc<str>> = (0..count).map(|_| take_text(payload).map(Arc::from)).collect::<Option<_>>()?;
    let mut entries = Vec::new();
    let mut detail: Box<str> = "".into();
    while let Some((&first, rest)) = payload.split_first() {
        *payload = rest;
        let kind = first & !(IN_MEMORY | SAME_DETAIL);
        entries.push(match kind {
            BEGAN => Entry::Began(time(take_difference(payload, ms)?)),
            ENDED => Entry::Ended(time(take_difference(payload, ms)?)),
            kind => {
                let route = Arc::clone(routes.get(take_number(payload)? as usize)?);
                let number = take_number(payload)? as u32;
                let is_kept = first & IN_MEMORY == 0;
                let sequence = if is_kept { Some(Sequence(take_difference(payload, sequence)?)) } else { None };
                let started = time(take_difference(payload, ms)?);
                let took = Duration::from_micros(take_number(payload)?);
                let key = take_u64(payload)?;
                let failure = match kind {
                    0 => None,
                    code => {
                        let kind = kind_of(code, payload)?;
                        if first & SAME_DETAIL == 0 {
                            detail = take_text(payload)?.into();
                        }
                        Some((kind, detail.clone()))
                    }
                };
                Entry::Attempt(Attempt { route, number, sequence, key, started, took, failure })
            }
        });
    }
    Some(entries)
}

fn code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Status(_) => 1,
        FailureKind::Connect => 2,
        FailureKind::Tls => 3,
        FailureKind::Timeout => 4,
        FailureKind::BrokenAnswer => 5,
        FailureKind::Io => 6,
        FailureKind::Handler => 7,
    }
}

fn status(kind: FailureKind) -> Option<u16> {
    if let FailureKind::Status(status) = kind { Some(status) } else { None }
}

fn kind_of(code: u8, payload: &mut &[u8]) -> Option<FailureKind> {
    Some(match code {
        1 => FailureKind::Status(take_number(payload)? as u16),
        2 => FailureKind::Connect,
        3 => FailureKind::Tls,
        4 => FailureKind::Timeout,
        5 => FailureKind::BrokenAnswer,
        6 => FailureKind::Io,
        7 => FailureKind::Handler,
        _ => return None,
    })
}

fn unix_ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Times that no clock shows are damage that the checksum has let through; they become the epoch.
fn time(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms)).unwrap_or(UNIX_EPOCH)
}

fn push_difference(to: &mut Vec<u8>, value: u64, base: u64) {
    let difference = value.wrapping_sub(base) as i64;
    push_number(to, ((difference << 1) ^ (difference >> 63)) as u64);
}

fn take_difference(from: &mut &[u8], base: u64) -> Option<u64> {
    let zigzag = take_number(from)?;
    let difference = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    Some(base.wrapping_add(difference as u64))
}

fn push_text(to: &mut Vec<u8>, text: &str) {
    push_number(to, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

fn take_text<'b>(from: &mut &'b [u8]) -> Option<&'b str> {
    let length = usize::try_from(take_number(from)?).ok()?;
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    std::str::from_utf8(text).ok()
}

fn take_u64(from: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn failure() -> impl Strategy<Value = Option<(FailureKind, Box<str>)>> {
        let kind = prop_oneof![
            (100..600_u16).prop_map(FailureKind::Status),
            Just(FailureKind::Connect),
            Just(FailureKind::Tls),
            Just(FailureKind::Timeout),
            Just(FailureKind::BrokenAnswer),
            Just(FailureKind::Io),
            Just(FailureKind::Handler),
        ];
        proptest::option::of((kind, "(same|[a-zé]{0,9})").prop_map(|(kind, detail)| (kind, detail.into())))
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let time = || (0..u64::MAX >> 20).prop_map(time);
        let attempt = (
            "[ab]{1,2}",
            any::<u32>(),
            proptest::option::of(any::<u64>().prop_map(Sequence)),
            any::<u64>(),
            time(),
            (0..u64::MAX >> 1).prop_map(Duration::from_micros),
            failure(),
        );
        prop_oneof![
            1 => time().prop_map(Entry::Began),
            1 => time().prop_map(Entry::Ended),
            8 => attempt.prop_map(|(route, number, sequence, key, started, took, failure)| {
                Entry::Attempt(Attempt { route: route.into(), number, sequence, key, started, took, failure })
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_every_cut_is_noticed(entries in prop::collection::vec(entry(), 0..20)) {
            let mut bytes = Vec::new();
            write_block(&entries, &mut bytes);
            prop_assert_eq!(take_block(&mut &*bytes), Some(entries));
            for end in 0..bytes.len() {
                prop_assert_eq!(take_block(&mut &bytes[..end]), None);
            }
        }
    }

    #[test]
    fn a_delivery_takes_some_twenty_bytes() {
        let started = SystemTime::now();
        let entry = |at: u64| {
            Entry::Attempt(Attempt {
                route: "billing".into(),
                number: 1,
                sequence: Some(Sequence(1_000_000 + at)),
                key: at.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                started: started + Duration::from_micros(at * 20),
                took: Duration::from_micros(400),
                failure: None,
            })
        };
        let mut bytes = Vec::new();
        write_block(&(0..1_000).map(entry).collect::<Vec<_>>(), &mut bytes);
        assert!(bytes.len() < 20_000, "{}", bytes.len());
    }

    #[test]
    fn the_same_id_of_another_source_is_another_event() {
        assert_ne!(key("a", "b"), key("ab", ""));
        assert_eq!(key("", ""), 0xaf63_bd4c_8601_b7df, "the hash must stay what it is: it is in files");
    }
}
