//! `duplicates = "off"` or `duplicates = { age = "24h", ids = 65536 }`.

use crate::config::DuplicatesConfig;
use crate::config::node::Node;

/// Ids take some 80 bytes of memory each.
const IDS_MAX: u64 = 10_000_000;

/// Reads the key's value.
pub(super) fn duplicates(node: &Node<'_>) -> DuplicatesConfig {
    if node.is_text() {
        if node.text() != Some("off") {
            node.spot.problem(
                "duplicates is a window or \"off\"",
                "write duplicates = { age = \"24h\", ids = 65536 }, or \"off\"",
            );
        }
        return DuplicatesConfig::OFF;
    }
    let mut window = DuplicatesConfig::DEFAULT;
    if let Some(mut table) = node.table() {
        if let Some(age) = table.get("age").and_then(|node| node.positive_duration()) {
            window.age = age;
        }
        if let Some(ids) = table.get("ids").and_then(|node| node.number(1..=IDS_MAX)) {
            window.ids = ids as usize;
        }
        table.finish();
    }
    window
}
