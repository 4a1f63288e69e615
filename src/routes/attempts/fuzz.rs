//! What must hold of any bytes in the log of attempts.

use super::format::{Entry, take_block, write_block};

/// Blocks as they are, and one whose checksum is right. It is none, or says the same when it is written again.
pub(crate) fn log(data: &[u8]) {
    let mut rest = data;
    while take_block(&mut rest).is_some() {}
    let mut block = b"hgat".to_vec();
    block.extend_from_slice(&(data.len() as u32).to_le_bytes());
    block.extend_from_slice(&crc32c::crc32c(data).to_le_bytes());
    block.extend_from_slice(data);
    block.extend_from_slice(b"behind");
    let mut rest = block.as_slice();
    let Some(entries) = take_block(&mut rest) else { return };
    assert_eq!(rest, b"behind");
    for entry in &entries {
        is_possible(entry, data);
    }
    let mut written = Vec::new();
    write_block(&entries, &mut written);
    let again = take_block(&mut written.as_slice());
    assert!(again.as_deref() == Some(entries.as_slice()), "{entries:?} is written as {again:?}");
    let last = written.len() - 1;
    assert!(take_block(&mut &written[..last]).is_none(), "it is cut off");
    written[last] ^= 1;
    assert!(take_block(&mut written.as_slice()).is_none(), "a change is not noticed");
}

/// Texts and keys stand in the block as they are.
fn is_possible(entry: &Entry, data: &[u8]) {
    let has = |bytes: &[u8]| bytes.is_empty() || memchr::memmem::find(data, bytes).is_some();
    if let Entry::Attempt(attempt) = entry {
        assert!(has(attempt.route.as_bytes()), "{attempt:?}");
        assert!(has(&attempt.key.to_le_bytes()), "{attempt:?}");
        assert!(attempt.failure.as_ref().is_none_or(|(_, detail)| has(detail.as_bytes())), "{attempt:?}");
    }
}
