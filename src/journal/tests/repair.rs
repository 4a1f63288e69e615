//! Every kind of damage is repaired: recovery takes the journal again, and nothing is lost but what was damaged.

use std::collections::BTreeMap;
use std::path::Path;

use super::driven::Driven;
use super::settings;
use super::sim_disk::SimDisk;
use crate::journal::disk::Disk;
use crate::journal::layout::{BLOCK, Name};
use crate::journal::repair::{Plan, apply, plan};
use crate::journal::{JournalError, Loss, Settings};

const EVENTS: u64 = 14;

fn tiny() -> Settings {
    Settings { segment_size: 8 * BLOCK as u64, max_size: 1 << 20, ..settings(Path::new("unused")) }
}

fn small_journal(seed: u64) -> (SimDisk, BTreeMap<u64, u64>, Vec<String>) {
    let disk = SimDisk::new(seed);
    let mut journal = Driven::open_with(&disk, &tiny()).unwrap();
    for number in 0..EVENTS {
        journal.submit(&[number], true);
        journal.save_progress("billing", number + 1);
    }
    let all = journal.read_all().unwrap();
    let names = disk.list().unwrap();
    let segments = names.into_iter().filter(|name| matches!(Name::parse(name), Some(Name::Segment(_)))).collect();
    (disk, all, segments)
}

/// Repairs, and opens the journal; what is left is as it was, and all that is not in the losses is left.
fn repaired(disk: &SimDisk, all: &BTreeMap<u64, u64>, what: &str) -> Plan {
    let plan = plan(disk, &["billing"], &mut |_, _| {}).unwrap();
    apply(disk, &SimDisk::new(0), &plan.changes).unwrap();
    let again = super::super::repair::plan(disk, &["billing"], &mut |_, _| {}).unwrap();
    assert!(again.changes.is_empty(), "{what}: {again:?}");
    let journal = Driven::open_with(disk, &tiny()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(journal.recovered.progress.iter().any(|(route, _)| &**route == "billing"), "{what}: {plan:?}");
    let left = journal.read_all().unwrap_or_else(|error| panic!("{what}: {error}"));
    for (sequence, number) in all {
        let is_lost = plan.repair.losses.iter().any(|loss| {
            let (first, end) = loss.sequences;
            first.0 <= *sequence && end.is_none_or(|end| *sequence < end.0)
        });
        let expected = (!is_lost).then_some(number);
        assert_eq!(left.get(sequence), expected, "{what}: {sequence} of {:?}", plan.repair.losses);
    }
    plan
}

#[test]
fn one_batch_is_lost_for_any_changed_byte_at_most() {
    let (disk, all, segments) = small_journal(1);
    let mut damaged = 0;
    for name in &segments {
        let length = disk.content(name).len();
        for at in (0..length).filter(|at| at % BLOCK < 40 && at % 3 == 0 || at % 509 == 0) {
            let rotten = disk.fork();
            rotten.flip(name, at, 1 << (at % 8));
            let Err(JournalError::Damaged { .. }) = Driven::open_with(&rotten.fork(), &tiny()) else { continue };
            damaged += 1;
            let what = format!("byte {at} of {name}");
            let plan = repaired(&rotten, &all, &what);
            let lost = |loss: &Loss| loss.sequences.1.map_or(u64::MAX, |end| end.0 - loss.sequences.0.0);
            let lost = plan.repair.losses.iter().map(lost).max().unwrap_or_default();
            // A header is made again from its neighbours, unless it is the last one's id that is gone.
            let is_last_id = Some(name) == segments.last() && (16..32).contains(&at);
            assert!(lost <= 1 || is_last_id, "{what}: {:?}", plan.repair);
        }
    }
    assert!(damaged > 100, "{damaged}");
}

#[test]
fn a_missing_segment_takes_its_own_events_only() {
    let (disk, all, segments) = small_journal(2);
    assert!(segments.len() > 3, "{segments:?}");
    for name in &segments[1..segments.len() - 1] {
        let without = disk.fork();
        without.remove(name).unwrap();
        without.sync_folder().unwrap();
        let plan = repaired(&without, &all, &format!("without {name}"));
        assert_eq!(plan.repair.losses.len(), 1, "{:?}", plan.repair);
    }
}

#[test]
fn a_whole_journal_is_left_as_it_is() {
    let (disk, ..) = small_journal(3);
    let plan = plan(&disk, &["billing"], &mut |_, _| {}).unwrap();
    assert!(plan.changes.is_empty(), "{plan:?}");
}
