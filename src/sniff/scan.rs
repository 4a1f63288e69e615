//! Where a string or a container of JSON ends, 64 bytes at a time.
//!
//! ```text
//! bytes      [{"a":"x]\"}"},…
//! quotes     ··1·1·1·····1··      without those that are escaped
//! inside     ··11··111111···      each bit of quotes xored with all before it
//! opening    11·············      brackets that are not inside
//! closing    ·············1·
//! ```
//!
//! A container is skipped by counting the brackets that stand outside strings, both kinds as one. So nothing in it is
//! checked but that: neither which kind of bracket closes which, nor commas, colons and scalars. Depth is a number; nothing
//! recurses. The few branches are on what is rare, a backslash or the end, so that the cost does not depend on how the
//! content is laid out.

use wide::{u8x16, u8x32};

#[cfg(target_arch = "x86_64")]
use super::avx2;

/// The index just behind the bracket that closes a container, given the one just behind the bracket that opens it.
/// `None`: the bytes end first.
pub(crate) fn container_end(bytes: &[u8], from: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Ok(end) = avx2::container_end(bytes, from) {
        return end;
    }
    container_end_by(bytes, from, Masks::of, xor_of_all_before)
}

/// What a container is skipped by, of 64 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    pub(super) opening: u64,
    pub(super) closing: u64,
}

/// The walk itself, which is compiled for each way to get at masks and to combine them.
#[expect(clippy::inline_always, reason = "it has to become a part of the function that is compiled for AVX2")]
#[inline(always)]
pub(super) fn container_end_by(
    bytes: &[u8],
    from: usize,
    masks: impl Fn(&[u8; BLOCK]) -> Masks,
    xor_of_all_before: impl Fn(u64) -> u64,
) -> Option<usize> {
    let mut depth = 1;
    let mut escapes = Escapes::default();
    let mut inside_before = 0;
    first_in_blocks(bytes, from, |block| {
        let masks = masks(block);
        let quotes = masks.quotes & !escapes.of(masks.backslashes);
        let inside = xor_of_all_before(quotes) ^ inside_before;
        inside_before = ((inside as i64) >> (BLOCK - 1)) as u64;

        let (opening, closing) = (masks.opening & !inside, masks.closing & !inside);
        let closed = closing.count_ones();
        if closed as usize >= depth {
            return outermost_closing(&mut depth, opening, closing);
        }
        depth = depth - closed as usize + opening.count_ones() as usize;
        None
    })
    .map(|closing| closing + 1)
}

/// The end of a string's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StringEnd {
    /// The index of the closing quote.
    pub(crate) quote: usize,
    /// Whether there is a backslash before it.
    pub(crate) escapes: bool,
}

/// The end of the string whose content starts at `from`. `None`: the bytes end first.
#[inline]
pub(crate) fn string_end(bytes: &[u8], from: usize) -> Option<StringEnd> {
    // Most keys, and many values, are shorter than this and have no escapes.
    if let Some(start) = bytes.get(from..)?.first_chunk::<16>() {
        let start = u8x16::new(*start);
        let equal = |byte: u8| start.simd_eq(u8x16::splat(byte)).to_bitmask();
        let quotes = equal(b'"');
        let up_to_quote = quotes ^ quotes.wrapping_sub(1);
        if quotes != 0 && equal(b'\\') & up_to_quote == 0 {
            return Some(StringEnd { quote: from + quotes.trailing_zeros() as usize, escapes: false });
        }
    }
    long_string_end(bytes, from)
}

fn long_string_end(bytes: &[u8], from: usize) -> Option<StringEnd> {
    let mut escapes = Escapes::default();
    let quote = first_in_blocks(bytes, from, |block| {
        let block = Block::of(block);
        let backslashes = if block.has(b'\\') { block.equal(b'\\') } else { 0 };
        let quotes = block.equal(b'"') & !escapes.of(backslashes);
        (quotes != 0).then(|| quotes.trailing_zeros() as usize)
    })?;
    // The last block may have backslashes behind the quote.
    let escapes = escapes.seen && memchr::memchr(b'\\', bytes.get(from..quote)?).is_some();
    Some(StringEnd { quote, escapes })
}

/// Goes over the bytes from `from` on in blocks, the last filled up with spaces, until one gives the index of a byte in it.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn first_in_blocks(bytes: &[u8], from: usize, mut look: impl FnMut(&[u8; BLOCK]) -> Option<usize>) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        let found = match rest.first_chunk() {
            Some(block) => look(block),
            None => look(&filled_up(rest)),
        };
        if let Some(found) = found {
            return Some(at + found);
        }
        at += BLOCK;
    }
}

/// Less than a block, filled up with spaces.
#[cold]
fn filled_up(bytes: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    for (place, byte) in block.iter_mut().zip(bytes) {
        *place = *byte;
    }
    block
}

/// The index of the bracket that brings the depth to nothing, bracket by bracket.
#[cold]
fn outermost_closing(depth: &mut usize, opening: u64, closing: u64) -> Option<usize> {
    let mut brackets = opening | closing;
    while brackets != 0 {
        let at = brackets.trailing_zeros();
        if opening >> at & 1 == 1 {
            *depth += 1;
        } else {
            *depth -= 1;
            if *depth == 0 {
                return Some(at as usize);
            }
        }
        brackets &= brackets - 1;
    }
    None
}

/// Each bit xored with all lower ones: from the quotes, the bytes from an opening quote up to before its closing one.
#[inline]
fn xor_of_all_before(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

/// Which bytes are escaped, from block to block.
#[derive(Debug, Default)]
struct Escapes {
    /// 1 if the block before ended in a backslash that escapes the first byte of the next.
    carried: u64,
    /// Whether there was any backslash.
    seen: bool,
}

impl Escapes {
    /// The bytes, other than backslashes, that are escaped in the block with these.
    #[inline]
    fn of(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return std::mem::take(&mut self.carried);
        }
        self.seen = true;
        self.behind(backslashes)
    }

    /// Backslashes come in runs, and one of odd length escapes the byte behind it. Adding a run's first bit to it leaves
    /// the one bit behind it; whether that has the parity of the first tells the length's.
    fn behind(&mut self, backslashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let carried = self.carried;
        let runs = backslashes & !carried;
        let first = runs & !(runs << 1);
        let (behind_odd, overflow) = runs.overflowing_add(first & !EVEN);
        let behind_even = runs.wrapping_add(first & EVEN);
        self.carried = u64::from(overflow);
        carried | (!runs & ((behind_even & !EVEN) | (behind_odd & EVEN)))
    }
}

/// Bytes per block: the bits of a mask.
pub(super) const BLOCK: usize = 64;

/// Opening brackets and braces differ in this bit alone, closing ones too, and no other byte falls together with them.
pub(super) const KIND_OF_BRACKET: u8 = 0x20;

impl Masks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let block = Block::of(block);
        let brackets = block.with(KIND_OF_BRACKET);
        Self {
            quotes: block.equal(b'"'),
            backslashes: if block.has(b'\\') { block.equal(b'\\') } else { 0 },
            opening: brackets.equal(b'{'),
            closing: brackets.equal(b'}'),
        }
    }
}

/// 64 bytes, to be asked for masks: one bit per byte, the lowest for the first. In halves, because a build for processors
/// with AVX2 compares 32 bytes at once; others do it in two steps.
#[derive(Clone, Copy)]
struct Block([u8x32; 2]);

impl Block {
    #[inline]
    fn of(bytes: &[u8; BLOCK]) -> Self {
        let mut halves = [u8x32::ZERO; 2];
        for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks().0) {
            *half = u8x32::new(*bytes);
        }
        Self(halves)
    }

    /// With these bits set in every byte.
    #[inline]
    fn with(self, bits: u8) -> Self {
        let Self([low, high]) = self;
        let bits = u8x32::splat(bits);
        Self([low | bits, high | bits])
    }

    #[inline]
    fn equal(self, byte: u8) -> u64 {
        let Self([low, high]) = self;
        let byte = u8x32::splat(byte);
        u64::from(low.simd_eq(byte).to_bitmask()) | u64::from(high.simd_eq(byte).to_bitmask()) << 32
    }

    #[inline]
    fn has(self, byte: u8) -> bool {
        let Self([low, high]) = self;
        let byte = u8x32::splat(byte);
        (low.simd_eq(byte) | high.simd_eq(byte)).to_bitmask() != 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn closes_at(text: &str) -> Option<usize> {
        container_end(text.as_bytes(), 1)
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(closes_at(r#"["]"]"#), Some(5));
        assert_eq!(closes_at(r#"["\"]"]"#), Some(7));
        assert_eq!(closes_at(r#"["\\"]"#), Some(6));
        assert_eq!(closes_at(r#"["\\\"]"]"#), Some(9));
    }

    #[test]
    fn an_open_container_has_no_end() {
        for text in ["[", "[[]", r#"["]"#, r#"["]\"]"#, r#"["\"#] {
            assert_eq!(closes_at(text), None, "{text}");
        }
    }

    #[test]
    fn a_container_ends_at_the_same_place_wherever_it_falls_on_the_blocks() {
        let tail = r#"{"a\\\"]":["}",{"b":"\\"}]}]"#;
        for spaces in 0..200 {
            let text = format!("[{}{tail}, more", " ".repeat(spaces));
            assert_eq!(closes_at(&text), Some(1 + spaces + tail.len()), "{spaces} spaces");
        }
    }

    #[test]
    fn a_string_ends_at_the_first_quote_that_is_not_escaped() {
        let end = |text: &str| string_end(text.as_bytes(), 0).map(|end| (end.quote, end.escapes));
        assert_eq!(end(r#"" rest""#), Some((0, false)));
        assert_eq!(end(r#"abc""#), Some((3, false)));
        assert_eq!(end(r#"\"\\""#), Some((4, true)));
        assert_eq!(end(r"abc"), None);
        assert_eq!(end(r"abc\"), None);
        assert_eq!(end(r#"abc\""#), None);
    }

    proptest! {
        #[test]
        fn masks_agree_with_a_look_at_each_byte(bytes in prop::collection::vec(interesting_byte(), BLOCK)) {
            let block = Block::of(bytes.as_slice().try_into().unwrap());
            let bits = |is: &dyn Fn(u8) -> bool| {
                bytes.iter().enumerate().filter(|(_, byte)| is(**byte)).map(|(at, _)| 1_u64 << at).sum::<u64>()
            };
            prop_assert_eq!(block.equal(b'"'), bits(&|byte| byte == b'"'));
            prop_assert_eq!(block.has(b'\\'), bytes.contains(&b'\\'));
            prop_assert_eq!(block.with(KIND_OF_BRACKET).equal(b'{'), bits(&|byte| matches!(byte, b'{' | b'[')));
            prop_assert_eq!(block.with(KIND_OF_BRACKET).equal(b'}'), bits(&|byte| matches!(byte, b'}' | b']')));
        }

        #[test]
        fn a_string_ends_where_a_byte_by_byte_reading_says(bytes in prop::collection::vec(string_byte(), 0..400)) {
            prop_assert_eq!(string_end(&bytes, 0), slow_string_end(&bytes));
        }

        #[test]
        fn a_container_ends_where_a_byte_by_byte_reading_says(bytes in prop::collection::vec(interesting_byte(), 0..400)) {
            let slow = slow_container_end(&bytes);
            prop_assert_eq!(container_end(&bytes, 0), slow);
            prop_assert_eq!(container_end_by(&bytes, 0, Masks::of, xor_of_all_before), slow);
        }
    }

    /// Structure, what differs from it in one bit, and anything.
    fn interesting_byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            8 => prop::sample::select(b"\"\\[]{}".as_slice()),
            4 => prop::sample::select(b"a ,:0".as_slice()),
            1 => any::<u8>(),
        ]
    }

    /// Long strings, long runs of backslashes, few quotes.
    fn string_byte() -> impl Strategy<Value = u8> {
        prop_oneof![20 => Just(b'a'), 20 => Just(b'\\'), 1 => Just(b'"')]
    }

    fn slow_string_end(bytes: &[u8]) -> Option<StringEnd> {
        let mut at = 0;
        let mut escapes = false;
        loop {
            match bytes.get(at)? {
                b'"' => return Some(StringEnd { quote: at, escapes }),
                b'\\' => {
                    escapes = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
    }

    fn slow_container_end(bytes: &[u8]) -> Option<usize> {
        let (mut depth, mut in_string, mut escaped) = (1_usize, false, false);
        for (at, &byte) in bytes.iter().enumerate() {
            let behind_backslash = std::mem::take(&mut escaped);
            match byte {
                b'"' | b'\\' if behind_backslash => {}
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => depth += 1,
                b']' | b'}' if !in_string => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
