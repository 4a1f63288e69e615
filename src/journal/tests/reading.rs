//! Reading back: ring or segments, and while they grow.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::driven::Driven;
use super::sim_disk::SimDisk;
use super::{number_of, settings};
use crate::event::Sequence;
use crate::journal::Settings;

/// Reads everything from `from` on, so many bytes at a time.
fn read_from(journal: &Driven, from: u64, bytes: usize) -> Vec<(u64, Option<u64>)> {
    let reader = journal.reader();
    let mut next = Sequence(from);
    let mut all = Vec::new();
    loop {
        let events = reader.read(next, bytes).unwrap();
        let Some((last, _)) = events.last() else { return all };
        next = last.plus(1);
        all.extend(events.iter().map(|(sequence, event)| (sequence.0, number_of(event))));
    }
}

fn filled(disk: &SimDisk, ring_bytes: usize) -> Driven {
    let settings = Settings { ring_bytes, ..settings(Path::new("unused")) };
    let mut journal = Driven::open_with(disk, &settings).unwrap();
    for round in 0..25 {
        let numbers: Vec<u64> = (round * 4..round * 4 + 4).collect();
        journal.submit(&numbers, true);
    }
    journal
}

#[test]
fn ring_and_segments_give_the_same() {
    let expected: Vec<_> = (0..100).map(|number| (number + 1, Some(number))).collect();
    for ring_bytes in [0, 64 << 10, 64 << 20] {
        let disk = SimDisk::new(1);
        let journal = filled(&disk, ring_bytes);
        for piece in [0, 1_000, 100_000, usize::MAX] {
            assert_eq!(read_from(&journal, 1, piece), expected, "ring of {ring_bytes}, {piece} at a time");
        }
        for from in [2, 50, 99, 100] {
            assert_eq!(read_from(&journal, from, 10_000), expected[from as usize - 1..]);
        }
    }
}

#[test]
fn what_is_not_safe_yet_is_not_read() {
    let disk = SimDisk::new(2);
    let journal = filled(&disk, 0);
    let reader = journal.reader();
    assert_eq!(reader.synced_end(), Sequence(101));
    assert!(reader.read(Sequence(101), 1000).unwrap().is_empty());
    assert!(reader.read(Sequence(1_000_000), 1000).unwrap().is_empty());
}

#[test]
fn a_reader_sees_what_is_written_behind_the_place_it_has_read_to() {
    let disk = SimDisk::new(3);
    let settings = Settings { ring_bytes: 0, ..settings(Path::new("unused")) };
    let mut journal = Driven::open_with(&disk, &settings).unwrap();
    let reader = journal.reader();
    let mut next = Sequence(1);
    for number in 0..100 {
        journal.submit(&[number], true);
        let read = reader.read(next, 1 << 20).unwrap();
        let numbers: Vec<_> = read.iter().map(|(_, event)| number_of(event)).collect();
        assert_eq!(numbers, [Some(number)]);
        next = next.plus(1);
    }
}

#[test]
fn readers_are_woken_after_a_batch_is_there_to_read() {
    let disk = SimDisk::new(4);
    let mut journal = Driven::open(&disk).unwrap();
    let reader = Arc::new(journal.reader());
    let read = Arc::new(AtomicUsize::new(0));
    let (from_wake, counted) = (Arc::clone(&reader), Arc::clone(&read));
    reader.on_published(Arc::new(move || {
        counted.store(from_wake.read(Sequence(1), usize::MAX).unwrap().len(), Ordering::Relaxed);
    }));
    journal.submit(&[1, 2, 3], true);
    assert_eq!(read.load(Ordering::Relaxed), 3);
}

#[test]
fn a_published_event_no_longer_counts_against_the_memory_budget() {
    let disk = SimDisk::new(5);
    let mut journal = Driven::open(&disk).unwrap();
    let budget = Arc::new(crate::event::Budget::new(1 << 20));
    let mut draft = crate::event::RecordPool::new(Arc::clone(&budget)).draft();
    assert!(draft.reserve(1000));
    draft.head("github", "POST", "/");
    let now = (std::time::Instant::now(), std::time::SystemTime::now());
    let event = draft.seal(crate::event::EventMeta::default(), true, now, &mut crate::event::IdSource::new());
    journal.submit_event(event);
    assert_eq!(budget.used(), 0);
    assert_eq!(journal.reader().read(Sequence(1), 1).unwrap().len(), 1);
}
