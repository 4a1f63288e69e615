//! Events that are parked: safe in a place of their own, read back from there, and known again after a restart.

use std::path::Path;

use super::driven::Driven;
use super::sim_disk::{Fault, SimDisk};
use super::{number_of, settings};
use crate::event::Sequence;
use crate::journal::{OpenParked, Outcome, Settings};
use crate::refusal::Refusal;

fn numbers_read(journal: &Driven, places: &[u64]) -> Vec<Option<u64>> {
    let reader = journal.reader();
    let read = |place: &u64| reader.read_parked(Sequence(*place)).unwrap().and_then(|read| number_of(&read.event));
    places.iter().map(read).collect()
}

#[test]
fn a_parked_event_is_read_back_from_the_ring_and_from_its_segment() {
    for ring_bytes in [0, 64 << 20] {
        let disk = SimDisk::new(1);
        let settings = Settings { ring_bytes, ..settings(Path::new("unused")) };
        let mut journal = Driven::open_with(&disk, &settings).unwrap();
        journal.submit(&[1, 2, 3], true);
        assert_eq!(journal.park("billing", &[2, 3], Some(2)), [Ok(Sequence(4)), Ok(Sequence(5))]);
        journal.submit(&[4], true);
        let read = journal.reader().read_parked(Sequence(5)).unwrap().unwrap();
        assert_eq!((read.attempts, read.original, read.state), (3, Some(Sequence(2)), b"state".to_vec()));
        assert_eq!(numbers_read(&journal, &[5, 4, 1, 6, 7]), [Some(3), Some(2), None, None, None]);
        // Who reads on meets the events alone, each in its place.
        assert_eq!(journal.read_all().unwrap().into_iter().collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3), (6, 4)]);
    }
}

#[test]
fn the_id_of_a_parked_event_is_neither_a_duplicate_nor_makes_one() {
    let disk = SimDisk::new(2);
    let mut journal = Driven::open(&disk).unwrap();
    journal.submit(&[1], true);
    assert_eq!(journal.park("billing", &[1, 9], None), [Ok(Sequence(2)), Ok(Sequence(3))]);
    assert_eq!(journal.submit(&[1], true)[&1], Outcome::Duplicate);
    drop(journal);
    let mut journal = Driven::open(&disk).unwrap();
    assert_eq!(journal.submit(&[1], true)[&1], Outcome::Duplicate);
    assert_eq!(journal.submit(&[9], true)[&9], Outcome::Safe(Sequence(4)), "it was not received before");
}

/// Through many segments, so that only checkpoints still tell of it, and with its own segment let go.
#[test]
fn what_is_open_is_known_after_a_restart_though_the_segment_of_the_event_is_gone() {
    let disk = SimDisk::new(3);
    let mut settings = settings(Path::new("unused"));
    // So that the windows of duplicates do not make it read back.
    settings.id_windows[0].ids = 1;
    let mut journal = Driven::open_with(&disk, &settings).unwrap();
    journal.submit(&[0], true);
    for number in 1..100 {
        journal.submit(&[number], true);
    }
    assert_eq!(journal.park("billing", &[0], Some(1)), [Ok(Sequence(101))]);
    assert_eq!(journal.park("audit", &[7, 8], None), [Ok(Sequence(102)), Ok(Sequence(103))]);
    journal.settle(102);
    journal.release_before(101);
    for number in 100..200 {
        journal.submit(&[number], true);
    }
    assert!(journal.reader().oldest() > Sequence(1), "the segment of the event is gone");
    // Again, in place of the one before.
    assert_eq!(journal.park_again("billing", 0, 101), Ok(Sequence(204)));
    drop(journal);

    let mut journal = Driven::open_with(&disk, &settings).unwrap();
    let open = |route: &str, sequence, original| OpenParked {
        route: route.into(),
        sequence: Sequence(sequence),
        due_ms: 77,
        original,
    };
    let expected = [open("billing", 204, Some(Sequence(1))), open("audit", 103, None)];
    let mut found = journal.recovered.parked.clone();
    found.sort_by_key(|parked| std::cmp::Reverse(parked.sequence));
    assert_eq!(found, expected);
    assert!(journal.recovered.segments_read < journal.recovered.segments);
    assert_eq!(numbers_read(&journal, &[204, 103, 101, 102]), [Some(0), Some(8), None, None]);
    journal.settle(103);
    journal.settle(204);
    drop(journal);
    assert_eq!(Driven::open_with(&disk, &settings).unwrap().recovered.parked, []);
}

#[test]
fn a_journal_in_trouble_parks_nothing_and_says_so() {
    let disk = SimDisk::new(4);
    let mut journal = Driven::open(&disk).unwrap();
    journal.submit(&[1], true);
    disk.fail_at(1, Fault::Eio);
    assert_eq!(journal.park("billing", &[1], Some(1)), [Err(Refusal::JournalFailed)]);
    assert_eq!(journal.park("billing", &[1], Some(1)), [Err(Refusal::JournalFailed)]);
    journal.wait_and_retry();
    let again = journal.park("billing", &[1], Some(1));
    let [Ok(place)] = again[..] else { panic!("{again:?}") };
    assert_eq!(numbers_read(&journal, &[place.0]), [Some(1)]);
    drop(journal);
    let journal = Driven::open(&disk).unwrap();
    assert_eq!(journal.recovered.parked.len(), 1);
}

/// Many times what one batch takes.
#[test]
fn many_at_once_go_in_several_batches_and_keep_their_order() {
    let disk = SimDisk::new(5);
    let settings = Settings { max_size: 1 << 30, ..settings(Path::new("unused")) };
    let mut journal = Driven::open_with(&disk, &settings).unwrap();
    let all: Vec<u64> = (0..300).collect();
    let places: Vec<u64> = journal.park("billing", &all, None).into_iter().map(|place| place.unwrap().0).collect();
    assert_eq!(places, (1..301).collect::<Vec<_>>());
    assert_eq!(numbers_read(&journal, &places), all.into_iter().map(Some).collect::<Vec<_>>());
}
