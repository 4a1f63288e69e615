//! `max_size`, and what makes room again.

use super::driven::Driven;
use super::sim_disk::SimDisk;
use super::{SEGMENT, tight};
use crate::journal::{JournalError, Outcome, Settings};
use crate::refusal::Refusal;

/// Submits until an event is refused, and returns how many were taken.
fn fill(journal: &mut Driven, from: u64) -> u64 {
    for number in from..from + 1000 {
        match journal.submit(&[number], true)[&number] {
            Outcome::Safe(_) => {}
            Outcome::Refused(Refusal::JournalFull) => return number,
            other => panic!("{other:?}"),
        }
    }
    panic!("it is never full");
}

#[test]
fn a_full_journal_refuses_and_takes_events_again_once_routes_are_done() {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open(&disk).unwrap();
    let refused = fill(&mut journal, 0);
    assert!(disk.used() <= 8 * SEGMENT);
    journal.wait_and_retry();
    assert!(journal.writer_is_in_trouble());
    assert_eq!(journal.read_all().unwrap().len() as u64, refused, "nothing was let go that a route needs");

    journal.save_progress("billing", refused / 2);
    journal.release_before(refused / 2);
    journal.turn();
    // What was released is let go only now: the progress was not safe before.
    journal.wait_and_retry();
    journal.wait_and_retry();
    assert!(matches!(journal.submit(&[refused], true)[&refused], Outcome::Safe(_)));
    assert!(journal.reader().oldest().0 > 1);
    assert!(disk.used() <= 8 * SEGMENT);
}

#[test]
fn history_gives_way_to_new_events() {
    let disk = SimDisk::new(2);
    let keep_all = Settings { retain_size: None, ..tight() };
    let mut journal = Driven::open_with(&disk, &keep_all).unwrap();
    for number in 0..400 {
        assert!(matches!(journal.submit(&[number], true)[&number], Outcome::Safe(_)));
        journal.save_progress("billing", number + 1);
        journal.release_before(number + 1);
        journal.turn();
    }
    assert!(disk.used() <= 8 * SEGMENT);
    assert!(disk.used() > 5 * SEGMENT, "released segments stay while there is room");
}

#[test]
fn released_events_are_gone_and_say_so() {
    let disk = SimDisk::new(3);
    let mut journal = Driven::open(&disk).unwrap();
    let refused = fill(&mut journal, 0);
    journal.save_progress("billing", refused);
    journal.release_before(refused);
    journal.turn();
    journal.wait_and_retry();
    let reader = journal.reader();
    assert!(matches!(reader.read(crate::event::Sequence(1), 1000), Err(JournalError::Gone { .. })));
}

#[test]
fn an_event_larger_than_a_segment_has_one_of_its_own() {
    let disk = SimDisk::new(4);
    let mut journal = Driven::open(&disk).unwrap();
    journal.submit(&[1], true);
    let large = crate::event::Event::for_test("github", None, "large", &[], &vec![7; 3 * SEGMENT as usize]);
    assert!(matches!(journal.submit_event(large.clone()), Outcome::Safe(_)));
    assert!(matches!(journal.submit(&[2], true)[&2], Outcome::Safe(_)));
    drop(journal);
    disk.lose_power();
    let journal = Driven::open(&disk).unwrap();
    let read = journal.reader().read(crate::event::Sequence(2), 1).unwrap();
    assert_eq!(read[0].1.body(), large.body());
}

#[test]
fn a_journal_without_room_for_a_segment_does_not_open() {
    let disk = SimDisk::new(5);
    let too_tight = Settings { max_size: SEGMENT / 2, ..tight() };
    assert!(matches!(Driven::open_with(&disk, &too_tight), Err(JournalError::NoRoom { .. })));
}
