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
    let processor = Processor::behaving(|_, _| answer(503, &[]));
    let keys = config(&processor.url("/")).replace("attempts = 2", "attempts = 1000");
    let gateway = Gateway::start_with("drain_timeout = \"100ms\"", &keys);
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
    assert!(verified.out.contains("is whole") && verified.out.contains("3 events"), "{}", verified.out);
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
