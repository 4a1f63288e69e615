//! Ids for events whose provider sends none.
//!
//! The form is a ULID's: 26 characters of Crockford's base 32, of which the first ten are the time of receipt in
//! milliseconds, so that ids sort by age. The rest is a start chosen at random for each io thread and a count from there,
//! which costs no randomness per event.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_BITS: u32 = 80;

/// Makes ids on one io thread.
#[derive(Debug)]
pub(crate) struct IdSource {
    next: u128,
}

impl IdSource {
    /// A source that starts at random.
    pub(crate) fn new() -> Self {
        Self { next: fastrand::u128(..) }
    }

    /// A wall-clock time as ids have it.
    pub(crate) fn unix_ms(time: SystemTime) -> u64 {
        time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
    }

    /// The next id, for an event received at `unix_ms`.
    pub(crate) fn next(&mut self, unix_ms: u64) -> [u8; 26] {
        self.next = self.next.wrapping_add(1);
        let random = self.next & ((1 << RANDOM_BITS) - 1);
        let mut value = (u128::from(unix_ms) << RANDOM_BITS) | random;
        let mut text = [b'0'; 26];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(value & 31) as usize];
            value >>= 5;
        }
        text
    }
}

/// When an id was made, if it is one of hookgate's own: another ULID tells the time as well, and may be anything.
pub(crate) fn id_time(id: &str) -> Option<SystemTime> {
    if id.len() != 26 {
        return None;
    }
    let value = |byte: u8| ALPHABET.iter().position(|&letter| letter == byte).map(|value| value as u64);
    let all: Option<Vec<u64>> = id.bytes().map(value).collect();
    let unix_ms = all?.iter().take(10).fold(0_u64, |ms, value| ms << 5 | value);
    UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_never_repeat() {
        let mut ids = IdSource::new();
        let older = ids.next(1_700_000_000_000);
        let newer = ids.next(1_700_000_000_001);
        assert!(older < newer);
        assert_ne!(ids.next(5), ids.next(5));
    }

    #[test]
    fn the_time_can_be_read_back_as_a_ulid() {
        // The ULID specification's own example time, 1469918176385 ms, encodes to 01ARYZ6S41.
        let id = IdSource::new().next(1_469_918_176_385);
        assert_eq!(&id[..10], b"01ARYZ6S41");
        let time = id_time(std::str::from_utf8(&id).expect("text"));
        assert_eq!(time, Some(UNIX_EPOCH + Duration::from_millis(1_469_918_176_385)));
        assert_eq!(id_time("evt_1042"), None);
    }
}
