//! One event that fails for a day, beside others that do not, in real segments on a real disk. The day is passed in.
//!
//! `HOOKGATE_DAY=1000000 cargo test --lib fails_for_a_day_in_real_segments -- --nocapture` has so many others; its process, in which
//! nothing else runs then, must not grow.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use crate::event::{Event, Sequence};
use crate::gateway::durable::JournalLog;
use crate::journal::{Entrance, IdWindow, Journal, Outcome, Settings};
use crate::routes::{Day, LONGEST_BACKOFF, Log as _};

const MINUTES: u64 = 24 * 60;

/// Unless somebody wants more.
const EVENTS: u64 = 10 * MINUTES;

/// What the day is made of: what is due within one is handed out at its end, and that is when it is looked.
const STEP: Duration = Duration::from_mins(1);

/// How long a thread may take for what it is asked to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the allocator keeps of the threads' buffers comes and goes by some 10 MiB. Of a million events it is 16 bytes each.
const GROWTH_MAX: u64 = 16 << 20;

#[test]
fn one_event_that_fails_for_a_day_in_real_segments_holds_none_for_longer_than_the_longest_backoff() {
    let wanted = std::env::var("HOOKGATE_DAY").ok().map(|events| events.parse::<u64>().unwrap());
    let per_minute = wanted.unwrap_or(EVENTS).div_ceil(MINUTES);
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path(), per_minute);
    let (journal, _) = Journal::open(&settings).unwrap();
    let journal = Arc::new(journal);
    let mut log = JournalLog::new(Arc::clone(&journal));
    let mut day = Day::begin();
    // The end of the journal at the end of each minute.
    let mut ends: Vec<Sequence> = Vec::new();
    let (mut longest_wait, mut most_segments, mut resident) = (Duration::ZERO, 0, Vec::new());
    on_io_thread(async {
        let entrance = journal.entrance();
        for minute in 0..MINUTES {
            let end = receive(&entrance, minute * per_minute, per_minute).await;
            wait_until("what is safe can be read", || log.end() >= end);
            day.turn(STEP.as_millis() as u64 * minute, &mut log);
            wait_until("what failed is parked", || {
                day.take_note(&mut log);
                !day.is_parking()
            });
            ends.push(log.end());
            let lowest = day.record(&mut log);
            let mut begins = Vec::new();
            wait_until("no segment is there that nothing holds", || {
                begins = first_sequences(dir.path());
                begins.get(1).is_none_or(|next| *next > lowest)
            });
            // The oldest was full after its last event, or a little later.
            if let Some(next) = begins.get(1) {
                let full = ends.partition_point(|end| end < next) as u32;
                longest_wait = longest_wait.max(STEP * (minute as u32 - full));
            }
            most_segments = most_segments.max(begins.len());
            if minute % (MINUTES / 8) == MINUTES / 8 - 1 {
                resident.push(resident_bytes());
            }
        }
    });
    let status = journal.status();
    println!(
        "{} others delivered beside {} attempts, {} MiB in {} batches; at most {most_segments} segments, the oldest full for \
         {longest_wait:?}; resident {:?} KiB",
        day.delivered(),
        day.attempts(),
        status.batch_bytes >> 20,
        status.batches,
        resident.iter().map(|bytes| bytes >> 10).collect::<Vec<_>>()
    );
    assert_eq!(day.delivered(), MINUTES * per_minute - 1);
    assert!(day.attempts() > 50, "{} attempts", day.attempts());
    let written = status.batch_bytes / settings.segment_size;
    assert!(written > 50, "only {written} segments were written");
    assert!(longest_wait <= LONGEST_BACKOFF + STEP, "a segment waited for {longest_wait:?}");
    if wanted.is_some() {
        let (first, last) = (resident[1], resident[resident.len() - 1]);
        assert!(last <= first + GROWTH_MAX, "{first} bytes resident after a quarter of the day, {last} at its end");
    }
    // It may be given up a little earlier: the next attempt would have come too late.
    day.turn((STEP * MINUTES as u32 + Duration::from_hours(1)).as_millis() as u64, &mut log);
    assert!(day.is_over());
}

/// A segment for every few minutes of the day. What nothing holds goes at once.
fn settings(dir: &Path, per_minute: u64) -> Settings {
    let segment_size = (per_minute * 1500).next_multiple_of(64 << 10);
    Settings {
        max_size: 64 * segment_size,
        retain_age: None,
        retain_size: Some(0),
        segment_size,
        ring_bytes: segment_size as usize / 2,
        id_windows: vec![IdWindow { source: "billing".into(), ids: 0, age: Duration::ZERO }],
        ..Settings::new(dir)
    }
}

/// Has events written, the first of which has this number as its id. Returns the first sequence behind them.
async fn receive(entrance: &Entrance, first: u64, events: u64) -> Sequence {
    let deadline = Instant::now() + PATIENCE;
    let submit = |number: u64| {
        let event = Event::for_test("billing", Some("invoice.paid"), &number.to_string(), &[], &[b'x'; 100]);
        entrance.submit(event, 0, deadline, false)
    };
    let receipts: Vec<_> = (first..first + events).map(submit).collect();
    let mut end = Sequence(0);
    for receipt in receipts {
        let Outcome::Safe(sequence) = receipt.await else { panic!("it was not taken") };
        end = sequence.next();
    }
    end
}

/// Of the segments on the disk, in their order.
fn first_sequences(dir: &Path) -> Vec<Sequence> {
    let names = fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().file_name());
    let first = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".segment")?.parse().ok().map(Sequence);
    let mut found: Vec<_> = names.filter_map(first).collect();
    found.sort_unstable();
    found
}

fn on_io_thread<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, run)
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

/// What the process has in memory that is no file's.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
