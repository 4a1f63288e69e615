//! An event whose delivery fails waits for its next attempt in a place of its own: nothing behind it waits, nothing it came
//! with is kept for it, and a crash does not make it begin anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::gateway::{Gateway, wait_until};
use crate::keeps_what_it_acknowledged::config;
use crate::processor::{Processor, Received, answer};

/// Takes everything but `bad`, and that too once it is up.
fn picky() -> (Processor, Arc<AtomicBool>) {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let refuses = move |delivery: &Received| delivery.body.starts_with(b"bad") && !is_up.load(SeqCst);
    (Processor::behaving(move |delivery, _| answer(if refuses(delivery) { 503 } else { 200 }, &[])), up)
}

fn attempts_of_bad(received: &[Received]) -> Vec<u32> {
    let bad = received.iter().filter(|delivery| delivery.body == b"bad");
    bad.map(|delivery| delivery.header("hookgate-attempt").unwrap().parse().unwrap()).collect()
}

/// It is the processor that fails one event, and not down.
const NEVER_DOWN: &str = "breaker = { failures = 1000000 }";

#[test]
fn an_event_that_keeps_failing_is_passed_and_goes_on_with_its_next_attempt_after_kill_9() {
    let (processor, up) = picky();
    let gateway = Gateway::start_prepared(&config(&processor.url("/"), NEVER_DOWN), |dir| {
        let file = dir.join("hookgate.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let keys = "max_size = \"16MiB\"\nsegment_size = \"1MiB\"\nretain = { age = \"1s\", size = \"1MiB\" }\n";
        std::fs::write(&file, text.replace("dir = \"data\"\n", &format!("dir = \"data\"\n{keys}"))).unwrap();
    });
    let mut client = gateway.client();
    assert_eq!(client.post("/hooks/s", &[], b"bad").status, 202);
    wait_until("it has failed", || attempts_of_bad(&processor.received()).len() > 1);
    // More than the journal may hold: without room from the segment it came in, the last of them would be refused.
    let body = vec![b'a'; 256 << 10];
    for _ in 0..100 {
        wait_until("the journal takes it", || client.post("/hooks/s", &[], &body).status == 202);
    }
    wait_until("the segment it came in is gone", || {
        client.post("/hooks/s", &[], b"more");
        gateway.metric("hookgate_journal_oldest_sequence", &[]) > 1.0
    });
    wait_until("the route has passed it, and keeps it", || {
        let metric = |name| gateway.metric(name, &["route=\"r\""]);
        metric("hookgate_route_lag") == 0.0 && metric("hookgate_route_parked") == 1.0
    });

    let remains = gateway.kill();
    let before = attempts_of_bad(&processor.received());
    let gateway = remains.start();
    wait_until("it is tried again", || attempts_of_bad(&processor.received()).len() > before.len() + 1);
    let after = attempts_of_bad(&processor.received());
    assert!(after.is_sorted() && after[before.len()] > 1, "{before:?}, then {after:?}");
    up.store(true, SeqCst);
    wait_until("it is taken", || processor.taken().iter().any(|delivery| delivery.body == b"bad"));
    gateway.wait_for_metric("hookgate_route_parked", &["route=\"r\""], 0.0);
    assert_eq!(gateway.metric("hookgate_route_lag", &["route=\"r\""]), 0.0);
}

#[test]
fn the_dead_letter_of_an_event_tells_the_attempts_of_all_processes() {
    let (processor, _) = picky();
    let attempts = |count: &str| {
        config(&processor.url("/"), NEVER_DOWN).replace("attempts = 1000", &format!("attempts = {count}"))
    };
    let gateway = Gateway::start(&attempts("1000"));
    gateway.post("/hooks/s", &[("X-Id", "evt-1")], b"bad");
    wait_until("it has failed", || attempts_of_bad(&processor.received()).len() > 4);
    let remains = gateway.kill();
    let before = attempts_of_bad(&processor.received()).len();
    // Its next attempt is its last.
    let gateway = remains.start_with_config(&attempts("5"));
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
    let letters = gateway.dead_letters("r");
    assert_eq!((letters.len(), letters[0]["id"].as_str()), (1, Some("evt-1")));
    // What failed last before the kill may not have been recorded any more.
    let told = letters[0]["attempts"].as_array().unwrap();
    assert!((5..=before + 1).contains(&told.len()), "{} attempts of {before} and one", told.len());
    assert!(told.iter().all(|attempt| attempt["outcome"] == "status 503"));
    assert_eq!(gateway.metric("hookgate_route_parked", &["route=\"r\""]), 0.0);
}

#[test]
fn a_route_with_max_parked_events_waits_and_goes_on() {
    let (processor, up) = picky();
    let keys = format!("max_parked = 5\nqueue = {{ events = 10 }}\n{NEVER_DOWN}");
    let gateway = Gateway::start(&config(&processor.url("/"), &keys));
    let mut client = gateway.client();
    for event in 0..100 {
        assert_eq!(client.post("/hooks/s", &[], format!("bad {event}").as_bytes()).status, 202);
    }
    let metric = |name| gateway.metric(name, &["route=\"r\""]);
    wait_until("it waits", || metric("hookgate_route_parked") >= 5.0);
    assert!(metric("hookgate_route_lag") > 0.0);
    up.store(true, SeqCst);
    wait_until("all are delivered", || processor.taken().len() >= 100 && metric("hookgate_route_lag") == 0.0);
    gateway.wait_for_metric("hookgate_route_parked", &["route=\"r\""], 0.0);
}
