//! The same source and id again.

use super::driven::Driven;
use super::event;
use super::sim_disk::{Fault, SimDisk};
use crate::event::Sequence;
use crate::journal::Outcome;
use crate::refusal::Refusal;

#[test]
fn a_duplicate_of_a_safe_event_succeeds_and_is_not_written() {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    assert_eq!(journal.submit(&[5], true)[&5], Outcome::Safe(Sequence(1)));
    assert_eq!(journal.submit(&[5], true)[&5], Outcome::Duplicate);
    assert_eq!(journal.read_all().unwrap().len(), 1);
}

#[test]
fn a_duplicate_of_a_pending_event_waits_for_it() {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    let outcomes = journal.submit_in_order(&[5, 5, 6], true);
    assert_eq!(outcomes, [Outcome::Safe(Sequence(1)), Outcome::Duplicate, Outcome::Safe(Sequence(2))]);
}

#[test]
fn when_a_pending_event_is_refused_so_are_its_copies_and_it_may_come_again() {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    disk.fail_at(1, Fault::Eio);
    let refused = Outcome::Refused(Refusal::JournalFailed);
    assert_eq!(journal.submit_in_order(&[5, 5], true), [refused, refused]);
    journal.wait_and_retry();
    assert!(matches!(journal.submit(&[5], true)[&5], Outcome::Safe(_)));
    assert_eq!(journal.submit(&[5], true)[&5], Outcome::Duplicate);
}

#[test]
fn without_deduplication_every_copy_is_written() {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    let outcomes = journal.submit_in_order(&[5, 5], false);
    assert_eq!(outcomes, [Outcome::Safe(Sequence(1)), Outcome::Safe(Sequence(2))]);
}

#[test]
fn ids_are_known_again_after_a_restart() {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    for number in 0..60 {
        journal.submit(&[number], true);
    }
    journal.close();
    let mut journal = Driven::open(&disk).unwrap();
    assert!(journal.recovered.segments > 1);
    for number in 0..60 {
        assert_eq!(journal.submit(&[number], true)[&number], Outcome::Duplicate, "{}", event(number).id());
    }
}
