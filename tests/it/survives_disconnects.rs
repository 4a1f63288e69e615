//! Clients that hang up: after any number of bytes of their request, while they wait, and while they read their answer; beside
//! clients that stay, on a disk that is sound, fails or is slow.
//!
//! Afterwards answers are counted against records. A receipt that went to another request than its own would be a success
//! without a record sooner or later, since some events of each run are refused.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::client::{Client, request};
use crate::gateway::{Gateway, PATIENCE};
use crate::keeps_what_it_acknowledged::{PROBE_OFTEN, config};
use crate::ledger::{Ledger, id_of, settled};
use crate::processor::Processor;
use crate::tells_the_truth_about_disks::{AFTER_START, can_trace, traced};

#[test]
fn whenever_clients_hang_up_each_success_has_its_record() {
    hang_up_at_every_point(&["env"], "");
}

#[test]
fn whenever_clients_hang_up_while_syncs_fail_each_success_has_its_record() {
    if can_trace() {
        let fault = format!("inject=fdatasync:error=EIO:when={AFTER_START}+40");
        // A fault can meet nothing but the routes' progress.
        let met = (0..4).any(|_| hang_up_at_every_point(&traced("trace=fdatasync", &["-e", &fault]), "") > 0);
        assert!(met, "no fault met an event");
    }
}

#[test]
fn whenever_clients_hang_up_while_syncs_outlast_deadlines_each_success_has_its_record() {
    if can_trace() {
        let fault = format!("inject=fdatasync:delay_exit=500000:when={AFTER_START}+25");
        let refused = hang_up_at_every_point(&traced("trace=fdatasync", &["-e", &fault]), "deadline = \"300ms\"");
        assert!(refused > 0, "no sync was too late");
    }
}

/// Returns how many requests of those that stayed were refused.
fn hang_up_at_every_point(under: &[&str], source_keys: &str) -> usize {
    let (processor, up) = Processor::down();
    let keys = format!("{source_keys}\nreply = {{ content_type = \"text/plain\", body = \"{{id}}\" }}\nauth =");
    let config = config(&processor.url("/"), PROBE_OFTEN).replacen("auth =", &keys, 1);
    let gateway = Gateway::start_under(under, "segment_size = \"1MiB\"", &config);
    let ledger = Ledger::default();
    let all_hung_up = AtomicBool::new(false);
    let refused: usize = thread::scope(|scope| {
        let staying: Vec<_> = (0..2)
            .map(|client| {
                let (gateway, ledger, all_hung_up) = (&gateway, &ledger, &all_hung_up);
                scope.spawn(move || stay(gateway, ledger, client, all_hung_up))
            })
            .collect();
        let leaving: Vec<_> = (0..LEAVING)
            .map(|client| {
                let (gateway, ledger) = (&gateway, &ledger);
                scope.spawn(move || leave(gateway, ledger, client))
            })
            .collect();
        leaving.into_iter().for_each(|client| client.join().unwrap());
        all_hung_up.store(true, SeqCst);
        staying.into_iter().map(|client| client.join().unwrap()).sum()
    });
    gateway.wait_for_metric("hookgate_journal_receipts", &[], 0.0);
    gateway.wait_for_metric("hookgate_memory_budget_used_bytes", &[], 0.0);
    let answered = gateway.metric("hookgate_events_accepted_total", &[]);
    let recorded = gateway.metric("hookgate_journal_events_total", &[]);
    assert!(ledger.len() as f64 <= answered && answered <= recorded, "{} {answered} {recorded}", ledger.len());

    // What counts is what the disk has, so the process must go first.
    let gateway = gateway.kill().start();
    up.store(true, SeqCst);
    settled(&gateway);
    let delivered: BTreeSet<String> = processor.taken().iter().map(|delivery| id_of(&delivery.body)).collect();
    let lost: Vec<_> = ledger.ids().difference(&delivered).cloned().collect();
    println!("{} successes seen, {recorded} records, {refused} refused, {} lost", ledger.len(), lost.len());
    assert!(lost.is_empty(), "answered with success and without a record: {lost:?}");
    for delivery in processor.taken() {
        assert_eq!(delivery.body, body(&id_of(&delivery.body)).as_bytes(), "a whole event, or none");
    }
    refused
}

/// Hangs up once at each byte of a request, and in different ways behind it.
fn leave(gateway: &Gateway, ledger: &Ledger, client: usize) {
    let request_of = |id: &str| request("POST", "/hooks/s", &[("X-Id", id)], body(id).as_bytes());
    let length = request_of(&format!("leaving-{client}-0000")).len();
    for at in 0..length + BEHIND {
        let id = format!("leaving-{client}-{at:04}");
        let bytes = request_of(&id);
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let sent = &bytes[..at.min(length)];
        // In two pieces, so that what has come of it is looked at in between.
        let (first, second) = sent.split_at(sent.len() / 2);
        stream.write_all(first).and_then(|()| stream.write_all(second)).unwrap();
        if at > length {
            match at % 4 {
                // It waits for its receipt.
                0 => {}
                1 => {
                    let _ = stream.read(&mut [0; 1]);
                }
                // The answer's bytes are there, but not read.
                2 => drop(stream.peek(&mut [0; 1])),
                _ => {
                    let mut answer = [0; 12];
                    if stream.read_exact(&mut answer).is_ok() && answer == *b"HTTP/1.1 202" {
                        ledger.note(id);
                    }
                    // And half of the next.
                    stream.write_all(&bytes[..length / 2]).unwrap();
                }
            }
        }
        if at.is_multiple_of(2) {
            // A reset instead of an end.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Posts one event after the other until the others are gone. Returns how many were refused.
fn stay(gateway: &Gateway, ledger: &Ledger, client: usize, until: &AtomicBool) -> usize {
    let mut refused = 0;
    let mut connection = gateway.client();
    for event in 0.. {
        if until.load(SeqCst) {
            break;
        }
        let id = format!("staying-{client}-{event}");
        match post(&mut connection, &id) {
            202 => ledger.note(id),
            503 => refused += 1,
            status => panic!("{id} was answered with {status}"),
        }
    }
    refused
}

fn post(connection: &mut Client, id: &str) -> u16 {
    let answer = connection.post("/hooks/s", &[("X-Id", id)], body(id).as_bytes());
    if answer.status == 202 {
        assert_eq!(answer.text(), *id, "it is the answer to this request");
    }
    answer.status
}

fn body(id: &str) -> String {
    format!("{id} {}", "b".repeat(100))
}

/// Clients that hang up.
const LEAVING: usize = 4;

/// Times that each of them hangs up behind its request.
const BEHIND: usize = 200;
