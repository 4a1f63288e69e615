//! The k-th operation fails, for every k until a run meets no fault any more.

use std::collections::BTreeMap;

use super::SEGMENT;
use super::driven::Driven;
use super::sim_disk::{Fault, SimDisk};
use crate::journal::{JournalError, Outcome};
use crate::refusal::Refusal;

/// Opens, fills several segments, lets old ones go. Returns what was acknowledged, and how many events were refused.
fn live(disk: &SimDisk) -> Result<(Driven, BTreeMap<u64, u64>, u64), JournalError> {
    let mut journal = Driven::open(disk)?;
    let (mut acknowledged, mut refused) = (BTreeMap::new(), 0);
    for round in 0..25u64 {
        let numbers: Vec<u64> = (round * 4..round * 4 + 4).collect();
        for (number, outcome) in journal.submit(&numbers, true) {
            match outcome {
                Outcome::Safe(sequence) => assert_eq!(acknowledged.insert(sequence.0, number), None),
                Outcome::Refused(Refusal::JournalFailed | Refusal::JournalFull) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        if round == 15 {
            let position = acknowledged.keys().nth(acknowledged.len() / 2).copied().unwrap_or(1);
            journal.save_progress("billing", position);
            journal.release_before(position);
            journal.turn();
        }
        journal.wait_and_retry();
        journal.wait_and_retry();
    }
    // The fault may meet this one, but not the next.
    let taken_again = (0..2).any(|_| {
        journal.wait_and_retry();
        let outcome = journal.submit(&[LAST], true)[&LAST];
        if let Outcome::Safe(sequence) = outcome {
            acknowledged.insert(sequence.0, LAST);
        }
        !matches!(outcome, Outcome::Refused(_))
    });
    assert!(taken_again, "it recovers by itself");
    Ok((journal, acknowledged, refused))
}

/// The number of an event that is sent when all is over.
const LAST: u64 = 5000;

fn survives(fault: Fault, seed: u64) {
    for k in 1.. {
        let disk = SimDisk::new(seed + k);
        disk.fail_at(k, fault);
        let lived = live(&disk);
        assert_eq!(disk.violations(), Vec::<String>::new(), "{fault:?} at operation {k}");
        let (journal, acknowledged, refused) = match lived {
            Ok(lived) => lived,
            Err(error) => {
                // While opening: said, and the next attempt succeeds.
                assert!(disk.met_fault(), "{error}");
                disk.restart_process();
                Driven::open(&disk).unwrap();
                continue;
            }
        };
        assert!(!journal.writer_is_in_trouble(), "{fault:?} at operation {k}");
        assert!(refused <= 4, "{fault:?} at operation {k}: one batch is refused, not {refused} events");
        assert_all_kept(&journal, &acknowledged, fault, k);
        let met = disk.met_fault();
        drop(journal);

        // The process ends, without and with the power.
        disk.restart_process();
        let journal = Driven::open(&disk).unwrap_or_else(|error| panic!("{fault:?} at operation {k}: {error}"));
        assert_all_kept(&journal, &acknowledged, fault, k);
        drop(journal);
        disk.lose_power();
        let journal = Driven::open(&disk).unwrap_or_else(|error| panic!("{fault:?} at operation {k}: {error}"));
        assert_all_kept(&journal, &acknowledged, fault, k);
        if !met {
            assert!(k > 50, "the run has met some faults before");
            return;
        }
    }
}

fn assert_all_kept(journal: &Driven, acknowledged: &BTreeMap<u64, u64>, fault: Fault, k: u64) {
    let read = journal.read_all().unwrap();
    let oldest = journal.reader().oldest().0;
    for (sequence, number) in acknowledged.range(oldest..) {
        assert_eq!(read.get(sequence), Some(number), "{fault:?} at operation {k}: event {sequence}");
    }
}

#[test]
fn an_io_error_refuses_its_batch_and_the_next_segment_takes_over() {
    survives(Fault::Eio, 1000);
}

#[test]
fn want_of_room_refuses_its_batch_and_passes() {
    survives(Fault::NoRoom, 2000);
}

#[test]
fn a_short_write_is_completed() {
    survives(Fault::ShortWrite, 3000);
}

#[test]
fn after_a_failed_sync_no_number_is_used_twice() {
    let disk = SimDisk::new(7);
    let mut journal = Driven::open(&disk).unwrap();
    let before = journal.submit(&[1], true)[&1];
    // A write, then the sync.
    disk.fail_at(2, Fault::Eio);
    assert_eq!(journal.submit(&[2, 3], true)[&2], Outcome::Refused(Refusal::JournalFailed));
    journal.wait_and_retry();
    let after = journal.submit(&[4], true)[&4];
    let (Outcome::Safe(before), Outcome::Safe(after)) = (before, after) else { panic!("{before:?} {after:?}") };
    assert!(after.0 > before.0 + 2, "{before:?}, two that failed, {after:?}");
    let trouble = journal.shared().trouble.lock().unwrap().clone();
    assert!(trouble.is_none());
}

#[test]
fn a_full_file_system_refuses_and_recovers_by_itself() {
    let disk = SimDisk::new(8);
    let mut journal = Driven::open(&disk).unwrap();
    disk.set_room(Some(3 * SEGMENT as usize));
    let mut number = 0;
    let refusal = loop {
        number += 1;
        match journal.submit(&[number], true)[&number] {
            Outcome::Safe(_) => assert!(number < 1000, "it is never full"),
            other => break other,
        }
    };
    assert_eq!(refusal, Outcome::Refused(Refusal::JournalFull));
    journal.wait_and_retry();
    assert!(journal.writer_is_in_trouble());
    disk.set_room(None);
    journal.wait_and_retry();
    let again = journal.submit(&[number], true)[&number];
    assert!(matches!(again, Outcome::Safe(_)), "the refused event may come again: {again:?}");
}

/// The system has marked the pages clean, and shows them to whoever reads.
#[test]
fn what_a_failed_sync_has_left_in_memory_is_not_built_upon_by_the_next_process() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let mut journal = Driven::open(&disk).unwrap();
        journal.submit(&[1], true);
        disk.fail_at(2, Fault::Eio);
        journal.submit(&[2], true);
        drop(journal);
        disk.restart_process();
        let mut journal = Driven::open(&disk).unwrap();
        let Outcome::Safe(sequence) = journal.submit(&[3], true)[&3] else { panic!("refused") };
        drop(journal);
        disk.lose_power();
        let journal = Driven::open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(journal.read_all().unwrap().get(&sequence.0), Some(&3), "seed {seed}");
    }
}
