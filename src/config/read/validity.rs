//! `valid_from` and `valid_until` of a secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use toml::de::DeValue;
use toml::value::{Datetime, Offset};

use crate::config::Validity;
use crate::config::document::Spot;
use crate::config::node::Node;
use crate::config::table::Table;

/// Reads both.
pub(super) fn validity(table: &mut Table<'_>) -> Validity {
    let from = table.get("valid_from").and_then(|node| moment(&node));
    let until_node = table.get("valid_until");
    let until = until_node.as_ref().and_then(moment);
    if let (Some(from), Some(until), Some(node)) = (from, until, until_node)
        && until <= from
    {
        node.spot.problem("this is not after valid_from, so the secret never counts", "write a later time");
    }
    Validity { from, until }
}

/// A secret of a list, and its time.
pub(super) struct Ending<'d> {
    pub(super) spot: Spot<'d>,
    pub(super) validity: Validity,
}

impl Ending<'_> {
    /// Warns of those secrets of a list that have ended or soon will, and where nothing counts then.
    pub(super) fn warn_of(list: &[Self]) {
        for (at, ending) in list.iter().enumerate() {
            let Some(until) = ending.validity.until else { continue };
            let now = ending.spot.reading().now;
            let has_ended = until <= now;
            if !has_ended && until > now + SOON {
                continue;
            }
            let others = list.iter().enumerate().filter(|(other, _)| *other != at);
            let is_followed = others.clone().any(|(_, other)| other.validity.holds(until.max(now)));
            let help = match (has_ended, is_followed) {
                (true, true) => "take it out",
                (false, true) => "take it out then; another takes its place",
                (true, false) => "no other counts now, and nobody can prove anything: write { … } with a newer secret",
                (false, false) => "no other counts then: write the next one beside it, in a list",
            };
            let ends = if has_ended { "has ended" } else { "ends" };
            ending.spot.warn(format!("this secret {ends} at {}", format_rfc3339_seconds(until)), help);
        }
    }
}

/// A date and time with its offset, in quotes or as TOML has it.
fn moment(node: &Node<'_>) -> Option<SystemTime> {
    let written = match node.value {
        DeValue::Datetime(written) => Some(*written),
        DeValue::String(text) => text.parse().ok(),
        _ => return node.wrong_type("a time", HELP),
    };
    written.and_then(since_epoch).or_else(|| node.refuse("this is not a date and time with its offset", HELP))
}

fn since_epoch(written: Datetime) -> Option<SystemTime> {
    let (date, time, offset) = (written.date?, written.time?, written.offset?);
    let greenwich = humantime::parse_rfc3339(&format!("{date}T{time}Z")).ok()?;
    let since = greenwich.duration_since(UNIX_EPOCH).ok()?;
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => minutes,
    };
    let ahead = Duration::from_secs(u64::from(minutes.unsigned_abs()) * 60);
    let since = if minutes < 0 { since.checked_add(ahead)? } else { since.checked_sub(ahead)? };
    UNIX_EPOCH.checked_add(since)
}

/// Time enough to put another in its place.
const SOON: Duration = Duration::from_hours(7 * 24);

const HELP: &str = "write it as \"2027-01-31T12:00:00Z\" or \"2027-01-31T13:00:00+01:00\"";
