//! What a route gets again because somebody asks for it: events of the journal, and its dead letters.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;

use serde_json::Value;

use crate::commands::{Ended, hookgate};
use crate::gateway::{Gateway, wait_until};
use crate::keeps_what_it_acknowledged::config;
use crate::processor::{Processor, Received, answer};

fn ask(gateway: &Gateway, arguments: &[&str]) -> Ended {
    hookgate(gateway.dir(), &[arguments, &["--admin", &gateway.admin.to_string()]].concat())
}

fn post_all(gateway: &Gateway, events: usize, event_type: &str) {
    let mut client = gateway.client();
    for event in 0..events {
        let id = format!("{event_type}-{event}");
        let headers = [("X-Id", id.as_str()), ("X-Type", event_type)];
        assert_eq!(client.post("/hooks/s", &headers, id.as_bytes()).status, 202);
    }
}

/// How often each event has arrived, by its `webhook-id` and body.
fn ids(received: &[Received]) -> Vec<(String, Vec<u8>)> {
    let mut ids: Vec<_> = received
        .iter()
        .map(|delivery| (delivery.header("webhook-id").unwrap().to_owned(), delivery.body.clone()))
        .collect();
    ids.sort();
    ids
}

/// A replay that runs, told line by line.
fn replay(gateway: &Gateway, options: &[&str]) -> (Child, impl Iterator<Item = Value> + use<>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hookgate"))
        .args(["replay", "--route", "r", "--from", "1h", "--json", "--admin", &gateway.admin.to_string()])
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map_while(Result::ok).map(|line| serde_json::from_str(&line).unwrap()))
}

#[test]
fn each_event_arrives_again_with_the_same_webhook_id() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor.url("/"), ""));
    post_all(&gateway, 20, "a.b");
    post_all(&gateway, 5, "c");
    let first = ids(&processor.wait_for(25));

    let counted = ask(&gateway, &["replay", "--route", "r", "--from", "1h", "--dry-run"]);
    assert_eq!((counted.code, counted.err.as_str()), (Some(0), ""));
    assert_eq!(counted.out, "25 events would be replayed to r, up to sequence 25\n");
    let typed = ask(&gateway, &["replay", "--route", "r", "--from-sequence", "11", "--type", "a.*", "--dry-run"]);
    assert!(typed.out.starts_with("10 events would be replayed"), "{}", typed.out);
    assert_eq!(processor.received().len(), 25);

    let replayed = ask(&gateway, &["replay", "--route", "r", "--from", "1h", "--rate", "max"]);
    assert_eq!((replayed.code, replayed.err.as_str()), (Some(0), ""));
    assert_eq!(replayed.out, "25 events replayed to r, up to sequence 25\n");
    let all = processor.wait_for(50);
    assert_eq!(ids(&all[25..]), first);
    assert!(all.iter().all(|delivery| delivery.header("hookgate-attempt") == Some("1")));
    // What was replayed is not replayed itself.
    let counted = ask(&gateway, &["replay", "--route", "r", "--from", "1h", "--dry-run"]);
    assert!(counted.out.starts_with("25 events would be replayed"), "{}", counted.out);
}

#[test]
fn nothing_that_was_handed_over_is_lost_by_kill_9() {
    let (processor, up) = Processor::down();
    let probe_often = "breaker = { probe_every = \"20ms\" }\nqueue = { events = 10 }";
    let gateway = Gateway::start(&config(&processor.url("/"), probe_often));
    up.store(true, SeqCst);
    post_all(&gateway, 500, "a");
    wait_until("all are taken", || processor.taken().len() >= 500);
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
    up.store(false, SeqCst);
    let before = processor.taken().len();

    let (mut child, mut lines) = replay(&gateway, &["--rate", "500/s"]);
    let told = lines.find(|line| line["events"].as_u64().unwrap() >= 100).unwrap();
    assert_eq!(told["is_over"], false, "{told}");
    let remains = gateway.kill();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let told = lines.last().unwrap_or(told);
    let next = told["next_sequence"].as_u64().unwrap();
    assert!(told["events"].as_u64().unwrap() >= 100 && next > 100, "{told}");

    let _gateway = remains.start();
    up.store(true, SeqCst);
    let expected: BTreeSet<String> = (0..next - 1).map(|event| format!("s:a-{event}")).collect();
    wait_until("what was handed over arrives", || {
        let taken = ids(&processor.taken()[before..]);
        expected.is_subset(&taken.into_iter().map(|(id, _)| id).collect())
    });
}

#[test]
fn an_interrupted_replay_stops_and_goes_on_where_it_was() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor.url("/"), ""));
    post_all(&gateway, 300, "a");
    processor.wait_for(300);
    let (mut child, mut lines) = replay(&gateway, &["--rate", "20/s"]);
    lines.find(|line| line["events"].as_u64().unwrap() >= 4).unwrap();
    let second = ask(&gateway, &["replay", "--route", "r", "--from", "1h"]);
    assert!(second.code == Some(1) && second.err.contains("under way"), "{}", second.err);
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    gateway.log().wait_for("its client has gone");

    let next = lines.last().map_or(5, |line| line["next_sequence"].as_u64().unwrap()).to_string();
    let rest = ask(&gateway, &["replay", "--route", "r", "--from-sequence", &next, "--rate", "max"]);
    assert_eq!((rest.code, rest.err.as_str()), (Some(0), ""));
    wait_until("each has arrived twice", || {
        let ids = ids(&processor.received());
        (0..300).all(|event| ids.iter().filter(|(id, _)| *id == format!("s:a-{event}")).count() >= 2)
    });
}

#[test]
fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let text = config("http://127.0.0.1:9/", "")
        + "[[source]]\nname = \"m\"\nauth = \"none\"\nack = \"memory\"\n[[route]]\nname = \"memory\"\nfrom = { source = \"m\" }\nto = \"discard\"\n";
    let gateway = Gateway::start(&text);
    let refused = |arguments: &[&str], words: &[&str]| {
        let ended = ask(&gateway, arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
        assert!(words.iter().all(|word| ended.err.contains(word)), "{words:?} is not in: {}", ended.err);
    };
    refused(&["replay", "--route", "nobody", "--from", "1h"], &["nobody", "there are", "memory"]);
    refused(&["replay", "--route", "memory", "--from", "1h"], &["ack = \"memory\"", "not in the journal"]);
    refused(&["replay", "--route", "r", "--from", "1h", "--source", "no"], &["no source is called"]);
    refused(&["replay", "--route", "r", "--from", "1h", "--to", "2h"], &["--from must be before --to"]);
    refused(&["dead", "drop", "r", "--all"], &["--yes"]);
    assert_eq!(ask(&gateway, &["replay", "--route", "r"]).code, Some(2));
    assert_eq!(ask(&gateway, &["dead", "retry", "r"]).code, Some(2));
}

#[test]
fn events_that_are_let_go_are_refused_with_the_oldest_there_is() {
    let processor = Processor::start();
    let keys = "max_size = \"16MiB\"\nsegment_size = \"1MiB\"\nretain = { age = \"1s\", size = \"1MiB\" }";
    let gateway = Gateway::start_under(&["env"], keys, &config(&processor.url("/"), ""));
    let mut client = gateway.client();
    let body = vec![b'a'; 256 << 10];
    wait_until("the first segment is gone", || {
        client.post("/hooks/s", &[], &body);
        gateway.metric("hookgate_journal_oldest_sequence", &[]) > 1.0
    });
    for from in [["--from", "1h"], ["--from-sequence", "1"]] {
        let refused = ask(&gateway, &[&["replay", "--route", "r"], &from[..]].concat());
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.contains("the oldest event it keeps is sequence"), "{}", refused.err);
    }
}

#[test]
fn dead_letters_are_delivered_again_byte_for_byte_once_the_processor_is_mended() {
    let (processor, up) = {
        let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_up = std::sync::Arc::clone(&up);
        (Processor::behaving(move |_, _| answer(if is_up.load(SeqCst) { 200 } else { 422 }, &[])), up)
    };
    let gateway = Gateway::start(&config(&processor.url("/"), ""));
    let mut client = gateway.client();
    let bodies: [&[u8]; 4] = [b"{\"a\":\"\\u00e9\"}", "é\r\n\"".as_bytes(), &[0, 0xff, b'\n', 0x80], b""];
    for (body, id) in bodies.iter().zip(["1", "2", "3", "4"]) {
        let headers = [("X-Id", id), ("X-Type", if id == "4" { "other" } else { "a.b" }), ("content-type", "text/x")];
        assert_eq!(client.post("/hooks/s", &headers, body).status, 202);
    }
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 4.0);
    let first = ids(&processor.received());
    up.store(true, SeqCst);

    let counted = ask(&gateway, &["dead", "retry", "r", "--all", "--dry-run"]);
    assert_eq!((counted.code, counted.out.as_str()), (Some(0), "4 dead letters would be handed to r again\n"));
    assert_eq!((gateway.dead_letters("r").len(), processor.received().len()), (4, 4));

    let typed = ask(&gateway, &["dead", "retry", "r", "--type", "a.*"]);
    assert_eq!((typed.code, typed.out.as_str()), (Some(0), "3 dead letters handed to r again\n"), "{}", typed.err);
    wait_until("they are delivered", || processor.taken().len() == 3);
    let left: Vec<_> = gateway.dead_letters("r").iter().map(|letter| letter["id"].clone()).collect();
    assert_eq!(left, ["4"]);
    let last = ask(&gateway, &["dead", "retry", "r", "--id", "4"]);
    assert_eq!(last.code, Some(0), "{}", last.err);
    wait_until("the last is delivered", || processor.taken().len() == 4);
    assert_eq!(ids(&processor.taken()), first);
    assert!(processor.taken().iter().all(|delivery| delivery.header("content-type") == Some("text/x")));
    assert_eq!(std::fs::read(gateway.dir().join("data/dead/r.ndjson")).unwrap(), b"");
    gateway.wait_for_metric("hookgate_route_parked", &["route=\"r\""], 0.0);
}

#[test]
fn dropped_dead_letters_are_gone_and_new_ones_are_written_after_them() {
    let processor = Processor::behaving(|_, _| answer(422, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), ""));
    post_all(&gateway, 3, "a");
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 3.0);
    let one = ask(&gateway, &["dead", "drop", "r", "--id", "a-1", "--yes"]);
    assert_eq!((one.code, one.out.as_str()), (Some(0), "1 dead letters of r dropped\n"), "{}", one.err);
    assert_eq!(gateway.dead_letters("r").len(), 2);
    let all = ask(&gateway, &["dead", "drop", "r", "--all", "--yes"]);
    assert_eq!((all.code, all.out.as_str()), (Some(0), "2 dead letters of r dropped\n"));
    post_all(&gateway, 1, "b");
    wait_until("a new one is written", || gateway.dead_letters("r").len() == 1);
    assert_eq!(gateway.dead_letters("r")[0]["id"], "b-0");
}
