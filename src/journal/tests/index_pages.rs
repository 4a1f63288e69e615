//! Pages save the reading of segments, and nothing depends on them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::driven::Driven;
use super::sim_disk::SimDisk;
use super::{event, settings};
use crate::event::Sequence;
use crate::journal::disk::Disk;
use crate::journal::layout::Name;
use crate::journal::{IdWindow, Outcome, Settings};

const EVENTS: u64 = 60;

/// Room for all events of a test.
fn roomy() -> Settings {
    settings(Path::new("unused"))
}

/// A journal of several segments, closed, and its pages.
fn written() -> (SimDisk, Vec<String>) {
    let disk = SimDisk::new(1);
    let mut journal = Driven::open_with(&disk, &roomy()).unwrap();
    for number in 0..EVENTS {
        journal.submit(&[number], true);
    }
    journal.close();
    let pages = pages(&disk);
    assert!(pages.len() > 1);
    (disk, pages)
}

fn pages(disk: &SimDisk) -> Vec<String> {
    let names = disk.list().unwrap();
    names.into_iter().filter(|name| matches!(Name::parse(name), Some(Name::Index(_)))).collect()
}

/// Opens the journal, sees that all ids are known, and says how many segments were read.
fn restart(disk: &SimDisk) -> usize {
    let mut journal = Driven::open_with(disk, &roomy()).unwrap();
    for number in 0..EVENTS {
        assert_eq!(journal.submit(&[number], true)[&number], Outcome::Duplicate, "{}", event(number).id());
    }
    let read = journal.recovered.segments_read;
    journal.close();
    read
}

#[test]
fn with_pages_only_the_newest_segment_is_read_at_start() {
    let (disk, _) = written();
    assert_eq!(restart(&disk), 1);
}

#[test]
fn a_segment_without_a_sound_page_is_read_once_and_has_one_then() {
    let (disk, pages) = written();
    disk.flip(&pages[0], 100, 1);
    disk.remove(&pages[1]).unwrap();
    assert_eq!(restart(&disk), 3);
    assert_eq!(restart(&disk), 1);
}

#[test]
fn pages_whose_ids_are_hashed_with_another_key_are_written_anew() {
    let (disk, pages) = written();
    for page in &pages {
        disk.remove(page).unwrap();
    }
    // The key is in the pages alone: a new one is drawn where the newest is missing.
    assert_eq!(restart(&disk), 1 + pages.len());
    let (other, _) = written();
    let (newest, older) = pages.split_last().unwrap();
    let foreign = other.content(newest);
    disk.remove(newest).unwrap();
    disk.create(newest).unwrap().write_all_at(&foreign, 0).unwrap();
    let read = restart(&disk);
    assert!(read == 2 || read == 1 + older.len(), "{read}: it is another segment's, or the others are of another key");
    assert_eq!(restart(&disk), 1);
}

#[test]
fn the_page_of_the_segment_that_is_gone_on_with_tells_of_what_was_before() {
    let disk = SimDisk::new(1);
    for number in 0..EVENTS {
        // A process for each event.
        let mut journal = Driven::open_with(&disk, &roomy()).unwrap();
        assert!(matches!(journal.submit(&[number], true)[&number], Outcome::Safe(_)));
        journal.close();
    }
    assert_eq!(restart(&disk), 1);
}

#[test]
fn an_event_is_found_with_pages_and_without_and_so_is_one_that_is_only_parked() {
    let (disk, pages) = written();
    let mut journal = Driven::open_with(&disk, &roomy()).unwrap();
    let place = journal.park("billing", &[1000], Some(1))[0].unwrap();
    for number in EVENTS..2 * EVENTS {
        journal.submit(&[number], true);
    }
    assert!(pages.len() < self::pages(&disk).len());
    let find = |journal: &Driven, id: &str, source| {
        let found = journal.search().find(id, source, &mut |_, _| {}).unwrap();
        found.into_iter().map(|found| (found.sequence, found.segment, found.offset)).collect::<Vec<_>>()
    };
    let ids: Vec<String> = (0..2 * EVENTS).chain([1000]).map(|number| format!("id-{number}")).collect();
    let with: Vec<_> = ids.iter().map(|id| find(&journal, id, Some("github"))).collect();
    assert!(with.iter().all(|found| found.len() == 1));
    assert!(find(&journal, "id-5", Some("shop")).is_empty());
    assert!(find(&journal, "id-999999", None).is_empty());
    for page in self::pages(&disk) {
        disk.remove(&page).unwrap();
    }
    let without: Vec<_> = ids.iter().map(|id| find(&journal, id, Some("github"))).collect();
    assert_eq!(with, without);
    assert_eq!(with.last().unwrap()[0].0, Sequence(1), "parked at {place:?}, received first");
}

#[test]
fn a_page_goes_with_its_segment() {
    let disk = SimDisk::new(3);
    let mut journal = Driven::open_with(&disk, &roomy()).unwrap();
    let mut end = 1;
    for number in 0..4 * EVENTS {
        if let Outcome::Safe(sequence) = journal.submit(&[number], true)[&number] {
            end = sequence.0;
        }
        journal.save_progress("billing", end);
        journal.release_before(end);
        journal.turn();
    }
    let segments: Vec<u64> = disk
        .list()
        .unwrap()
        .iter()
        .filter_map(|name| match Name::parse(name) {
            Some(Name::Segment(first)) => Some(first),
            _ => None,
        })
        .collect();
    assert!(segments[0] > 1, "some are gone");
    for page in pages(&disk) {
        let Some(Name::Index(first)) = Name::parse(&page) else { unreachable!() };
        assert!(segments.contains(&first), "{page} belongs to a segment");
    }
    journal.close();
    // One that was left behind is removed.
    let orphan = Name::Index(1).to_string();
    disk.create(&orphan).unwrap();
    Driven::open_with(&disk, &roomy()).unwrap().close();
    assert!(!pages(&disk).contains(&orphan));
}

#[test]
fn ids_of_a_source_that_was_left_out_for_a_while_are_known_when_it_is_back() {
    let (disk, _) = written();
    let other = IdWindow { source: Arc::from("shop"), ids: 10_000, age: Duration::from_secs(3600) };
    let mut left_out = Driven::open_with(&disk, &Settings { id_windows: vec![other], ..roomy() }).unwrap();
    left_out.submit(&[5000], false);
    left_out.close();
    assert_eq!(restart(&disk), 1);
}
