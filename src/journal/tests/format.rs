//! Records, batches and headers as bytes: every truncation and every flipped byte is noticed.

use std::sync::Arc;

use super::{event, number_of};
use crate::event::Event;
use crate::event::Sequence;
use crate::journal::batch::{Batch, BatchBuffer, HEAD};
use crate::journal::layout::BLOCK;
use crate::journal::parked::{Listed, Open};
use crate::journal::record::{self, Kind, Record};
use crate::journal::segment::{Header, Link};
use crate::journal::{JournalError, Parked, RouteProgress};

const ID: [u8; 16] = *b"0123456789abcdef";

fn small_event() -> Event {
    Event::for_test("stripe", Some("invoice.paid"), "evt_1", &[("stripe-version", b"2026")], b"{\"id\":1}")
}

fn progress() -> Vec<(Arc<str>, RouteProgress)> {
    vec![
        ("billing".into(), RouteProgress { position: Sequence(7), done: vec![1, 2] }),
        ("audit".into(), RouteProgress { position: Sequence(u64::MAX), done: Vec::new() }),
    ]
}

fn batch() -> Vec<u8> {
    let mut buffer = BatchBuffer::default();
    buffer.clear();
    buffer.push(|to| record::write_progress(Kind::Checkpoint, progress().iter().map(|(r, p)| (r, p)), to));
    buffer.push_event(&small_event());
    buffer.push_event(&event(3));
    buffer.seal(&ID, 5, Sequence(40)).to_vec()
}

#[test]
fn an_event_is_read_as_it_was_written() {
    for written in [small_event(), event(1), Event::for_test("s", None, "", &[], b"")] {
        let mut bytes = Vec::new();
        record::write_event(&written, &mut bytes);
        assert_eq!(bytes.len(), record::event_length(&written));
        let Some(Record::Event(parts)) = record::take(&mut bytes.as_slice()) else { panic!("no event") };
        let read = Event::from_parts(&parts, record::now());
        assert_eq!(read.source(), written.source());
        assert_eq!(read.event_type(), written.event_type());
        assert_eq!(read.type_signed(), written.type_signed());
        assert_eq!(read.id(), written.id());
        assert_eq!(read.method(), written.method());
        assert_eq!(read.target(), written.target());
        assert_eq!(read.body(), written.body());
        assert_eq!(read.received(), written.received());
        assert!(read.headers().eq(written.headers()));
    }
}

fn parked() -> Parked {
    Parked {
        route: "billing".into(),
        due_ms: 1_700_000_000_000,
        attempts: 3,
        original: Some(Sequence(5)),
        replaces: None,
        state: vec![1, 2, 3],
        event: small_event(),
        told: None,
    }
}

fn open() -> Open {
    let mut open = Open::default();
    for (route, sequence) in [("billing", 7), ("audit", 8), ("billing", 9)] {
        let listed = Listed { sequence: Sequence(sequence), due_ms: 5, original: None, offset: 4 * BLOCK as u64 };
        open.insert(route, &listed);
    }
    open
}

#[test]
fn a_parked_event_is_read_as_it_was_written() {
    let mut bytes = Vec::new();
    record::write_parked(&parked(), &mut bytes);
    for length in 0..bytes.len() {
        assert!(record::take(&mut &bytes[..length]).is_none(), "{length} bytes");
    }
    let Some(Record::Parked(read)) = record::take(&mut bytes.as_slice()) else { panic!("no parked event") };
    assert_eq!((read.route, read.due_ms, read.attempts), ("billing", 1_700_000_000_000, 3));
    assert_eq!((read.original, read.replaces, read.state), (Some(Sequence(5)), None, &[1, 2, 3][..]));
    assert_eq!((read.event.id, read.event.type_signed), ("evt_1", small_event().type_signed()));
    assert_eq!(read.event.body, small_event().body());
}

#[test]
fn what_is_settled_and_what_is_open_is_read_as_it_was_written() {
    let mut bytes = Vec::new();
    record::write_settled(&[Sequence(3), Sequence(90)], &mut bytes);
    let Some(Record::Settled(settled)) = record::take(&mut bytes.as_slice()) else { panic!("nothing settled") };
    assert_eq!(settled, [Sequence(3), Sequence(90)]);
    bytes.clear();
    record::write_open(&open(), &mut bytes);
    for length in 0..bytes.len() {
        assert!(record::take(&mut &bytes[..length]).is_none(), "{length} bytes");
    }
    let Some(Record::Open(all)) = record::take(&mut bytes.as_slice()) else { panic!("nothing open") };
    let mut read = Open::default();
    for (route, list) in all {
        list.iter().for_each(|listed| read.insert(route, listed));
    }
    assert_eq!(read.all(), open().all());
    assert_eq!(read.offset(Sequence(8)), Some(4 * BLOCK as u64));
}

#[test]
fn a_record_cut_short_anywhere_is_none() {
    let mut bytes = Vec::new();
    record::write_event(&small_event(), &mut bytes);
    for length in 0..bytes.len() {
        assert!(record::take(&mut &bytes[..length]).is_none(), "{length} bytes");
    }
    bytes.clear();
    record::write_progress(Kind::Progress, progress().iter().map(|(r, p)| (r, p)), &mut bytes);
    for length in 0..bytes.len() {
        assert!(record::take(&mut &bytes[..length]).is_none(), "{length} bytes");
    }
}

#[test]
fn a_record_with_any_byte_changed_is_read_without_a_panic() {
    let mut bytes = Vec::new();
    record::write_event(&small_event(), &mut bytes);
    record::write_progress(Kind::Checkpoint, progress().iter().map(|(r, p)| (r, p)), &mut bytes);
    record::write_parked(&parked(), &mut bytes);
    record::write_settled(&[Sequence(3)], &mut bytes);
    record::write_open(&open(), &mut bytes);
    for at in 0..bytes.len() {
        for bits in [1, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] ^= bits;
            let mut rest = changed.as_slice();
            while record::take(&mut rest).is_some() {}
        }
    }
}

#[test]
fn a_batch_is_read_as_it_was_written() {
    let bytes = batch();
    assert_eq!(bytes.len() % BLOCK, 0);
    let read = Batch::read(&ID, &bytes).unwrap();
    assert_eq!((read.number, read.first, read.events, read.size), (5, Sequence(40), 2, bytes.len()));
    assert_eq!(read.end(), Sequence(42));
    let records: Vec<_> = read.records().map(Option::unwrap).collect();
    let [Record::Checkpoint(routes), Record::Event(_), Record::Event(last)] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert!(routes.iter().map(|(r, p)| (*r, p)).eq(progress().iter().map(|(r, p)| (&**r, p))));
    assert_eq!(number_of(&Event::from_parts(last, record::now())), Some(3));
}

#[test]
fn a_batch_with_any_byte_changed_is_none() {
    let bytes = batch();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(Batch::read(&ID, &changed).is_none(), "byte {at}");
    }
}

#[test]
fn a_batch_cut_short_anywhere_is_none() {
    let bytes = batch();
    for length in 0..bytes.len() {
        assert!(Batch::read(&ID, &bytes[..length]).is_none(), "{length} bytes");
    }
}

#[test]
fn a_batch_of_another_segment_is_none() {
    let bytes = batch();
    let mut other = ID;
    other[15] ^= 1;
    assert!(Batch::read(&other, &bytes).is_none());
}

/// As a write that was torn within a sector may leave it.
#[test]
fn a_batch_of_another_segment_is_none_though_it_begins_as_one_of_this() {
    let mut bytes = batch();
    let mut other = ID;
    for byte in &mut other {
        *byte ^= 0x5A;
    }
    bytes[..4].copy_from_slice(&other[..4]);
    assert!(Batch::size(&other, &bytes).is_some());
    assert!(Batch::read(&other, &bytes).is_none());
}

#[test]
fn a_header_is_read_as_it_was_written_and_noticed_when_it_changed() {
    let link = Link { first: Sequence(3), id: ID, sealed_at: 8192, end: Sequence(9) };
    for header in [Header::new(Sequence(1), None), Header::new(Sequence(9), Some(link))] {
        let block = header.to_block();
        assert_eq!(block.len(), BLOCK);
        let read = Header::read(header.first.0, &block).unwrap();
        assert_eq!(read.to_block(), block);
        assert!(matches!(Header::read(8, &block), Err(JournalError::Damaged { .. })), "a name that is not its own");
        for at in 0..block.len() {
            let mut changed = block.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(Header::read(header.first.0, &changed).is_err(), "byte {at}");
        }
        assert!(Header::read(header.first.0, &block[..BLOCK - 1]).is_err());
    }
}

#[test]
fn a_header_of_a_later_version_is_not_called_damage() {
    let mut block = Header::new(Sequence(1), None).to_block();
    block[8] = 2;
    let crc = crc32c::crc32c(&block[..BLOCK - 4]);
    block[BLOCK - 4..].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(Header::read(1, &block), Err(JournalError::Version { version: 2, .. })));
}

#[test]
fn the_checksum_is_castagnolis() {
    // RFC 3720, appendix B.4: 32 bytes of zeros.
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8A91_36AA);
    assert_eq!(HEAD, 40);
}
