//! What must hold of any bytes in the log of attempts.

use std::time::{Duration, UNIX_EPOCH};

use super::format::{Attempt, Entry, take_block, write_block};
use crate::event::Sequence;
use crate::routes::delivery::FailureKind;

/// Blocks as they are, and one whose checksum is right. It is none, or says the same when it is written again. And entries
/// that are made from these bytes are read as they were written.
pub(crate) fn log(data: &[u8]) {
    let made = made_from(data);
    let mut written = Vec::new();
    write_block(&made, &mut written);
    let read = take_block(&mut written.as_slice());
    assert!(read.as_deref() == Some(made.as_slice()), "{made:?} is written as {read:?}");
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

/// Entries of what 24 bytes each say.
fn made_from(data: &[u8]) -> Vec<Entry> {
    data.as_chunks::<24>().0.iter().map(entry_of).collect()
}

fn entry_of(bytes: &[u8; 24]) -> Entry {
    let number = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |n| u32::from_le_bytes(*n));
    let at = UNIX_EPOCH + Duration::from_millis(u64::from(number(0)) << (bytes[4] % 10));
    let status = 100 + u16::from(bytes[5]) % 500;
    let kind = match bytes[6] % 10 {
        0 => return Entry::Began(at),
        1 => return Entry::Ended(at),
        2 => FailureKind::Connect,
        3 => FailureKind::Tls,
        4 => FailureKind::Timeout,
        5 => FailureKind::BrokenAnswer,
        6 => FailureKind::Io,
        7 => FailureKind::Handler,
        _ => FailureKind::Status(status),
    };
    let detail = String::from_utf8_lossy(bytes.get(19..).unwrap_or_default()).into_owned();
    Entry::Attempt(Attempt {
        route: format!("route-{}", bytes[7] % 3).into(),
        number: number(8),
        sequence: (bytes[12] & 1 == 1).then(|| Sequence(u64::from(number(13)) << (bytes[12] % 32))),
        key: u64::from(number(11)).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        started: at,
        took: Duration::from_micros(u64::from(number(14))),
        failure: (bytes[18] & 1 == 1).then(|| (kind, detail.into())),
    })
}
