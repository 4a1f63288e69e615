//! Where in the journal a route begins that has never run before.

use std::time::SystemTime;

use super::log::{Log, LogError};
use crate::config::FromStart;
use crate::event::Sequence;
use crate::routes::Progress;

/// The first place of a route.
pub(super) fn begin(route: &str, from: FromStart, log: &mut dyn Log) -> Progress {
    let next = match from {
        FromStart::Now => log.end(),
        FromStart::Oldest => Sequence(0),
        FromStart::At(time) => {
            if time > SystemTime::now() {
                tracing::warn!(route, "the time in from_start is yet to come: the route begins with the next event");
            }
            first_since(time, log).unwrap_or_else(|error| {
                let before = log.begins_before(time);
                tracing::error!(route, %error, "the journal cannot be read where the route is to begin: it begins at {before}");
                before
            })
        }
    };
    Progress::at(next)
}

/// The first event that was received at `time` or later, or the end.
fn first_since(time: SystemTime, log: &mut dyn Log) -> Result<Sequence, LogError> {
    let mut from = log.begins_before(time);
    loop {
        let events = log.read(from, READ_BYTES)?;
        if let Some((found, _)) = events.iter().find(|(_, event)| event.received() >= time) {
            return Ok(*found);
        }
        match events.last() {
            Some((last, _)) => from = last.next(),
            None => return Ok(log.end()),
        }
    }
}

/// At once, of at most a segment or two.
const READ_BYTES: usize = 1 << 20;
