//! What must hold of any bytes in a file of the quarantine.

use super::entry::Entry;

/// A file, and one whose mark and checksum are right. It is none, or holds what is in it and says the same when it is written
/// again.
pub(crate) fn entry(data: &[u8]) {
    let _ = Entry::decode(data);
    let mut file = b"hgquar1\n".to_vec();
    file.extend_from_slice(&crc32c::crc32c(data).to_le_bytes());
    file.extend_from_slice(data);
    let Some(entry) = Entry::decode(&file) else { return };
    let length =
        |at: usize| data.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let headers_at = 8 + length(0) as usize;
    let body_at = headers_at + length(4) as usize;
    assert_eq!(Some(entry.body.as_slice()), data.get(body_at..));
    let lines: Vec<u8> =
        entry.headers.iter().flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"].concat()).collect();
    assert_eq!(Some(lines.as_slice()), data.get(headers_at..body_at));
    let known: serde_json::Value = serde_json::from_slice(data.get(8..headers_at).expect("JSON")).expect("JSON");
    for (name, text) in [
        ("id", &entry.summary.id),
        ("source", &entry.summary.source),
        ("reason", &entry.summary.reason),
        ("method", &entry.method),
        ("target", &entry.target),
    ] {
        assert_eq!(known.get(name).and_then(|value| value.as_str()), Some(text.as_str()), "{name}");
    }
    let written = entry.encode();
    assert!(Entry::decode(&written).is_some_and(|again| again == entry), "it is written as another");
    let mut changed = written.clone();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    assert!(Entry::decode(&changed).is_none(), "a change is not noticed");
    let cut = data.len() / 2;
    assert!(Entry::decode(written.get(..written.len() - 1 - cut.min(written.len() / 2)).expect("shorter")).is_none());
    // What is let in again is read as a request.
    if let Some(head) = entry.head() {
        assert_eq!(head.headers.len(), entry.headers.len());
        assert_eq!(head.method.as_str(), entry.method);
    }
    let _ = (entry.summary.received_ms, entry.had_credentials());
}
