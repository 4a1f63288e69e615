//! What must hold of any bytes in the files of the journal, whatever wrote them.
//!
//! Checksums are made right where bytes would else be thrown away unread.

use std::sync::Arc;

use super::batch::{Batch, CRC_AT, HEAD, SegmentId, checksum, tag};
use super::index::Page;
use super::layout::{BLOCK, INDEX_MAGIC, SEGMENT_MAGIC, VERSION, whole_blocks};
use super::record::{self, Kind, Record, RouteProgress};
use super::segment::{Header, Link};
use crate::event::{Event, EventParts, Sequence};

const ID: SegmentId = *b"0123456789abcdef";

/// Records behind one another: each is none, or says the same when it is written again.
pub(crate) fn records(data: &[u8]) {
    let mut rest = data;
    while let Some(record) = record::take(&mut rest) {
        says_the_same(&record);
    }
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
    assert!(batch.end() >= batch.first);
    for record in batch.records().flatten() {
        says_the_same(&record);
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
}

/// An index page without its magic number, its version and its checksum, and one as it is.
pub(crate) fn page(data: &[u8]) {
    let mut bytes = [&INDEX_MAGIC[..], &VERSION.to_le_bytes(), data].concat();
    let id = bytes.get(32..).and_then(|rest| rest.first_chunk::<16>()).copied().unwrap_or_default();
    let [first, end, sealed_at] = [48, 56, 64].map(|at| u64_at(&bytes, at));
    let link = Link { first: Sequence(first), id, sealed_at, end: Sequence(end) };
    let _ = Page::read(data.to_vec(), &link);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let Some(page) = Page::read(bytes, &link) else { return };
    for entry in page.entries() {
        assert!(entry.sequence >= link.first && entry.offset.is_multiple_of(BLOCK as u64), "{entry:?}");
    }
    let count = page.entries().count();
    assert!(page.batches_of("evt_1").len() <= count);
    let _ = (page.key(), page.sources().len());
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn says_the_same(record: &Record<'_>) {
    let mut bytes = Vec::new();
    match record {
        Record::Event(parts) => event_says_the_same(parts),
        Record::Parked(parked) => event_says_the_same(&parked.event),
        Record::Progress(progress) => {
            let progress: Vec<(Arc<str>, RouteProgress)> =
                progress.iter().map(|(route, progress)| ((*route).into(), progress.clone())).collect();
            record::write_progress(
                Kind::Progress,
                progress.iter().map(|(route, progress)| (route, progress)),
                &mut bytes,
            );
            assert_eq!(format!("{:?}", record::take(&mut bytes.as_slice())), format!("{:?}", Some(record)));
        }
        Record::Settled(settled) => {
            record::write_settled(settled, &mut bytes);
            assert_eq!(format!("{:?}", record::take(&mut bytes.as_slice())), format!("{:?}", Some(record)));
        }
        Record::Checkpoint(_) | Record::RoutesChanged | Record::Open(_) | Record::Removed => {}
    }
}

fn event_says_the_same(parts: &EventParts<'_>) {
    let event = Event::from_parts(parts, record::now());
    // Whoever reads an event reads its headers.
    let _ = (event.headers().count(), event.header("x"), event.footprint(), event.received_at());
    let mut bytes = Vec::new();
    record::write_event(&event, &mut bytes);
    assert_eq!(bytes.len(), record::event_length(&event));
    let Some(Record::Event(again)) = record::take(&mut bytes.as_slice()) else { panic!("it is written as none") };
    assert_eq!(format!("{again:?}"), format!("{parts:?}"));
}
