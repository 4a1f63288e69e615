//! Killed under load, with a processor that fails often: what was answered with success is delivered or a dead letter.
//!
//! At random moments, and at each step of the code that has a failpoint (`src/failpoint.rs`; there are none in a release
//! build). `HOOKGATE_KILLS` sets the number of random ones.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::delivers_in_batches::{ids, said};
use crate::gateway::{Gateway, wait_until};
use crate::keeps_what_it_acknowledged::config;
use crate::ledger::{Balance, Ledger, repeated, settled};
use crate::processor::{Processor, answer};

/// What the clients were answered is compared with what the processor has seen; the difference must be empty.
#[test]
fn nothing_acknowledged_is_lost_when_it_is_killed_at_any_moment_under_load() {
    let rounds = rounds(25);
    let (processor, ledger) = (failing_processor(), Ledger::default());
    let gateway = killed_under_load(rounds, start(&processor, ""), &ledger);
    report(rounds, &ledger.balance(&gateway, &processor));
}

/// The same of a route with `batch`: whole batches fail, some of their events, and for good; so that kills meet batches that are
/// on their way, answered and not settled, and whose events go out alone.
#[test]
fn nothing_acknowledged_is_lost_when_it_is_killed_while_batches_are_delivered() {
    let rounds = rounds(15);
    let (taken, ledger) = (Arc::new(Mutex::new(BTreeSet::new())), Ledger::default());
    let processor = {
        let taken = Arc::clone(&taken);
        Processor::behaving(move |received, count| {
            let mut ids = ids(received);
            let answer = match count {
                _ if count % 11 == 5 => return answer(503, &[]),
                _ if count % 20 == 7 => return answer(400, &[]),
                _ if count.is_multiple_of(3) => {
                    let status = if count.is_multiple_of(5) { 422 } else { 503 };
                    said(&json!({"failed": [{"id": ids.swap_remove(count % ids.len()), "status": status}]}))
                }
                _ => answer(200, &[]),
            };
            taken.lock().unwrap().extend(ids.iter().map(|id| name(id)));
            answer
        })
    };
    let gateway = killed_under_load(rounds, start(&processor, "batch = 16\nin_flight = 1"), &ledger);
    let lost = ledger.lost(&gateway, || taken.lock().unwrap().clone());
    let sent: Vec<Vec<String>> = processor.received().iter().map(ids).collect();
    let largest = sent.iter().map(Vec::len).max();
    assert!(largest > Some(1), "nothing was in a batch with another");
    let repeated = repeated(&sent.concat());
    report(rounds, &Balance { acknowledged: ledger.len(), lost, repeated });
}

/// The id as its sender gave it.
fn name(webhook_id: &str) -> String {
    webhook_id.strip_prefix("s:").unwrap().to_owned()
}

fn rounds(usual: usize) -> usize {
    std::env::var("HOOKGATE_KILLS").map_or(usual, |text| text.parse().unwrap())
}

/// Ends with a gateway that was started after the last kill and has settled.
fn killed_under_load(rounds: usize, mut gateway: Gateway, ledger: &Ledger) -> Gateway {
    for round in 0..rounds {
        let clients = ledger.load(&gateway, &round.to_string(), usize::MAX);
        // Each round ends after another number of answers, so that the kill meets other moments.
        let enough = ledger.len() + 20 + round * 37 % 200;
        wait_until("some events are acknowledged", || ledger.len() >= enough);
        let remains = gateway.kill();
        clients.into_iter().for_each(|client| client.join().unwrap());
        gateway = remains.start();
    }
    settled(&gateway);
    gateway
}

/// Each failpoint in turn, on the same journals: what one kill has left is what the next start finds.
#[test]
fn nothing_acknowledged_is_lost_when_it_is_killed_at_any_step() {
    if !cfg!(debug_assertions) {
        return eprintln!("skipped: a release build has no failpoints");
    }
    let points = failpoints(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let (all, seed) = (points.len(), fastrand::u64(..));
    println!("seed {seed}");
    let (left, total) = (Mutex::new(points), Mutex::new(Balance::default()));
    thread::scope(|scope| {
        for journal in 0..JOURNALS {
            let (left, total) = (&left, &total);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed + journal);
                let (processor, ledger) = (failing_processor(), Ledger::default());
                let mut gateway = start(&processor, "");
                while let Some(point) = { left.lock().unwrap().pop() } {
                    gateway = die_at(&point, gateway, &ledger, &mut random);
                }
                settled(&gateway);
                total.lock().unwrap().add(ledger.balance(&gateway, &processor));
            });
        }
    });
    report(all, &total.into_inner().unwrap());
}

/// Ends with a gateway that was started after the kill.
fn die_at(point: &str, gateway: Gateway, ledger: &Ledger, random: &mut fastrand::Rng) -> Gateway {
    let mut remains = gateway.end_or_die().0;
    // First somewhere in the middle of the work; if it does not come that way so often, where it first does. A new journal
    // makes what an old one has already.
    for (pass, new) in [(random.u32(2..20), false), (1, false), (1, true)] {
        if new {
            let gateway = remains.start();
            settled(&gateway);
            remains = gateway.end();
            std::fs::remove_dir_all(remains.path().join("data/journal")).unwrap();
        }
        let died;
        (remains, died) = match remains.start_to_die(point, pass) {
            None => (remains, true),
            Some(gateway) => {
                let clients = ledger.load(&gateway, &format!("{point}-{pass}-{new}"), EVENTS_EACH);
                clients.into_iter().for_each(|client| client.join().unwrap());
                gateway.end_or_die()
            }
        };
        if died {
            return remains.start();
        }
    }
    panic!("it never passes the failpoint {point}");
}

/// The names in `failpoint::pass("…")`, wherever that stands.
fn failpoints(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(failpoints(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("failpoint::pass(\"").skip(1);
            found.extend(names.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    found
}

/// Segments are small, and few are kept: they are begun and recycled while the clients post.
fn start(processor: &Processor, more: &str) -> Gateway {
    let journal = "segment_size = \"1MiB\"\nmax_size = \"64MiB\"\nretain = { age = \"1h\", size = \"2MiB\" }";
    let keys = format!("breaker = {{ failures = 1000, pause_after_dead = 1000 }}\n{more}");
    Gateway::start_under(&["env"], journal, &config(&processor.url("/"), &keys))
}

/// Every third delivery fails, and one event in a while is refused for good.
fn failing_processor() -> Processor {
    Processor::behaving(|_, count| {
        let status = match count {
            _ if count % 20 == 7 => 400,
            _ if count.is_multiple_of(3) => 500,
            _ => 200,
        };
        answer(status, &[])
    })
}

fn report(kills: usize, balance: &Balance) {
    let Balance { acknowledged, lost, repeated } = balance;
    println!("{kills} kills: {acknowledged} acknowledged, {} lost, {repeated} attempts beyond the first", lost.len());
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Worked on side by side.
const JOURNALS: u64 = 3;

/// Events that each client posts where it can.
const EVENTS_EACH: usize = 200;
