//! Where a route stands in the journal: `backlog`, `from_start`.

use super::gateway::LARGEST_SIZE;
use crate::config::node::Node;
use crate::config::units::WrittenSize;
use crate::config::{BacklogConfig, BacklogFull, FromStart, JournalConfig};

/// `backlog`, by default half of the journal.
pub(super) fn backlog(node: Option<Node<'_>>, journal: &JournalConfig) -> BacklogConfig {
    let mut backlog = BacklogConfig { size: journal.max_size / 2, when_full: BacklogFull::RefuseSource };
    let Some(mut table) = node.and_then(|node| node.table()) else {
        return backlog;
    };
    if let Some(node) = table.get("size")
        && let Some(size) = node.size(LARGEST_SIZE)
    {
        if size >= journal.max_size {
            node.spot.problem(
                "the journal is full before this is: all durable sources would be refused, not only those of the route",
                format!("write less than its max_size, \"{}\"", WrittenSize(journal.max_size)),
            );
        }
        backlog.size = size;
    }
    if let Some(node) = table.get("when_full") {
        let choices = [("refuse_source", BacklogFull::RefuseSource), ("drop_oldest", BacklogFull::DropOldest)];
        backlog.when_full = node.choice(&choices).unwrap_or(backlog.when_full);
    }
    table.finish();
    backlog
}

/// `from_start`: a word or a time.
pub(super) fn from_start(node: &Node<'_>) -> Option<FromStart> {
    let written = node.text()?;
    if written.starts_with(|first: char| first.is_ascii_digit()) {
        return match humantime::parse_rfc3339(written) {
            Ok(time) => Some(FromStart::At(time)),
            Err(_) => node.refuse("this is not a time", "write it in UTC, as in \"2026-11-25T08:30:00Z\""),
        };
    }
    node.choice(&[("now", FromStart::Now), ("oldest", FromStart::Oldest)])
}
