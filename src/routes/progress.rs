//! What is recorded of a route's place in the journal, and its form in bytes. Pure.
//!
//! ```text
//! [ version 1 | next | number of undone | next − first undone | gap to the second − 1 | … ]     numbers: LEB128
//! ```

use thiserror::Error;

use crate::event::Sequence;

/// How far a route has come: it is done with everything below `next`, but for `undone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    /// In their order, all of them below `next`.
    undone: Vec<Sequence>,
    next: Sequence,
}

/// Why bytes are no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ProgressError {
    /// Written by a later hookgate.
    #[error("progress has the unknown version {0}; it was written by another version of hookgate")]
    Version(u8),
    /// They end too early, too late, or make no sense.
    #[error("progress is damaged")]
    Damaged,
}

impl Progress {
    /// Done with everything below `next`, and with nothing from there on.
    pub(crate) fn at(next: Sequence) -> Self {
        Self { undone: Vec::new(), next }
    }

    pub(super) fn new(undone: Vec<Sequence>, next: Sequence) -> Self {
        debug_assert!(undone.is_sorted_by(|a, b| a < b) && undone.last().is_none_or(|&last| last < next));
        Self { undone, next }
    }

    /// The lowest event it is not done with: nothing below is needed.
    pub(crate) fn position(&self) -> Sequence {
        self.undone.first().copied().unwrap_or(self.next)
    }

    /// Whether it is done with an event.
    pub(crate) fn is_done(&self, sequence: Sequence) -> bool {
        sequence < self.next && self.undone.binary_search(&sequence).is_err()
    }

    pub(super) fn undone(&self) -> &[Sequence] {
        &self.undone
    }

    pub(super) fn next(&self) -> Sequence {
        self.next
    }

    /// Appends its bytes.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(VERSION);
        push_number(bytes, self.next.0);
        push_number(bytes, self.undone.len() as u64);
        let mut undone = self.undone.iter();
        let Some(first) = undone.next() else { return };
        push_number(bytes, self.next.0 - first.0);
        let mut before = first.0;
        for sequence in undone {
            push_number(bytes, sequence.0 - before - 1);
            before = sequence.0;
        }
    }

    /// Reads what [`Progress::encode`] has written: these bytes and no more.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ProgressError> {
        let (&version, mut rest) = bytes.split_first().ok_or(ProgressError::Damaged)?;
        if version != VERSION {
            return Err(ProgressError::Version(version));
        }
        Self::decode_numbers(&mut rest).filter(|_| rest.is_empty()).ok_or(ProgressError::Damaged)
    }

    fn decode_numbers(rest: &mut &[u8]) -> Option<Self> {
        let next = take_number(rest)?;
        // Each takes up at least a byte: a damaged count does not make this allocate more than was read.
        let count = usize::try_from(take_number(rest)?).ok().filter(|&count| count <= rest.len())?;
        let mut undone = Vec::with_capacity(count);
        for at in 0..count {
            let number = take_number(rest)?;
            let sequence = match undone.last() {
                None => next.checked_sub(number),
                Some(&Sequence(before)) => before.checked_add(1).and_then(|least| least.checked_add(number)),
            };
            let sequence = sequence.filter(|&sequence| sequence < next)?;
            debug_assert_eq!(at, undone.len());
            undone.push(Sequence(sequence));
        }
        Some(Self { undone, next: Sequence(next) })
    }
}

const VERSION: u8 = 1;

pub(super) fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn encoded(progress: &Progress) -> Vec<u8> {
        let mut bytes = Vec::new();
        progress.encode(&mut bytes);
        bytes
    }

    #[test]
    fn the_bytes_are_what_they_have_always_been() {
        assert_eq!(encoded(&Progress::at(Sequence(300))), [1, 0xac, 2, 0]);
        let out_of_order = Progress::new([3, 4, 200].map(Sequence).to_vec(), Sequence(300));
        assert_eq!(encoded(&out_of_order), [1, 0xac, 2, 3, 0xa9, 2, 0, 0xc3, 1]);
        assert_eq!(Progress::decode(&encoded(&out_of_order)), Ok(out_of_order));
    }

    #[test]
    fn another_version_is_told_from_damage() {
        assert_eq!(Progress::decode(&[2, 0, 0]), Err(ProgressError::Version(2)));
        assert_eq!(Progress::decode(&[]), Err(ProgressError::Damaged));
    }

    #[test]
    fn bytes_that_make_no_sense_are_damage() {
        for bytes in [
            // More than 64 bits; a number that never ends.
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0][..],
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            // More undone ones than bytes.
            &[1, 9, 0xff, 0xff, 0xff, 0xff, 0x7f, 1],
            // An undone one below 0, at `next`, and behind it.
            &[1, 9, 1, 10],
            &[1, 9, 1, 0],
            &[1, 9, 2, 1, 5],
            // A byte too many.
            &[1, 9, 0, 0],
        ] {
            assert_eq!(Progress::decode(bytes), Err(ProgressError::Damaged), "{bytes:?}");
        }
    }

    fn any_progress() -> impl Strategy<Value = Progress> {
        (any::<u64>(), btree_set(1..100_000_u64, 0..200)).prop_map(|(next, below)| {
            let undone = below.into_iter().rev().filter_map(|distance| next.checked_sub(distance)).map(Sequence);
            Progress::new(undone.collect(), Sequence(next))
        })
    }

    proptest! {
        #[test]
        fn progress_is_read_as_it_was_written_and_never_from_a_part(progress in any_progress()) {
            let bytes = encoded(&progress);
            prop_assert_eq!(Progress::decode(&bytes).unwrap(), progress);
            for length in 0..bytes.len() {
                prop_assert_eq!(Progress::decode(&bytes[..length]), Err(ProgressError::Damaged));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(progress) = Progress::decode(&[&[VERSION], &bytes[..]].concat()) {
                prop_assert!(progress.position() <= progress.next());
            }
        }
    }
}
