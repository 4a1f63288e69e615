//! Events that come faster than the disk takes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::SEGMENT;
use super::driven::Driven;
use super::sim_disk::{Fault, Operation, SimDisk};
use crate::event::{Event, Sequence};
use crate::journal::Outcome;
use crate::refusal::Refusal;

/// A batch takes two of these, at most: of a segment of 64 KiB it takes a quarter.
const EVENT: usize = 10_000;

fn large(number: usize) -> Event {
    Event::for_test("github", None, &format!("large-{number}"), &[], &[7; EVENT])
}

fn numbers_of_safe(list: &[(usize, Outcome)]) -> Vec<usize> {
    assert!(list.iter().all(|(_, outcome)| matches!(outcome, Outcome::Safe(_))), "{list:?}");
    list.iter().map(|(number, _)| *number).collect()
}

#[test]
fn where_a_whole_batch_waits_it_is_written_before_the_one_before_it_is_answered() {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    journal.hand_over((0..6).map(large), true);
    assert!(journal.commit_one().is_empty(), "a whole batch waits");
    let told = journal.commit_one();
    assert_eq!(told.len(), 1);
    assert_eq!(numbers_of_safe(&told[0]), [0, 1]);
    let told = journal.commit_one();
    assert_eq!(told.len(), 2, "nothing waits any more");
    assert_eq!(numbers_of_safe(&told[0]), [2, 3]);
    assert_eq!(numbers_of_safe(&told[1]), [4, 5]);
}

/// What was done to the disk for the second batch of these events, and how often answers had been told until then.
fn while_the_second_batch_is_written(events: impl IntoIterator<Item = Event>) -> Vec<(Operation, usize)> {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    journal.hand_over(events, true);
    assert!(journal.commit_one().is_empty(), "a whole batch waits");
    let (lists_told, seen) = (journal.lists_told(), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&seen);
    disk.watch(move |operation| log.lock().unwrap().push((operation, lists_told())));
    journal.commit_one();
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn a_batch_that_waits_is_written_then_the_one_before_is_answered_then_it_is_synced() {
    let seen = while_the_second_batch_is_written((0..4).map(large));
    assert_eq!(seen, [(Operation::Write, 0), (Operation::Sync, 1)]);
}

#[test]
fn an_event_larger_than_a_batch_keeps_nobody_waiting() {
    let giant = Event::for_test("github", None, "giant", &[], &vec![7; 3 * EVENT]);
    let seen = while_the_second_batch_is_written([large(0), large(1), giant]);
    assert_eq!(seen, [(Operation::Write, 1), (Operation::Sync, 1)]);
}

#[test]
fn what_is_safe_is_told_when_the_journal_closes() {
    let mut journal = Driven::open(&SimDisk::new(1)).unwrap();
    journal.hand_over((0..4).map(large), true);
    assert!(journal.commit_one().is_empty(), "a whole batch waits");
    journal.close_writer();
    assert_eq!(numbers_of_safe(&journal.told()[0]), [0, 1]);
}

#[test]
fn what_is_safe_is_told_though_the_batch_that_sends_it_fails() {
    // The write of the second batch, and its sync.
    for at in [3, 4] {
        let disk = SimDisk::new(2);
        let mut journal = Driven::open(&disk).unwrap();
        journal.hand_over((0..4).map(large), true);
        disk.fail_at(at, Fault::Eio);
        assert!(journal.commit_one().is_empty(), "a whole batch waits");
        let told = journal.commit_one();
        assert!(disk.met_fault());
        assert_eq!(told.len(), 2, "the first batch is answered before the second one is synced");
        assert_eq!(numbers_of_safe(&told[0]), [0, 1]);
        let refused = Outcome::Refused(Refusal::JournalFailed);
        assert_eq!(told[1], [(2, refused), (3, refused)]);
    }
}

#[test]
fn what_is_safe_is_told_though_all_that_waits_turns_out_to_be_duplicates() {
    let disk = SimDisk::new(3);
    let mut journal = Driven::open(&disk).unwrap();
    journal.hand_over([0, 1, 0, 1].map(large), true);
    assert!(journal.commit_one().is_empty(), "a whole batch waits");
    let told = journal.commit_one();
    assert_eq!(told.len(), 1);
    assert_eq!(numbers_of_safe(&told[0][..2]), [0, 1]);
    assert_eq!(told[0][2..], [(2, Outcome::Duplicate), (3, Outcome::Duplicate)]);
}

#[test]
fn what_is_safe_is_told_before_the_next_segment_is_waited_for() {
    let disk = SimDisk::new(5);
    let mut journal = Driven::open(&disk).unwrap();
    // Nobody prepares files: the one after the first segment is there, and no other.
    let mut told = Vec::new();
    journal.hand_over((0..20).map(large), true);
    for _ in 0..10 {
        told.extend(journal.commit_one());
    }
    let refused = told.iter().flatten().find(|(_, outcome)| !matches!(outcome, Outcome::Safe(_)));
    assert!(matches!(refused, Some((_, Outcome::Refused(Refusal::JournalFull)))), "{refused:?}");
    assert_eq!(told.iter().flatten().count(), 20, "each has one outcome");
    let mixed = told.iter().any(|list| {
        let safe = list.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Safe(_))).count();
        safe > 0 && safe < list.len()
    });
    assert!(!mixed, "what is safe was told before");
}

/// Fills a segment, so that `disk` prepares the next while as many events wait as are left.
fn fill_a_segment(journal: &mut Driven, events: usize) {
    journal.hand_over((0..events).map(large), true);
    for _ in 0..3 {
        journal.commit_one();
    }
    journal.run_errands();
}

#[test]
fn while_a_whole_batch_waits_the_next_segment_is_allocated_and_else_it_is_written() {
    let disk = SimDisk::new(6);
    let mut journal = Driven::open(&disk).unwrap();
    let before = disk.used();
    fill_a_segment(&mut journal, 6);
    assert!(disk.used() > before, "a file was prepared");
    assert_eq!(disk.allocated(), 0, "nobody waits");
    fill_a_segment(&mut journal, 20);
    assert_eq!(disk.allocated(), SEGMENT);
}

#[test]
fn what_is_left_of_a_file_is_allocated_once_a_batch_waits() {
    let disk = SimDisk::new(6);
    let mut journal = Driven::open(&disk).unwrap();
    journal.hand_over((0..6).map(large), true);
    for _ in 0..3 {
        journal.commit_one();
    }
    // They come while the file is written.
    let (send, mut more) = (journal.sender(), (6..8).map(large));
    let mut writes = 0;
    disk.watch(move |operation| {
        writes += usize::from(operation == Operation::Write);
        // The index page, and a piece of the file.
        if writes == 3 {
            more.by_ref().for_each(&send);
        }
    });
    journal.run_errands();
    assert!((1..SEGMENT).contains(&disk.allocated()), "{} bytes were allocated", disk.allocated());
}

#[test]
fn a_file_that_the_journal_has_waited_for_is_allocated() {
    let disk = SimDisk::new(7);
    let mut journal = Driven::open(&disk).unwrap();
    journal.hand_over((0..20).map(large), true);
    for _ in 0..10 {
        journal.commit_one();
    }
    assert!(journal.writer_is_in_trouble(), "the next segment's file is not there");
    journal.run_errands();
    assert_eq!(disk.allocated(), SEGMENT);
    journal.wait_and_retry();
    assert!(matches!(journal.submit(&[1], true)[&1], Outcome::Safe(_)));
}

#[test]
fn a_file_system_that_cannot_allocate_gets_zeros() {
    let disk = SimDisk::new(8);
    let mut journal = Driven::open(&disk).unwrap();
    let before = disk.used();
    fill_a_segment(&mut journal, 20);
    assert_eq!(disk.allocated(), 0);
    assert!(disk.used() >= before + SEGMENT);
}

/// Floods it. Returns what was acknowledged, by sequence.
fn flood(disk: &SimDisk) -> Option<BTreeMap<u64, usize>> {
    let mut journal = Driven::open(disk).ok()?;
    let mut acknowledged = BTreeMap::new();
    journal.hand_over((0..26).map(large), true);
    for _ in 0..16 {
        for (number, outcome) in journal.commit_one().into_iter().flatten() {
            if let Outcome::Safe(sequence) = outcome {
                assert_eq!(acknowledged.insert(sequence.0, number), None);
            }
        }
        journal.run_errands();
    }
    Some(acknowledged)
}

#[test]
fn whatever_fails_while_files_are_allocated_nothing_acknowledged_is_lost() {
    let whole = SimDisk::new(9);
    assert_eq!(flood(&whole).unwrap().len(), 26);
    assert!(whole.allocated() >= 3 * SEGMENT);
    for fault in [Fault::PowerCut, Fault::Eio, Fault::NoRoom, Fault::ShortWrite] {
        for k in 1.. {
            let disk = SimDisk::new(4 * k + 1);
            disk.fail_at(k, fault);
            let acknowledged = flood(&disk).unwrap_or_default();
            assert_eq!(disk.violations(), Vec::<String>::new(), "{fault:?} at operation {k}");
            let met = disk.met_fault();
            disk.restart_process();
            disk.lose_power();
            let journal = Driven::open(&disk).unwrap_or_else(|error| panic!("{fault:?} at operation {k}: {error}"));
            for (sequence, number) in acknowledged {
                let events = journal.reader().read(Sequence(sequence), 1).unwrap();
                let (read, event) = &events[0];
                assert_eq!(read.0, sequence, "{fault:?} at operation {k}");
                assert_eq!(event.id(), format!("large-{number}"), "{fault:?} at operation {k}");
            }
            if !met {
                assert!(k > 40, "the run has met some faults before");
                break;
            }
        }
    }
}
