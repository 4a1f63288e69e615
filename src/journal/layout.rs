//! Names and magic numbers of everything the journal keeps, in both directions.
//!
//! ```text
//! dir/lock                                    who has the directory
//! dir/segments/00000000000000000001.segment   named by the first sequence it can hold
//! dir/segments/00000000000000000001.index     what is in the segment of this name, once it is sealed
//! dir/segments/0123456789abcdef.spare         zeros, or what nobody needs any more: the next segment
//! ```
//!
//! `docs/journal-format.md` describes the bytes within.

use std::fmt;

/// The file that is locked.
pub(super) const LOCK: &str = "lock";

/// The folder of the segments.
pub(super) const SEGMENTS: &str = "segments";

/// Everything in a segment begins at a multiple of this: a write never touches a page that holds an older batch, and never
/// needs to read one first.
pub(super) const BLOCK: usize = 4096;

/// The first eight bytes of a segment.
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"hookseg\n";

/// The first eight bytes of an index page.
pub(super) const INDEX_MAGIC: [u8; 8] = *b"hookidx\n";

/// The version of the format, in every segment's header.
pub(super) const VERSION: u32 = 1;

/// A file in the folder of the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A segment, by the first sequence it can hold.
    Segment(u64),
    /// The index page of a segment.
    Index(u64),
    /// A file that waits to become a segment, by a random number.
    Spare(u64),
}

impl Name {
    /// Reads a name. `None` for anything that [`Name`] would not write.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stem, kind) = text.split_once('.')?;
        let name = match kind {
            "segment" => Name::Segment(stem.parse().ok()?),
            "index" => Name::Index(stem.parse().ok()?),
            "spare" => Name::Spare(u64::from_str_radix(stem, 16).ok()?),
            _ => return None,
        };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Segment(first) => write!(f, "{first:020}.segment"),
            Name::Index(first) => write!(f, "{first:020}.index"),
            Name::Spare(number) => write!(f, "{number:016x}.spare"),
        }
    }
}

/// The next bytes of what is read, so many as their place takes. `None` if there are not as many.
pub(super) fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

/// `bytes` rounded up to whole blocks.
pub(super) fn whole_blocks(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for name in [Name::Segment(1), Name::Segment(u64::MAX), Name::Index(1), Name::Spare(0), Name::Spare(u64::MAX)] {
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn other_names_are_not_the_journals() {
        let others =
            ["lock", "1.segment", "00000000000000000001.seg", "+0000000000000000001.segment", "0123456789ABCDEF.spare"];
        for other in others {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }
}
