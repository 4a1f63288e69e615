//! What is in a delivery: an event, or several in a batch of CloudEvents. For whoever plays a processor.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

/// The content type of a batch, without parameters.
const BATCH_TYPE: &[u8] = b"application/cloudevents-batch+json";

/// Whether a request carries a batch.
pub(crate) fn is_batch(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(BATCH_TYPE)
}

/// The ids of the events of a batch, in its order; `None` if it is none.
pub(crate) fn ids(body: &[u8]) -> Option<Vec<Option<String>>> {
    let events: Vec<CloudEvent> = serde_json::from_slice(body).ok()?;
    Some(events.into_iter().map(|event| event.id).collect())
}

/// Of an event as much as is of interest here.
#[derive(Deserialize)]
struct CloudEvent {
    id: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_batch_is_known_by_its_media_type_alone() {
        let says =
            |content_type| is_batch(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]));
        assert!(
            says("application/cloudevents-batch+json") && says("Application/CloudEvents-Batch+JSON ; charset=utf-8")
        );
        assert!(!says("application/cloudevents+json") && !says("application/cloudevents-batch+json2"));
        assert!(!is_batch(&HeaderMap::new()));
    }

    #[test]
    fn ids_are_those_of_the_events_and_of_nothing_inside_them() {
        let batch = br#"[{"specversion":"1.0","id":"s:1","data":{"id":"x"}},{"data":[{"id":"y"}],"id":"s:\u0032"},{"type":"t"}]"#;
        assert_eq!(ids(batch).unwrap(), [Some("s:1".to_owned()), Some("s:2".to_owned()), None]);
        assert_eq!(ids(b"[]").unwrap(), []);
        for other in [&b"{}"[..], b"", b"[1]", b"[{\"id\":1}]", b"[{\"id\":\"a\"}"] {
            assert_eq!(ids(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
