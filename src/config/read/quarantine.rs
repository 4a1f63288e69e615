//! `[quarantine]`.

use std::time::Duration;

use super::gateway::LARGEST_SIZE;
use crate::config::table::Table;
use crate::config::units::WrittenSize;
use crate::config::{Ack, JournalConfig, QuarantineConfig, SourceConfig};

/// `[quarantine]`. Where it is not written there is one with defaults if a source is durable, so that something is written to
/// this disk anyway.
pub(in crate::config) fn quarantine(
    root: &mut Table<'_>,
    journal: &JournalConfig,
    sources: &[SourceConfig],
) -> Option<QuarantineConfig> {
    let mut quarantine = QuarantineConfig {
        dir: journal.dir.join("quarantine"),
        max_size: 64 << 20,
        max_events: 10_000,
        max_age: Duration::from_hours(7 * 24),
    };
    let Some(mut table) = root.section("quarantine") else {
        return sources.iter().any(|source| source.ack == Ack::Durable).then_some(quarantine);
    };
    let mut is_off = false;
    if let Some(node) = table.get("max_size") {
        if node.value.as_str() == Some("off") {
            is_off = true;
        } else if let Some(size) = node.size(LARGEST_SIZE) {
            if size < SIZE_MIN {
                let help = format!("write \"{}\" or more, or \"off\"", WrittenSize(SIZE_MIN));
                node.spot.problem("the quarantine has no room", help);
            }
            quarantine.max_size = size;
        }
    }
    if let Some(most) = table.get("max_events").and_then(|node| node.number(1..=EVENTS_MAX)) {
        quarantine.max_events = most as usize;
    }
    if let Some(age) = table.get("max_age").and_then(|node| node.positive_duration()) {
        quarantine.max_age = age;
    }
    table.finish();
    (!is_off).then_some(quarantine)
}

const SIZE_MIN: u64 = 1 << 20;

/// Each is a file, and some 200 bytes of memory.
const EVENTS_MAX: u64 = 100_000;
