//! Power cuts at any operation, several in a row on one disk: nothing acknowledged is lost, nothing is invented.
//!
//! `HOOKGATE_POWER_CUTS` says how many cuts there are, three for each seed; `HOOKGATE_SEED` tries one.

use std::collections::BTreeMap;

use super::driven::Driven;
use super::number_of;
use super::sim_disk::{Fault, SimDisk};
use crate::journal::Outcome;

/// What the world outside knows.
#[derive(Default)]
struct World {
    next_number: u64,
    /// Sequence → number of every event that was acknowledged.
    acknowledged: BTreeMap<u64, u64>,
    /// Everything before it may be gone.
    released: u64,
    progress: Vec<u64>,
    /// Place → number of every event that is safely parked and was not given up.
    parked: BTreeMap<u64, u64>,
}

#[test]
fn power_cuts_lose_nothing_acknowledged_and_invent_nothing() {
    let from_env = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match from_env("HOOKGATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..from_env("HOOKGATE_POWER_CUTS").unwrap_or(3_000) / 3,
    };
    let (few, mut allocated) = (seeds.end - seeds.start < 100, 0);
    for seed in seeds {
        match std::panic::catch_unwind(|| live_through_cuts(seed)) {
            Ok(bytes) => allocated += bytes,
            Err(panic) => {
                eprintln!("failed with HOOKGATE_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(few || allocated > 0, "some files were allocated");
}

/// Returns how much of its files was allocated.
fn live_through_cuts(seed: u64) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x9E37_79B9);
    let disk = SimDisk::new(seed);
    let mut world = World { released: 1, ..World::default() };
    for _ in 0..3 {
        disk.fail_at(rng.u64(1..120), Fault::PowerCut);
        // The first operations belong to opening; the power may go there too.
        match Driven::open(&disk) {
            Ok(mut journal) => {
                check(&mut journal, &world);
                live(&mut journal, &disk, &mut world, &mut rng);
            }
            Err(error) => assert!(disk.is_off(), "opening failed: {error}"),
        }
        disk.lose_power();
    }
    let mut journal = Driven::open(&disk).unwrap();
    check(&mut journal, &world);
    check_duplicates(&mut journal, &world);
    disk.allocated()
}

fn live(journal: &mut Driven, disk: &SimDisk, world: &mut World, rng: &mut fastrand::Rng) {
    for _ in 0..200 {
        if disk.is_off() {
            break;
        }
        // Now and then more than two batches of it: answers wait then, and files are allocated.
        let count = if rng.u8(..6) == 0 { rng.u64(15..30) } else { rng.u64(1..8) };
        let numbers: Vec<u64> = (0..count).map(|at| world.next_number + at).collect();
        world.next_number += numbers.len() as u64;
        for (number, outcome) in journal.submit(&numbers, true) {
            if let Outcome::Safe(sequence) = outcome {
                assert_eq!(world.acknowledged.insert(sequence.0, number), None, "{sequence:?} is given once");
            }
        }
        if rng.u8(..3) == 0 {
            let number = rng.u64(..world.next_number);
            if let [Ok(place)] = journal.park("billing", &[number], None)[..] {
                assert_eq!(world.parked.insert(place.0, number), None);
            }
        }
        if rng.u8(..4) == 0
            && let Some((place, _)) = world.parked.pop_first()
        {
            journal.settle(place);
        }
        if rng.u8(..4) == 0 {
            let newest = world.acknowledged.keys().next_back().copied().unwrap_or(1);
            let newest = world.parked.keys().next().map_or(newest, |place| newest.min(*place));
            let position = rng.u64(world.released..=newest.max(world.released));
            world.progress.push(position);
            world.released = position;
            journal.save_progress("billing", position);
            journal.release_before(position);
            journal.turn();
        }
    }
}

fn check(journal: &mut Driven, world: &World) {
    let read = journal.read_all().unwrap();
    for (sequence, number) in &world.acknowledged {
        if *sequence >= world.released {
            assert_eq!(read.get(sequence), Some(number), "the acknowledged event {sequence} is there");
        }
    }
    for (sequence, number) in &read {
        assert!(*number < world.next_number, "nobody has sent the event {sequence}");
        if let Some(acknowledged) = world.acknowledged.get(sequence) {
            assert_eq!(number, acknowledged, "the number {sequence} is not used twice");
        }
    }
    let reader = journal.reader();
    for (place, number) in &world.parked {
        let open = journal.recovered.parked.iter().any(|parked| parked.sequence.0 == *place);
        assert!(open, "the parked event at {place} is known");
        let read = reader.read_parked(crate::event::Sequence(*place)).unwrap().unwrap();
        assert_eq!(number_of(&read.event), Some(*number));
    }
    for (route, progress) in &journal.recovered.progress {
        assert_eq!(&**route, "billing");
        assert!(world.progress.contains(&progress.position.0), "the route has been there");
        assert!(progress.position >= journal.recovered.oldest, "the route's next event is kept");
    }
}

/// Ids that are safe are known again after all of it.
fn check_duplicates(journal: &mut Driven, world: &World) {
    let oldest = journal.recovered.oldest.0;
    let kept: Vec<u64> = world.acknowledged.range(oldest..).map(|(_, number)| *number).take(20).collect();
    for (number, outcome) in journal.submit(&kept, true) {
        assert_eq!(outcome, Outcome::Duplicate, "id-{number}");
    }
}
