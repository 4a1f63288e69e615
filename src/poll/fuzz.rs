//! What must hold of any bytes in the file of a poll's memory.

use http::{HeaderMap, Uri};
use serde_json::Value;

use super::memory::Memory;
use super::target;

/// A memory that is read holds what a JSON parser finds in it, says the same when it is written again, and what is asked for with
/// it is a request.
pub(crate) fn memory(data: &[u8]) {
    let Some(memory) = Memory::read(data) else { return };
    assert_ne!(memory, Memory::default(), "there is nothing in it");
    // Of a member that nobody knows the text is not looked at, and may be none.
    if let Ok(document) = serde_json::from_slice::<Value>(data) {
        // An object, or the same as a list.
        let cursor = document.get("cursor").or_else(|| document.get(0)).and_then(Value::as_str);
        assert_eq!(memory.cursor.as_deref(), cursor);
    }
    let written = memory.write();
    assert_eq!(Memory::read(&written.expect("it can be written")), Some(memory.clone()));
    let url = Uri::from_static("https://api.test/orders?limit=5&since={cursor}");
    let asked = target::first(&url, memory.cursor.as_deref());
    let uri: Uri = asked.parse().expect("a target");
    let since = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).find(|(name, _)| name == "since");
    assert_eq!(since.map(|(_, value)| value.into_owned()), memory.cursor);
    if let Some(validators) = &memory.validators {
        let mut headers = HeaderMap::new();
        validators.write_to(&mut headers);
        assert!(headers.len() <= 2);
        let _ = validators.are_of(&url, &asked);
    }
}
