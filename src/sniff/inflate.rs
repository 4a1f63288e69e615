//! Bodies that came compressed, within bounds, so that what they say can be read.
//!
//! The event keeps the bytes as they came, since the signature is over those: what is inflated here is looked at and
//! forgotten. A body may inflate to as many bytes as it may have itself, and to no more than [`RATIO_MAX`] times what came:
//! what is beyond either is refused before it is there.
//!
//! The decoder of a stream (`miniz_oxide`) keeps the last 32 KiB in a ring that begins as zeros, and asks of a distance only whether
//! it reaches beyond the ring. So a body that refers to before its own beginning, which RFC 1951 forbids (section 3.2.3) and zlib
//! refuses, reads zeros from there; the shortest is `03 02 00`, three of them. Nothing of another body is in the ring, a
//! checksum is over what was read, and who sends such a body sends a type that nobody has: it is not worth a second way to inflate.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Real bodies of JSON come to 10 or 20 times their size, long lists of like records to 100 times.
const RATIO_MAX: usize = 200;

/// Up to this size the ratio does not matter.
const RATIO_FREE_BYTES: usize = 64 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// `gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib (RFC 1950), and what some senders take it for, the same without its head (RFC 1951).
    Deflate,
}

/// The coding is none of those, or more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownCoding;

/// Why a body cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is not what its coding says, or cut off.
    Malformed,
    /// It would come to more than it may.
    TooLarge,
}

impl Coding {
    /// The coding that a head names, if it names any.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, UnknownCoding> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Self::named(value.as_bytes()),
            (Some(_), Some(_)) => Err(UnknownCoding),
        }
    }

    /// The coding of this name; `identity` is none.
    pub(crate) fn named(name: &[u8]) -> Result<Option<Self>, UnknownCoding> {
        let is = |known: &str| name.trim_ascii().eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("") || is("identity") => Ok(None),
            () if is("gzip") || is("x-gzip") => Ok(Some(Self::Gzip)),
            () if is("deflate") => Ok(Some(Self::Deflate)),
            () => Err(UnknownCoding),
        }
    }

    /// Inflates `body` into `into`, which is cleared before; `max` bounds what it may come to.
    pub(crate) fn inflate(self, body: &[u8], max: usize, into: &mut Vec<u8>) -> Result<(), InflateError> {
        into.clear();
        let max = max.min(RATIO_FREE_BYTES.max(body.len().saturating_mul(RATIO_MAX)));
        match self {
            Self::Gzip => gunzip(body, max, into),
            Self::Deflate => inflate(body, max, into),
        }
    }
}

/// Checks length and checksum of every member too.
fn gunzip(body: &[u8], max: usize, into: &mut Vec<u8>) -> Result<(), InflateError> {
    let decoder = MultiGzDecoder::new(body);
    let read = decoder.take(max as u64 + 1).read_to_end(into);
    match read {
        Ok(_) if into.len() > max => Err(InflateError::TooLarge),
        Ok(_) => Ok(()),
        Err(_) => Err(InflateError::Malformed),
    }
}

fn inflate(body: &[u8], max: usize, into: &mut Vec<u8>) -> Result<(), InflateError> {
    let mut state = Decompress::new(has_zlib_head(body));
    loop {
        if into.len() == into.capacity() {
            into.reserve(into.len().clamp(4 << 10, 1 << 20).min(max + 1 - into.len()));
        }
        let before = (state.total_in(), state.total_out());
        let rest = body.get(before.0 as usize..).unwrap_or_default();
        let status = state.decompress_vec(rest, into, FlushDecompress::None).map_err(|_| InflateError::Malformed)?;
        if into.len() > max {
            return Err(InflateError::TooLarge);
        }
        match status {
            Status::StreamEnd if state.total_in() == body.len() as u64 => return Ok(()),
            // Something follows that is no part of it.
            Status::StreamEnd => return Err(InflateError::Malformed),
            // There was room, and it wants more than there is.
            Status::Ok | Status::BufError if before == (state.total_in(), state.total_out()) => {
                return Err(InflateError::Malformed);
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

/// RFC 1950, section 2.2: the method is 8, and the first two bytes are a multiple of 31.
fn has_zlib_head(body: &[u8]) -> bool {
    let head = body.first_chunk::<2>().copied().unwrap_or_default();
    head[0] & 0x0f == 8 && u16::from_be_bytes(head) % 31 == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflated(coding: Coding, body: &[u8], max: usize) -> Result<Vec<u8>, InflateError> {
        let mut into = b"left from before".to_vec();
        coding.inflate(body, max, &mut into).map(|()| into)
    }

    #[test]
    fn a_coding_is_known_by_its_name() {
        for (name, coding) in [
            ("gzip", Ok(Some(Coding::Gzip))),
            (" X-GZIP", Ok(Some(Coding::Gzip))),
            ("Deflate", Ok(Some(Coding::Deflate))),
            ("identity", Ok(None)),
            ("", Ok(None)),
            ("br", Err(UnknownCoding)),
            ("gzip, gzip", Err(UnknownCoding)),
            ("gzip\0", Err(UnknownCoding)),
        ] {
            assert_eq!(Coding::named(name.as_bytes()), coding, "{name}");
        }
        let gzip = http::HeaderValue::from_static("gzip");
        let twice: HeaderMap = [(CONTENT_ENCODING, gzip.clone()), (CONTENT_ENCODING, gzip)].into_iter().collect();
        assert_eq!(Coding::of(&twice), Err(UnknownCoding));
    }

    #[test]
    fn members_of_gzip_are_one_body() {
        let both = [gzip(b"{\"a\":"), gzip(b"1}")].concat();
        assert_eq!(inflated(Coding::Gzip, &both, MAX).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn what_refers_to_before_the_beginning_reads_zeros_and_nothing_of_another_body() {
        let mut into = Vec::new();
        Coding::Deflate.inflate(&raw(b"a body before"), MAX, &mut into).unwrap();
        Coding::Deflate.inflate(&[0x03, 0x02, 0x00], MAX, &mut into).unwrap();
        assert_eq!(into, [0; 3]);
        // A second member of gzip, with the checksum of zeros and of what may be left of the first.
        for (left, is_taken) in [([0; 3], true), (*b"ore", false), (*b"eee", false)] {
            let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x03, 0x02, 0x00];
            let mut crc = flate2::Crc::new();
            crc.update(&left);
            member.extend_from_slice(&crc.sum().to_le_bytes());
            member.extend_from_slice(&3_u32.to_le_bytes());
            let both = [gzip(b"a body before"), member].concat();
            assert_eq!(inflated(Coding::Gzip, &both, MAX).is_ok(), is_taken, "{left:?}");
        }
    }

    #[test]
    fn what_inflates_to_more_than_it_may_is_stopped() {
        let most: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for (coding, body) in
            [(Coding::Gzip, gzip(&most)), (Coding::Deflate, zlib(&most)), (Coding::Deflate, raw(&most))]
        {
            assert!(inflated(coding, &body, most.len()).is_ok_and(|inflated| inflated == most), "{coding:?}");
            assert!(inflated(coding, &body, most.len() - 1) == Err(InflateError::TooLarge), "{coding:?}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_long_before_it_is_there() {
        let bomb = vec![b' '; 50 << 20];
        for (coding, body) in
            [(Coding::Gzip, gzip(&bomb)), (Coding::Deflate, zlib(&bomb)), (Coding::Deflate, raw(&bomb))]
        {
            let mut into = Vec::new();
            assert_eq!(coding.inflate(&body, 100 << 20, &mut into), Err(InflateError::TooLarge));
            assert!(into.capacity() < 30 << 20, "{} bytes", into.capacity());
        }
    }

    #[test]
    fn what_is_cut_off_changed_or_followed_by_more_is_malformed() {
        let body: Vec<u8> = (0..5_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for (coding, whole) in
            [(Coding::Gzip, gzip(&body)), (Coding::Deflate, zlib(&body)), (Coding::Deflate, raw(&body))]
        {
            for cut in [1, 2, 5, whole.len() / 2, whole.len() - 5, whole.len() - 1] {
                assert_eq!(
                    inflated(coding, &whole[..cut], MAX),
                    Err(InflateError::Malformed),
                    "{coding:?} cut at {cut}"
                );
            }
            let longer = [whole.as_slice(), b"more"].concat();
            assert_eq!(inflated(coding, &longer, MAX), Err(InflateError::Malformed), "{coding:?}");
        }
        let mut wrong = gzip(&body);
        let checksum = wrong.len() - 6;
        wrong[checksum] ^= 1;
        assert_eq!(inflated(Coding::Gzip, &wrong, MAX), Err(InflateError::Malformed));
        assert_eq!(inflated(Coding::Gzip, b"{\"a\":1}", MAX), Err(InflateError::Malformed));
        assert_eq!(inflated(Coding::Deflate, b"{\"a\":1}", MAX), Err(InflateError::Malformed));
        assert_eq!(inflated(Coding::Deflate, b"", MAX), Err(InflateError::Malformed));
    }

    proptest! {
        #[test]
        fn any_body_comes_back(body in prop::collection::vec(any::<u8>(), 0..5_000)) {
            prop_assert_eq!(inflated(Coding::Gzip, &gzip(&body), MAX), Ok(body.clone()));
            prop_assert_eq!(inflated(Coding::Deflate, &zlib(&body), MAX), Ok(body.clone()));
            prop_assert_eq!(inflated(Coding::Deflate, &raw(&body), MAX), Ok(body.clone()));
        }

        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = inflated(Coding::Gzip, &body, 1_000);
            let _ = inflated(Coding::Gzip, &[&[0x1f, 0x8b, 8], body.as_slice()].concat(), 1_000);
            let _ = inflated(Coding::Deflate, &body, 1_000);
            let _ = inflated(Coding::Deflate, &[&[0x78, 0x9c], body.as_slice()].concat(), 1_000);
        }
    }
}
