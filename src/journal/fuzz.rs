//! What must hold of any bytes in the files of the journal, whatever wrote them.
//!
//! Checksums are made right where bytes would else be thrown away unread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::batch::{Batch, CRC_AT, HEAD, SegmentId, checksum, tag};
use super::index::Page;
use super::layout::{BLOCK, INDEX_MAGIC, SEGMENT_MAGIC, VERSION, whole_blocks};
use super::parked::{Listed, Open, Parked, ParkedParts};
use super::record::{self, Kind, Record, RouteProgress};
use super::segment::{Header, Link};
use crate::event::{Event, EventParts, Sequence};

const ID: SegmentId = *b"0123456789abcdef";

/// Records behind one another: each is none, or says the same when it is written again.
pub(crate) fn records(data: &[u8]) {
    let mut rest = data;
    loop {
        let before = rest;
        let Some(record) = record::take(&mut rest) else { break };
        let length = before.first_chunk().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
        assert!(length >= 8 && before.len() - rest.len() == length, "{length} bytes");
        let bytes = before.get(..length).expect("a record");
        says_the_same(&record, bytes);
        if !matches!(record, Record::RoutesChanged | Record::Removed) {
            is_none_with(&[bytes, b"\0"].concat());
            is_none_with(&bytes[..length - 1]);
        }
    }
}

/// These bytes, with a length that is right, are no record.
fn is_none_with(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let length = (bytes.len() as u32).to_le_bytes();
    bytes[..4].copy_from_slice(&length);
    assert!(record::take(&mut bytes.as_slice()).is_none(), "it ends elsewhere too: {}", bytes.escape_ascii());
}

/// A batch without its tag and its checksum, and one as it is.
pub(crate) fn batch(data: &[u8]) {
    let _ = Batch::read(&ID, data);
    let mut bytes = data.to_vec();
    bytes.resize(whole_blocks(data.len().max(HEAD)), 0);
    let room = (bytes.len() - HEAD) as u32;
    let Some((head, records)) = bytes.split_first_chunk_mut::<HEAD>() else { return };
    head[..4].copy_from_slice(tag(&ID));
    if let Some(length) = head.get(24..28).and_then(|bytes| bytes.first_chunk()) {
        let length = u32::from_le_bytes(*length).min(room);
        head[24..28].copy_from_slice(&length.to_le_bytes());
        let size = whole_blocks(HEAD + length as usize);
        let crc = checksum(&ID, &head[..CRC_AT], records.get(..size - HEAD).expect("whole blocks"));
        head[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    }
    assert!(Batch::size(&ID, &bytes).is_some_and(|size| size <= bytes.len() && size.is_multiple_of(BLOCK)));
    let Some(batch) = Batch::read(&ID, &bytes) else { return };
    assert_eq!((batch.number, batch.first.0), (u64_at(&bytes, 4), u64_at(&bytes, 12)));
    assert_eq!(u64::from(batch.events), u64_at(&bytes, 20) & 0xffff_ffff);
    assert_eq!(batch.end(), batch.first.plus(u64::from(batch.events)));
    let changed = changed(&bytes[..batch.size], data);
    assert!(Batch::read(&ID, &changed).is_none(), "a change is not noticed");
    let other = ID.map(|byte| byte ^ 1);
    assert!(Batch::read(&other, &bytes).is_none(), "it is one of another segment too");
    let mut rest = bytes.get(HEAD..).expect("records");
    for record in batch.records().flatten() {
        let length = rest.first_chunk().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
        let (bytes, behind) = rest.split_at_checked(length).expect("a record");
        rest = behind;
        says_the_same(&record, bytes);
    }
}

/// The header of a segment without its magic number, its version and its checksum, and one as it is.
pub(crate) fn header(data: &[u8]) {
    let _ = Header::read(1, data);
    let mut block = [&SEGMENT_MAGIC[..], &VERSION.to_le_bytes(), data].concat();
    block.resize(BLOCK - 4, 0);
    block.extend_from_slice(&crc32c::crc32c(&block).to_le_bytes());
    let first = u64_at(&block, 8 + 4 + 4 + 16);
    let header = Header::read(first, &block).expect("its checksum is right");
    let again = Header::read(first, &header.to_block()).expect("it was written by this version");
    assert_eq!(again, header);
    assert_eq!(header.id.as_slice(), &block[16..32]);
    assert_eq!(header.previous.map_or(0, |link| link.first.0), u64_at(&block, 48));
    assert!(Header::read(first.wrapping_add(1), &block).is_err(), "it is that of another segment too");
    assert!(Header::read(first, &changed(&block, data)).is_err(), "a change is not noticed");
    assert!(Header::read(first, &block[..BLOCK - 1]).is_err(), "it is cut off");
}

/// An index page without its magic number, its version and its checksum, and one as it is.
pub(crate) fn page(data: &[u8]) {
    let mut bytes = [&INDEX_MAGIC[..], &VERSION.to_le_bytes(), data].concat();
    let id = bytes.get(32..).and_then(|rest| rest.first_chunk::<16>()).copied().unwrap_or_default();
    let [first, end, sealed_at] = [48, 56, 64].map(|at| u64_at(&bytes, at));
    let link = Link { first: Sequence(first), id, sealed_at, end: Sequence(end) };
    let _ = Page::read(data.to_vec(), &link);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let Some(page) = Page::read(bytes.clone(), &link) else { return };
    for other in [Link { sealed_at: !sealed_at, ..link }, Link { id: id.map(|byte| !byte), ..link }] {
        assert!(Page::read(bytes.clone(), &other).is_none(), "it is that of another segment too");
    }
    assert!(Page::read(changed(&bytes, data), &link).is_none(), "a change is not noticed");
    assert_eq!(page.entries().count() as u64, u64_at(&bytes, 12) & 0xffff_ffff);
    for (at, entry) in page.entries().enumerate() {
        let written = |behind: usize| u64_at(&bytes, PAGE_HEADER + at * 32 + behind);
        assert_eq!(entry.sequence, link.first.plus(written(16) & 0xffff_ffff));
        assert_eq!(entry.offset, (written(16) >> 32) * BLOCK as u64);
        let received = entry.received.duration_since(UNIX_EPOCH).expect("a time of now").as_millis() as u64;
        assert_eq!(received, written(24) & 0xffff_ffff_ffff);
        let source = entry.source as u64 | if entry.parked { 1 << 15 } else { 0 };
        assert_eq!(source, written(24) >> 48);
    }
    let count = page.entries().count();
    assert!(page.batches_of("evt_1").len() <= count);
    let _ = (page.key(), page.sources().len());
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Before the entries of a page: see `docs/journal-format.md`.
const PAGE_HEADER: usize = 80;

/// The same with one bit changed, which the input chooses.
fn changed(bytes: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let length = bytes.len();
    if let Some(byte) = bytes.get_mut(at % length) {
        *byte ^= 1 << (at / 7 % 8);
    }
    bytes
}

/// A record of these bytes is written as them, and read from what is written as it was.
fn says_the_same(record: &Record<'_>, read: &[u8]) {
    let mut bytes = Vec::new();
    let write_all = |kind, progress: &[(&str, RouteProgress)], bytes: &mut Vec<u8>| {
        let progress: Vec<(Arc<str>, RouteProgress)> =
            progress.iter().map(|(route, progress)| ((*route).into(), progress.clone())).collect();
        record::write_progress(kind, progress.iter().map(|(route, progress)| (route, progress)), bytes);
    };
    match record {
        Record::Event(parts) => event_says_the_same(parts, &mut bytes),
        Record::Parked(parts) => {
            let parked = Parked {
                route: parts.route.into(),
                due_ms: parts.due_ms,
                attempts: parts.attempts,
                original: parts.original,
                replaces: parts.replaces,
                state: parts.state.to_vec(),
                event: Event::from_parts(&parts.event, record::now()),
                told: None,
            };
            event_says_the_same(&parts.event, &mut Vec::new());
            record::write_parked(&parked, &mut bytes);
        }
        Record::Progress(progress) => write_all(Kind::Progress, progress, &mut bytes),
        Record::Checkpoint(progress) => write_all(Kind::Checkpoint, progress, &mut bytes),
        Record::Settled(settled) => record::write_settled(settled, &mut bytes),
        Record::Open(lists) => return open_says_the_same(lists),
        Record::RoutesChanged | Record::Removed => return,
    }
    assert_eq!(format!("{:?}", record::take(&mut bytes.as_slice())), format!("{:?}", Some(record)));
    let mut read = read.to_vec();
    let has_type = match record {
        Record::Event(event) | Record::Parked(ParkedParts { event, .. }) => event.event_type.is_some(),
        _ => {
            // Of a record without an event nobody reads the flags,
            read[FLAGS_AT] = 0;
            true
        }
    };
    // and of an event without a type nobody reads the text in its place.
    if has_type || bytes.len() >= read.len() {
        assert_eq!(bytes.escape_ascii().to_string(), read.escape_ascii().to_string());
    }
}

/// See `docs/journal-format.md`.
const FLAGS_AT: usize = 5;

/// By what is listed: routes of which nothing is, and places that are listed twice, are not kept.
fn open_says_the_same(lists: &[(&str, Vec<Listed>)]) {
    let listed = |lists: &[(&str, Vec<Listed>)]| -> BTreeMap<Sequence, String> {
        let all = lists.iter().flat_map(|(route, list)| list.iter().map(move |listed| (route, listed)));
        all.map(|(route, listed)| (listed.sequence, format!("{route:?} {listed:?}"))).collect()
    };
    let mut open = Open::default();
    for (route, list) in lists {
        list.iter().for_each(|listed| open.insert(route, listed));
    }
    let mut bytes = Vec::new();
    record::write_open(&open, &mut bytes);
    let Some(Record::Open(again)) = record::take(&mut bytes.as_slice()) else { panic!("it is written as none") };
    assert_eq!(listed(&again), listed(lists));
}

fn event_says_the_same(parts: &EventParts<'_>, bytes: &mut Vec<u8>) {
    let event = Event::from_parts(parts, record::now());
    // Whoever reads an event reads its headers.
    let _ = (event.headers().count(), event.header("x"), event.footprint(), event.received_at());
    record::write_event(&event, bytes);
    assert_eq!(bytes.len(), record::event_length(&event));
    let Some(Record::Event(again)) = record::take(&mut bytes.as_slice()) else { panic!("it is written as none") };
    assert_eq!(format!("{again:?}"), format!("{parts:?}"));
}
