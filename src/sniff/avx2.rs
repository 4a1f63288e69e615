//! The same walk over containers where the processor has AVX2 and carry-less multiplication, which is asked at run time so
//! that one binary serves all: over bodies of 7 and 105 KB half as fast again as with the 16 bytes at a time that every
//! x86-64 has (`benches/sniff.rs`).
//!
//! This is the workspace's one place with `unsafe`: a function compiled for those instructions may be called only where they
//! are. Nothing here reads memory but through a reference to the 64 bytes of a block.
#![expect(unsafe_code, reason = "a call of a function with target features, behind the check for them")]

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setr_epi64x, _mm256_setzero_si256,
};

use super::scan::{BLOCK, KIND_OF_BRACKET, Masks, container_end_by};

/// The processor has not what it takes.
pub(super) struct Unsupported;

/// See [`super::scan::container_end`].
pub(super) fn container_end(bytes: &[u8], from: usize) -> Result<Option<usize>, Unsupported> {
    let is_able = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("bmi1");
    if !is_able {
        return Err(Unsupported);
    }
    // SAFETY: the processor has the features that the function is compiled for.
    Ok(unsafe { walk(bytes, from) })
}

#[target_feature(enable = "avx2,pclmulqdq,popcnt,bmi1")]
fn walk(bytes: &[u8], from: usize) -> Option<usize> {
    let masks = |block: &[u8; BLOCK]| {
        let [low, high] = halves(block);
        let equal = |low: __m256i, high: __m256i, byte: u8| {
            let byte = _mm256_set1_epi8(byte.cast_signed());
            let half = |half| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(half, byte)).cast_unsigned());
            half(low) | half(high) << 32
        };
        let kind = _mm256_set1_epi8(KIND_OF_BRACKET.cast_signed());
        let (low_kinds, high_kinds) = (_mm256_or_si256(low, kind), _mm256_or_si256(high, kind));
        Masks {
            quotes: equal(low, high, b'"'),
            backslashes: equal(low, high, b'\\'),
            opening: equal(low_kinds, high_kinds, b'{'),
            closing: equal(low_kinds, high_kinds, b'}'),
        }
    };
    // A carry-less product with all ones is the sum, without carries, of the bits shifted by every distance.
    let xor_of_all_before = |bits: u64| {
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits.cast_signed()), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product).cast_unsigned()
    };
    container_end_by(bytes, from, masks, xor_of_all_before)
}

/// The bytes in two registers; the compiler makes one load of each.
#[target_feature(enable = "avx2")]
fn halves(block: &[u8; BLOCK]) -> [__m256i; 2] {
    let mut halves = [_mm256_setzero_si256(); 2];
    for (half, bytes) in halves.iter_mut().zip(block.as_chunks::<32>().0) {
        let mut words = bytes.as_chunks().0.iter().map(|word| i64::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or_default();
        *half = _mm256_setr_epi64x(word(), word(), word(), word());
    }
    halves
}
