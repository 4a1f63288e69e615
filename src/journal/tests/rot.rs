//! Every byte of a small journal changes: it is noticed, or it lies in the very last batch, which is then cut.

use super::driven::Driven;
use super::sim_disk::SimDisk;
use super::{SEGMENT, settings};
use crate::journal::JournalError;
use crate::journal::Settings;
use crate::journal::disk::Disk;
use crate::journal::layout::{BLOCK, Name};
use std::path::Path;

const EVENTS: u64 = 14;

/// Segments of eight blocks, so that a small journal has several.
fn tiny() -> Settings {
    Settings { segment_size: 8 * BLOCK as u64, max_size: 1 << 20, ..settings(Path::new("unused")) }
}

fn small_journal(disk: &SimDisk) -> usize {
    let mut journal = Driven::open_with(disk, &tiny()).unwrap();
    for number in 0..EVENTS {
        journal.submit(&[number], true);
    }
    let events = journal.read_all().unwrap().len();
    assert_eq!(events as u64, EVENTS);
    events
}

#[test]
fn every_changed_byte_is_noticed_or_cuts_the_last_batch() {
    let disk = SimDisk::new(1);
    let events = small_journal(&disk);
    let names: Vec<String> = disk.list().unwrap();
    let segments: Vec<&String> =
        names.iter().filter(|name| matches!(Name::parse(name), Some(Name::Segment(_)))).collect();
    assert!(segments.len() > 2, "{segments:?}");
    let (mut noticed, mut noticed_by_reader, mut cut, mut of_no_matter) = (0, 0, 0, 0);
    for (at_segment, name) in segments.iter().enumerate() {
        let length = disk.content(name).len();
        // Neighbouring bytes of a block share their fate; all of the first bytes, then every 61st.
        for at in (0..length).filter(|at| at % BLOCK < 48 || at % 61 == 0) {
            let rotten = disk.fork();
            rotten.flip(name, at, 1 << (at % 8));
            let before: Vec<Vec<u8>> = names.iter().map(|name| rotten.content(name)).collect();
            match Driven::open_with(&rotten, &tiny()) {
                Err(JournalError::Damaged { segment, offset, .. }) => {
                    noticed += 1;
                    assert_eq!(&segment, *name);
                    assert!(offset <= at as u64, "{offset} is where the batch with the byte {at} begins");
                    let after: Vec<Vec<u8>> = names.iter().map(|name| rotten.content(name)).collect();
                    assert!(before == after, "nothing is changed");
                    assert_eq!(rotten.list().unwrap(), names, "nothing is deleted");
                }
                Err(other) => panic!("byte {at} of {name}: {other}"),
                Ok(journal) => match journal.read_all().map(|read| read.len()) {
                    // A segment with an index page is not read at start.
                    Err(JournalError::Damaged { segment, .. }) => {
                        noticed_by_reader += 1;
                        assert_eq!(&segment, *name);
                    }
                    Err(other) => panic!("byte {at} of {name}: {other}"),
                    // Behind the end of the segment.
                    Ok(read) if read == events => of_no_matter += 1,
                    Ok(read) => {
                        cut += 1;
                        assert_eq!(at_segment, segments.len() - 1);
                        assert_eq!(read, events - 1, "byte {at} of {name}");
                    }
                },
            }
        }
    }
    let each = [noticed, noticed_by_reader, cut, of_no_matter];
    assert!(each.iter().all(|times| *times > 10), "{each:?}");
}

#[test]
fn rot_in_a_segment_that_need_not_be_read_at_start_is_noticed_by_its_reader() {
    let disk = SimDisk::new(2);
    let no_window = Settings { id_windows: Vec::new(), ..tiny() };
    drop(Driven::open_with(&disk, &no_window).map(|mut journal| {
        for number in 0..EVENTS {
            journal.submit(&[number], false);
        }
    }));
    disk.flip(&Name::Segment(1).to_string(), 2 * BLOCK + 100, 1);
    let journal = Driven::open_with(&disk, &no_window).unwrap();
    assert!(journal.recovered.segments_read < journal.recovered.segments);
    assert!(matches!(journal.read_all(), Err(JournalError::Damaged { .. })));
}

#[test]
fn a_missing_segment_is_damage() {
    let disk = SimDisk::new(3);
    small_journal(&disk);
    let segments: Vec<String> = disk.list().unwrap().into_iter().filter(|name| name.ends_with(".segment")).collect();
    disk.remove(&segments[1]).unwrap();
    assert!(matches!(Driven::open_with(&disk, &tiny()), Err(JournalError::Damaged { .. })));
}

#[test]
fn a_recycled_segment_does_not_bring_its_old_events_back() {
    let disk = SimDisk::new(4);
    let mut journal = Driven::open(&disk).unwrap();
    let mut newest = 0;
    for number in 0..200 {
        journal.submit(&[number], true);
        newest = number + 1;
        journal.save_progress("billing", newest);
        journal.release_before(newest);
        journal.turn();
    }
    let recycled = journal.reader().oldest();
    assert!(recycled.0 > 100, "segments were let go, up to {recycled:?}");
    drop(journal);
    disk.lose_power();
    let journal = Driven::open(&disk).unwrap();
    let read = journal.read_all().unwrap();
    assert_eq!(read.first_key_value().map(|(sequence, _)| *sequence), Some(journal.recovered.oldest.0));
    assert_eq!(read.last_key_value(), Some((&newest, &(newest - 1))));
    assert!(disk.content(&Name::Segment(journal.recovered.oldest.0).to_string()).len() as u64 >= SEGMENT);
}

#[test]
fn a_clean_stop_leaves_a_checkpoint_that_rot_may_take_without_loss() {
    let disk = SimDisk::new(5);
    let mut journal = Driven::open(&disk).unwrap();
    journal.submit(&[1], true);
    journal.save_progress("billing", 2);
    journal.turn();
    journal.close();
    let journal = Driven::open(&disk).unwrap();
    assert_eq!(journal.recovered.torn_bytes, 0);
    assert_eq!(journal.recovered.progress.len(), 1);
    assert_eq!(journal.read_all().unwrap().len(), 1);
}
