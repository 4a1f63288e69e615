//! What a route knows of an event that it parks in the journal, and its form in bytes. Pure.
//!
//! ```text
//! [ version 1 │ excused ms u64 │ attempts: { at ms u64 │ kind u8 │ status u16 │ length u16 │ detail } … ]
//! ```
//!
//! Numbers are little-endian. A length of 65,535 stands for the detail of the attempt before: a processor that is down says
//! the same each time.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::delivery::FailureKind;
use super::waiting::Attempt;

/// What has happened to an event, beyond the number of attempts.
#[derive(Debug, Default)]
pub(super) struct History {
    /// How long the processor's outages were that it has waited through.
    pub(super) excused: Duration,
    /// The oldest first. Of very many only the first and the last are kept.
    pub(super) attempts: Vec<Attempt>,
}

const VERSION: u8 = 1;

/// A dead letter lists no more than these: the record would grow with each attempt.
const ATTEMPTS_MAX: usize = 100;

const AS_BEFORE: u16 = u16::MAX;

/// The bytes of a history.
pub(super) fn encode(excused: Duration, attempts: &[Attempt]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&(excused.as_millis() as u64).to_le_bytes());
    let left_out = attempts.len().saturating_sub(ATTEMPTS_MAX);
    let kept = attempts.iter().take(1).chain(attempts.iter().skip(1 + left_out));
    let mut before: Option<&Arc<str>> = None;
    for attempt in kept {
        let at = attempt.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (kind, status) = number(attempt.kind);
        bytes.extend_from_slice(&(at.as_millis() as u64).to_le_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&status.to_le_bytes());
        if before.is_some_and(|before| **before == *attempt.detail) {
            bytes.extend_from_slice(&AS_BEFORE.to_le_bytes());
        } else {
            // At most 512 bytes, as `Failure::detail` says.
            let end = attempt.detail.floor_char_boundary(attempt.detail.len().min(AS_BEFORE as usize - 1));
            bytes.extend_from_slice(&(end as u16).to_le_bytes());
            bytes.extend_from_slice(attempt.detail.get(..end).unwrap_or_default().as_bytes());
        }
        before = Some(&attempt.detail);
    }
    bytes
}

/// Reads what [`encode`] has written. `None` for anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<History> {
    let (&version, mut rest) = bytes.split_first()?;
    if version != VERSION {
        return None;
    }
    let excused = Duration::from_millis(u64::from_le_bytes(take(&mut rest)?));
    let mut attempts: Vec<Attempt> = Vec::new();
    while !rest.is_empty() {
        let at = SystemTime::checked_add(&UNIX_EPOCH, Duration::from_millis(u64::from_le_bytes(take(&mut rest)?)))?;
        let [kind] = take(&mut rest)?;
        let kind = kind_of(kind, u16::from_le_bytes(take(&mut rest)?))?;
        let detail = match u16::from_le_bytes(take(&mut rest)?) {
            AS_BEFORE => Arc::clone(&attempts.last()?.detail),
            length => {
                let (detail, after) = rest.split_at_checked(length as usize)?;
                rest = after;
                std::str::from_utf8(detail).ok()?.into()
            }
        };
        attempts.push(Attempt { at, kind, detail });
    }
    Some(History { excused, attempts })
}

fn number(kind: FailureKind) -> (u8, u16) {
    match kind {
        FailureKind::Status(status) => (0, status),
        FailureKind::Connect => (1, 0),
        FailureKind::Tls => (2, 0),
        FailureKind::Timeout => (3, 0),
        FailureKind::BrokenAnswer => (4, 0),
        FailureKind::Io => (5, 0),
        FailureKind::Handler => (6, 0),
    }
}

fn kind_of(number: u8, status: u16) -> Option<FailureKind> {
    Some(match number {
        0 => FailureKind::Status(status),
        1 => FailureKind::Connect,
        2 => FailureKind::Tls,
        3 => FailureKind::Timeout,
        4 => FailureKind::BrokenAnswer,
        5 => FailureKind::Io,
        6 => FailureKind::Handler,
        _ => return None,
    })
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn attempt(at_ms: u64, kind: FailureKind, detail: &str) -> Attempt {
        Attempt { at: UNIX_EPOCH + Duration::from_millis(at_ms), kind, detail: detail.into() }
    }

    #[test]
    fn a_history_is_read_as_it_was_written_and_no_part_of_it_panics() {
        let kinds = [
            FailureKind::Status(503),
            FailureKind::Connect,
            FailureKind::Tls,
            FailureKind::Timeout,
            FailureKind::BrokenAnswer,
            FailureKind::Io,
            FailureKind::Handler,
        ];
        let attempts: Vec<_> =
            (0..21).map(|n| attempt(n, kinds[n as usize % 7], ["a", "ä"][n as usize / 7 % 2])).collect();
        let bytes = encode(Duration::from_millis(7), &attempts);
        let read = decode(&bytes).unwrap();
        assert_eq!(read.excused, Duration::from_millis(7));
        assert_eq!(read.attempts, attempts);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_none_or(|part| part.attempts.len() < attempts.len()));
        }
    }

    #[test]
    fn of_very_many_attempts_the_first_and_the_last_stay() {
        let attempts: Vec<_> = (0..1_000).map(|n| attempt(n, FailureKind::Connect, "refused")).collect();
        let bytes = encode(Duration::ZERO, &attempts);
        let read = decode(&bytes).unwrap().attempts;
        assert_eq!((read.len(), bytes.len()), (100, 9 + 100 * 13 + 7));
        assert_eq!((&read[0], &read[99]), (&attempts[0], &attempts[999]));
    }
}
