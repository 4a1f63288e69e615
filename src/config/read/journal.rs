//! `[journal]`.

use std::time::Duration;

use super::gateway::LARGEST_SIZE;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::units::WrittenSize;
use crate::config::{JournalConfig, RetainConfig};

/// `[journal]`, its defaults where it is not written.
pub(in crate::config) fn journal(root: &mut Table<'_>) -> JournalConfig {
    let mut journal = JournalConfig {
        dir: root.spot.reading().directory.join("data"),
        max_size: 100 << 30,
        retain: RetainConfig { age: Duration::from_hours(3 * 24), size: 20 << 30 },
        segment_size: 64 << 20,
        attempts: Some(256 << 20),
    };
    let Some(mut table) = root.section("journal") else {
        return journal;
    };
    if let Some(dir) = table.get("dir").and_then(|node| node.path()) {
        journal.dir = dir;
    }
    let segment_size = table.get("segment_size");
    if let Some(node) = &segment_size {
        segment_size_of(node, &mut journal);
    }
    let max_size = table.get("max_size");
    if let Some(size) = max_size.as_ref().and_then(|node| node.size(LARGEST_SIZE)) {
        journal.max_size = size;
    }
    let least = journal.segment_size.saturating_mul(SEGMENTS_MIN);
    if journal.max_size < least
        && let Some(node) = max_size.as_ref().or(segment_size.as_ref())
    {
        node.spot.problem(
            format!("a journal needs room for {SEGMENTS_MIN} segments"),
            format!("write max_size = \"{}\" or more, or a smaller segment_size", WrittenSize(least)),
        );
    }
    let retain = table.get("retain");
    if let Some(node) = &retain {
        retain_of(node, &mut journal);
    } else {
        // Half of a small journal is for replays, half for what still has to be delivered.
        journal.retain.size = journal.retain.size.min(journal.max_size / 2);
    }
    if let Some(node) = table.get("attempts") {
        journal.attempts = attempts_of(&node, journal.attempts);
    }
    table.finish();
    journal
}

/// A size, or `"off"`.
fn attempts_of(node: &Node<'_>, unless_written: Option<u64>) -> Option<u64> {
    if node.value.as_str() == Some("off") {
        return None;
    }
    let size = node.size(LARGEST_SIZE);
    if size.is_some_and(|size| size < ATTEMPTS_MIN) {
        let help = format!("write \"{}\" or more, or \"off\"", WrittenSize(ATTEMPTS_MIN));
        node.spot.problem("the log of attempts has no room", help);
    }
    size.or(unless_written)
}

fn segment_size_of(node: &Node<'_>, journal: &mut JournalConfig) {
    if let Some(size) = node.size(SEGMENT_MAX) {
        if size < SEGMENT_MIN {
            node.spot.problem("a segment is too small", format!("write \"{}\" or more", WrittenSize(SEGMENT_MIN)));
        }
        journal.segment_size = size;
    }
}

fn retain_of(node: &Node<'_>, journal: &mut JournalConfig) {
    let Some(mut table) = node.table() else {
        return;
    };
    if let Some(age) = table.get("age").and_then(|node| node.duration()) {
        journal.retain.age = age;
    }
    match table.get("size") {
        Some(node) => {
            if let Some(size) = node.size(LARGEST_SIZE) {
                journal.retain.size = size;
                if size >= journal.max_size {
                    node.spot.problem(
                        "this leaves no room in `max_size` for events that have to be delivered",
                        "write a smaller size, or a larger max_size",
                    );
                }
            }
        }
        None => journal.retain.size = journal.retain.size.min(journal.max_size / 2),
    }
    table.finish();
}

/// One that is written, one before it that routes read, one made ready ahead, and one to spare.
const SEGMENTS_MIN: u64 = 4;

const ATTEMPTS_MIN: u64 = 1 << 20;

const SEGMENT_MIN: u64 = 1 << 20;

/// Offsets within a segment are 32 bits.
const SEGMENT_MAX: u64 = 2 << 30;
