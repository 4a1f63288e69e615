//! The journal with its threads: on a real disk, through the handles that the other rooms hold.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use super::{event, number_of, settings};
use crate::event::Sequence;
use crate::journal::{Entrance, Journal, JournalError, Outcome, Parked, RouteProgress};
use crate::refusal::Refusal;

/// As an io thread runs.
fn on_io_thread<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, run)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// Readers are told right before or after the senders.
fn wait_until_published(journal: &Journal, end: u64) {
    while journal.reader().synced_end() < Sequence(end) {
        std::thread::yield_now();
    }
}

async fn submit(entrance: &Entrance, number: u64) -> Outcome {
    entrance.submit(event(number), 0, later(), true).await
}

#[test]
fn an_event_is_safe_across_a_restart_and_so_is_progress() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovered) = Journal::open(&settings(dir.path())).unwrap();
    assert_eq!(recovered.last, None);
    on_io_thread(async {
        let entrance = journal.entrance();
        let receipts: Vec<_> = (0..50).map(|number| entrance.submit(event(number), 0, later(), true)).collect();
        for (at, receipt) in receipts.into_iter().enumerate() {
            assert_eq!(receipt.await, Outcome::Safe(Sequence(at as u64 + 1)));
        }
    });
    wait_until_published(&journal, 51);
    let progress = RouteProgress { position: Sequence(17), done: vec![9; 300] };
    journal.save_progress(vec![("billing".into(), progress.clone())], Vec::new());
    let status = journal.status();
    assert_eq!((status.events, status.synced_end), (50, Sequence(51)));
    assert!(status.trouble.is_none() && status.batches <= 50 && status.segments > 1);
    journal.close();
    drop(journal);

    let (journal, recovered) = Journal::open(&settings(dir.path())).unwrap();
    assert_eq!(recovered.last, Some(Sequence(50)));
    assert_eq!(recovered.progress, [("billing".into(), progress)]);
    let events = journal.reader().read(Sequence(1), usize::MAX).unwrap();
    let numbers: Vec<_> = events.iter().map(|(_, event)| number_of(event)).collect();
    assert_eq!(numbers, (0..50).map(Some).collect::<Vec<_>>());
    on_io_thread(async {
        assert_eq!(submit(&journal.entrance(), 7).await, Outcome::Duplicate);
    });
}

#[test]
fn reading_goes_on_while_two_io_threads_write() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let journal = &journal;
            scope.spawn(move || {
                on_io_thread(async {
                    let entrance = journal.entrance();
                    for number in half * 60..half * 60 + 60 {
                        assert!(matches!(submit(&entrance, number).await, Outcome::Safe(_)));
                    }
                });
            });
        }
        let reader = journal.reader();
        let (mut next, mut numbers) = (Sequence(1), Vec::new());
        while numbers.len() < 120 {
            for (sequence, event) in reader.read(next, 10_000).unwrap() {
                assert_eq!(sequence, next);
                next = next.plus(1);
                numbers.push(number_of(&event).unwrap());
            }
            assert!(journal.status().trouble.is_none());
            std::thread::yield_now();
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..120).collect::<Vec<_>>());
    });
}

#[test]
fn a_second_process_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    let second = Journal::open(&settings(dir.path())).map(|_| ()).unwrap_err();
    assert!(matches!(second, JournalError::Locked { .. }));
    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
    drop(journal);
    Journal::open(&settings(dir.path())).unwrap();
}

#[test]
fn files_are_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (_journal, _) = Journal::open(&settings(dir.path())).unwrap();
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.path().join("lock")), 0o600);
    assert_eq!(mode(dir.path().join("segments")), 0o700);
    for file in std::fs::read_dir(dir.path().join("segments")).unwrap() {
        assert_eq!(mode(file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_dropped_receipt_changes_nothing_for_its_event_or_the_next_request() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    on_io_thread(async {
        let entrance = journal.entrance();
        for number in 0..100 {
            drop(entrance.submit(event(2 * number), 0, later(), true));
            // A slot of a dropped receipt would be completed by the wrong event if it were free too early.
            let Outcome::Safe(sequence) = submit(&entrance, 2 * number + 1).await else { panic!("refused") };
            assert_eq!(sequence, Sequence(2 * number + 2));
        }
    });
    wait_until_published(&journal, 201);
    assert_eq!(journal.reader().synced_end(), Sequence(201));
}

#[test]
fn a_receipt_past_its_deadline_is_refused_once_whatever_the_journal_says_later() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    on_io_thread(async {
        let entrance = journal.entrance();
        let late = entrance.submit(event(1), 0, later(), true);
        entrance.sweep(later() + Duration::from_secs(1));
        assert_eq!(late.await, Outcome::Refused(Refusal::JournalBehind));
        // Written or withdrawn; the provider's second attempt succeeds in either case.
        assert!(matches!(submit(&entrance, 1).await, Outcome::Safe(_) | Outcome::Duplicate));
        wait_until_published(&journal, 2);
        assert_eq!(journal.reader().read(Sequence(1), usize::MAX).unwrap().len(), 1);
    });
}

#[test]
fn a_sweep_refuses_nothing_before_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    on_io_thread(async {
        let entrance = journal.entrance();
        let receipt = entrance.submit(event(1), 0, later(), true);
        entrance.sweep(Instant::now());
        assert_eq!(receipt.await, Outcome::Safe(Sequence(1)));
    });
}

#[test]
fn a_closed_journal_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    on_io_thread(async {
        let entrance = journal.entrance();
        let receipt = entrance.submit(event(1), 0, later(), true);
        journal.close();
        assert_eq!(receipt.await, Outcome::Safe(Sequence(1)), "what was handed over is kept");
        assert!(matches!(submit(&entrance, 2).await, Outcome::Refused(_)));
    });
}

fn parked(route: &str) -> Parked {
    let (route, state, event) = (route.into(), Vec::new(), event(7));
    Parked { route, due_ms: 77, attempts: 3, original: None, replaces: None, state, event, told: None }
}

#[test]
fn a_route_that_was_forgotten_is_not_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    let progress = RouteProgress { position: Sequence(1), done: vec![9; 3] };
    journal.save_progress(vec![("kept".into(), progress.clone()), ("gone".into(), progress.clone())], Vec::new());
    journal.park(["kept", "gone", "gone"].map(parked).into());
    while journal.take_park_outcomes().is_empty() {
        std::thread::yield_now();
    }
    journal.forget(&"gone".into());
    on_io_thread(async {
        assert!(matches!(submit(&journal.entrance(), 0).await, Outcome::Safe(_)));
    });
    // As a crash leaves it, without the checkpoint of a clean end.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("segments")).unwrap();
    for file in std::fs::read_dir(dir.path().join("segments")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join("segments").join(file.file_name())).unwrap();
    }
    let (_journal, recovered) = Journal::open(&settings(copy.path())).unwrap();
    assert_eq!(recovered.progress, [("kept".into(), progress)]);
    assert_eq!(
        recovered.parked.iter().map(|open| (&*open.route, open.sequence)).collect::<Vec<_>>(),
        [("kept", Sequence(1))]
    );
}

#[test]
fn a_thread_that_breaks_down_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&settings(dir.path())).unwrap();
    assert_eq!(journal.fallen_thread(), None);
    journal.reader().on_published(Arc::new(|| panic!("as the test wants it")));
    on_io_thread(async {
        assert!(matches!(submit(&journal.entrance(), 0).await, Outcome::Safe(_)));
    });
    while journal.fallen_thread().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(journal.fallen_thread().as_deref(), Some("journal"));
    on_io_thread(async {
        assert_eq!(submit(&journal.entrance(), 1).await, Outcome::Refused(Refusal::JournalFailed));
    });
}
