//! The commands that look at what a gateway has written: dead letters and the journal.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::commands::hookgate;
use crate::gateway::{Gateway, Remains};
use crate::processor::{Processor, answer};

fn config(url: &str) -> String {
    format!(
        r#"[[source]]
        name = "s"
        auth = "none"
        event_type = {{ header = "X-Type" }}
        delivery_id = {{ header = "X-Id" }}
        keep_headers = ["X-Kept"]
        [[route]]
        name = "r"
        from = {{ source = "s" }}
        to = {{ http = "{url}", timeout = "5s" }}
        retry = {{ attempts = 2, first = "1ms", max = "5ms" }}
        [[route]]
        name = "other"
        from = {{ source = "s", types = ["never"] }}
        to = "discard"
        "#
    )
}

#[test]
fn dead_letters_are_listed_and_told_while_the_gateway_runs_and_after() {
    let processor = Processor::behaving(|_, _| answer(500, &[]));
    let gateway = Gateway::start(&config(&processor.url("/")));
    gateway.post("/hooks/s?q=1", &[("X-Id", "evt-1"), ("X-Type", "a.b"), ("X-Kept", "kept")], b"{\"n\":\"\x1b[2J\"}");
    gateway.post("/hooks/s", &[("X-Id", "evt-2")], b"\xff\xfe");
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 2.0);
    let running = hookgate(gateway.dir(), &["dead", "list"]);
    let remains = gateway.end();
    let stopped = hookgate(remains.path(), &["dead", "list", "r"]);
    assert_eq!((running.code, running.err.as_str()), (Some(0), ""));
    assert_eq!(running.out, stopped.out);
    assert_eq!(running.out.lines().count(), 3, "{}", running.out);
    let line = running.out.lines().find(|line| line.contains("evt-1")).unwrap();
    assert!(line.contains("a.b") && line.contains("status 500") && line.contains(" 2 "), "{line}");

    let json = hookgate(remains.path(), &["dead", "list", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["dead_letters"].as_array().unwrap().len(), 2);
    assert_eq!(document["dead_letters"][0]["last_outcome"], "status 500");

    let shown = hookgate(remains.path(), &["dead", "show", "evt-1"]);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    for part in ["received", "attempt 1: status 500", "attempt 2: status 500", "POST /hooks/s?q=1", "x-kept: kept"] {
        assert!(shown.out.contains(part), "{part} is missing in:\n{}", shown.out);
    }
    assert!(!shown.out.contains('\x1b'), "what a sender wrote does not command the terminal");
    let binary = hookgate(remains.path(), &["dead", "show", "evt-2", "--route", "r"]);
    assert!(binary.out.contains("base64:\n//4="), "{}", binary.out);
    let whole = hookgate(remains.path(), &["dead", "show", "evt-1", "--json"]);
    let letter: serde_json::Value = serde_json::from_str(&whole.out).unwrap();
    assert_eq!(letter["body"], "{\"n\":\"\x1b[2J\"}");
}

#[test]
fn a_torn_dead_letter_is_passed_over_with_a_note() {
    let processor = Processor::behaving(|_, _| answer(422, &[]));
    let gateway = Gateway::start(&config(&processor.url("/")));
    gateway.post("/hooks/s", &[("X-Id", "evt-1")], b"{}");
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
    let file = gateway.dir().join("data/dead/r.ndjson");
    OpenOptions::new().append(true).open(file).unwrap().write_all(b"{\"time\":\"20").unwrap();
    let listed = hookgate(gateway.dir(), &["dead", "list"]);
    assert_eq!(listed.code, Some(0));
    assert!(listed.out.contains("evt-1") && listed.err.contains("line 2 of"), "{}{}", listed.out, listed.err);
}

#[test]
fn a_letter_or_a_route_that_is_not_there_is_said_so() {
    let gateway = Gateway::start(&config("http://127.0.0.1:9/"));
    let none = hookgate(gateway.dir(), &["dead", "list", "other"]);
    assert_eq!((none.code, none.out.lines().count()), (Some(0), 1), "a route without dead letters: {}", none.err);
    let missing = hookgate(gateway.dir(), &["dead", "show", "evt-9"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
    assert!(missing.err.contains("evt-9"), "{}", missing.err);
    let unknown = hookgate(gateway.dir(), &["dead", "list", "nobody"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("other, r"), "{}", unknown.err);
}

/// Every file below a directory, with its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(content(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

/// A gateway that took three events and delivered none, stopped.
fn three_undelivered() -> Remains {
    // It answers none of them: what failed would be parked, and passed by the route.
    let (processor, _never) = Processor::held();
    let gateway = Gateway::start_with("drain_timeout = \"100ms\"", &config(&processor.url("/")));
    for event in 0..3 {
        assert_eq!(gateway.post("/hooks/s", &[("X-Id", &event.to_string())], b"{}").status, 202);
    }
    gateway.end()
}

#[test]
fn the_journal_of_a_stopped_gateway_is_told_and_verified_without_a_change() {
    let remains = three_undelivered();
    let before = content(remains.path());
    let stats = hookgate(remains.path(), &["journal", "stats"]);
    assert_eq!((stats.code, stats.err.as_str()), (Some(0), ""));
    assert!(stats.out.contains("1 segments") && stats.out.contains("3 events, sequence 1 to 3"), "{}", stats.out);
    let lags: Vec<Vec<&str>> = stats.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lags.contains(&vec!["r", "1", "3"]) && lags.contains(&vec!["other", "4", "0"]), "{}", stats.out);
    let verified = hookgate(remains.path(), &["journal", "verify"]);
    assert_eq!((verified.code, verified.err.as_str()), (Some(0), ""));
    assert!(verified.out.contains("is whole") && verified.out.contains("3 events, 0 parked"), "{}", verified.out);
    assert!(before == content(remains.path()), "nothing was written or created");
}

#[test]
fn verify_names_file_and_offset_of_damage() {
    let remains = three_undelivered();
    let segment = remains.path().join("data/journal/segments/00000000000000000001.segment");
    // The batch of the first checkpoint: others that are valid lie behind it.
    OpenOptions::new().write(true).open(segment).unwrap().write_all_at(b"rot", 4096 + 41).unwrap();
    let before = content(remains.path());
    let verified = hookgate(remains.path(), &["journal", "verify"]);
    assert_eq!((verified.code, verified.out.as_str()), (Some(1), ""));
    assert!(verified.err.contains("00000000000000000001.segment at byte 4096"), "{}", verified.err);
    assert!(before == content(remains.path()), "nothing was changed");
}

#[test]
fn the_journal_of_a_running_gateway_is_left_to_it() {
    let gateway = Gateway::start(&config("http://127.0.0.1:9/"));
    for verb in ["stats", "verify"] {
        let refused = hookgate(gateway.dir(), &["journal", verb]);
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
        assert!(refused.err.contains("belongs to process") && refused.err.contains("/metrics"), "{}", refused.err);
    }
}

#[test]
fn where_there_is_no_journal_none_is_made() {
    let dir = crate::commands::dir_with(&format!("[journal]\ndir = \"data\"\n{}", config("http://127.0.0.1:9/")));
    let stats = hookgate(dir.path(), &["journal", "stats"]);
    assert_eq!(stats.code, Some(1));
    assert!(stats.err.contains("there is no journal"), "{}", stats.err);
    assert!(!dir.path().join("data").exists());
}

#[test]
fn a_damaged_journal_is_repaired_and_what_is_undamaged_is_delivered() {
    let (processor, _never) = Processor::held();
    let gateway = Gateway::start(&config(&processor.url("/")));
    for event in 1..=5 {
        assert_eq!(gateway.post("/hooks/s", &[("X-Id", &event.to_string())], b"{}").status, 202);
    }
    let segment = gateway.dir().join("data/journal/segments/00000000000000000001.segment");
    let bytes = std::fs::read(&segment).unwrap();
    let refused = hookgate(gateway.dir(), &["journal", "repair"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("belongs to process"), "{}", refused.err);
    let remains = gateway.kill();
    // The first checkpoint, which says how far the routes have come, and the batch of the second event.
    let second = bytes.chunks(4096).position(|block| block.get(12..20) == Some(&2_u64.to_le_bytes()) && block[20] == 1);
    let second = second.unwrap() as u64 * 4096;
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.write_all_at(b"rot", 4096 + 41).unwrap();
    file.write_all_at(b"rot", second + 100).unwrap();

    let before = content(&remains.path().join("data/journal"));
    let planned = hookgate(remains.path(), &["journal", "repair", "--dry-run"]);
    assert_eq!((planned.code, planned.err.as_str()), (Some(0), ""));
    let line = format!("from byte {second} on, 4096 bytes: sequence 2 to 2, 1 events at most");
    assert!(planned.out.contains(&line) && planned.out.contains("would be given up"), "{}", planned.out);
    assert!(before == content(&remains.path().join("data/journal")), "nothing was changed");

    let repaired = hookgate(remains.path(), &["journal", "repair"]);
    assert_eq!((repaired.code, repaired.err.as_str()), (Some(0), ""));
    assert!(repaired.out.contains(&line) && repaired.out.contains("is whole again: 4 events"), "{}", repaired.out);
    let removed = std::fs::read_dir(remains.path().join("data/journal")).unwrap();
    let removed = removed.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("removed-"));
    let kept = removed.unwrap().join(format!("00000000000000000001.segment.at-{second}"));
    assert_eq!(std::fs::read(kept).unwrap().len(), 4096);
    let again = hookgate(remains.path(), &["journal", "repair"]);
    assert!(again.out.contains("nothing to repair"), "{}", again.out);

    let processor = Processor::start();
    let gateway = remains.start_with_config(&config(&processor.url("/")));
    let mut ids: Vec<_> =
        processor.wait_for(4).iter().map(|delivery| delivery.header("webhook-id").unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["s:1", "s:3", "s:4", "s:5"]);
    drop(gateway);
}

#[test]
fn stats_are_also_json() {
    let remains = three_undelivered();
    let stats = hookgate(remains.path(), &["journal", "stats", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&stats.out).unwrap();
    assert_eq!((&document["events"], &document["next_sequence"]), (&3.into(), &4.into()));
    let lag = |route: &serde_json::Value| (route["route"].as_str().unwrap().to_owned(), route["lag"].as_u64().unwrap());
    let lags: Vec<_> = document["routes"].as_array().unwrap().iter().map(lag).collect();
    assert_eq!(lags, [("other".to_owned(), 0), ("r".to_owned(), 3)]);
}
