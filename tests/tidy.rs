//! House rules that a reader would otherwise have to check by eye.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order of `src/lib.rs`: each may use those before it and none after.
const ROOMS: [&str; 21] = [
    "failpoint",
    "sync",
    "refusal",
    "event",
    "counters",
    "config",
    "listen",
    "admit",
    "sniff",
    "journal",
    "quarantine",
    "reply",
    "routes",
    "sinks",
    "poll",
    "admin",
    "gateway",
    "fuzz",
    "bench",
    "cli",
    "main",
];

/// A file longer than this has more than one reader in mind.
const LINES_MAX: usize = 500;

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

/// The room a file of `src/` belongs to.
fn room_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The names after `crate::` in a line of code.
fn rooms_named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
}

#[test]
fn a_room_uses_only_the_rooms_before_it() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let room = room_of(&path);
        let Some(own) = rank(&room) else {
            assert_eq!(room, "lib", "{} belongs to no room: add it to ROOMS in its place", path.display());
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for used in rooms_named(line) {
                if rank(used).is_some_and(|used| used > own) {
                    wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a room knows the rooms before it, never the ones after:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for folder in ["src", "loadtest", "models", "benches", "tests"] {
        for path in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//!"), "{} does not say what it is for", path.display());
        }
    }
}

#[test]
fn no_file_has_grown_beyond_one_reader() {
    let long: Vec<_> = sources(&root().join("src"))
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .filter(|path| fs::read_to_string(path).unwrap().lines().count() > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "split these: {long:?}");
}

#[test]
fn nothing_is_left_for_later_in_code() {
    for folder in ["src", "loadtest", "models", "benches"] {
        for path in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            for word in ["FIXME", "TODO", "XXX", "todo!(", "unimplemented!("] {
                assert!(!text.contains(word), "{} has a {word}", path.display());
            }
        }
    }
}

#[test]
fn a_fuzz_target_is_a_binary_with_a_corpus_and_a_line_in_the_table() {
    let fuzz = root().join("fuzz");
    let [manifest, table] = ["Cargo.toml", "README.md"].map(|file| fs::read_to_string(fuzz.join(file)).unwrap());
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: String = table.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next()).collect();
    let targets = fs::read_to_string(root().join("src/fuzz/mod.rs")).unwrap();
    let targets: Vec<&str> = targets
        .lines()
        .filter_map(|line| line.strip_prefix("pub fn ")?.split_once('('))
        .map(|(name, _)| name)
        .collect();
    assert!(targets.len() > 9, "{targets:?}");
    for target in &targets {
        let binary = fs::read_to_string(fuzz.join(format!("fuzz_targets/{target}.rs"))).unwrap_or_default();
        assert!(binary.contains(&format!("hookgate::fuzz::{target}(")), "fuzz/fuzz_targets has no {target}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "fuzz/Cargo.toml has no {target}");
        let seeds = fs::read_dir(fuzz.join("corpus").join(target)).map_or(0, Iterator::count);
        assert!(seeds > 0, "{target} has no corpus");
        assert!(rows.contains(&format!("`{target}`")), "fuzz/README.md does not tell of {target}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
    for folder in ["fuzz_targets", "corpus"] {
        assert_eq!(fs::read_dir(fuzz.join(folder)).unwrap().count(), targets.len(), "{folder}");
    }
}

#[test]
fn architecture_names_every_room_and_no_other() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for room in ROOMS {
        assert!(page.contains(&format!("`{room}`")), "ARCHITECTURE.md does not tell of {room}");
    }
}
