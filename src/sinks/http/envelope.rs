//! Several events in one body: a batch of CloudEvents 1.0 in JSON (sections 2.4 and 4 of the JSON event format 1.0.2).
//!
//! ```text
//! [{"specversion":"1.0","id":"stripe:evt_1","source":"/sources/stripe","type":"invoice.paid",
//!   "time":"2026-01-31T12:00:00.123Z","hookgateattempt":1,"datacontenttype":"application/json",
//!   "data":{"type":"invoice.paid"}},
//!  …]
//! ```
//!
//! - `id` is the `webhook-id` that the event would have in a request of its own.
//! - `data`, always the last member, is a body that is JSON, byte for byte, if its content type says so (`…/json`, `…+json`);
//!   any other body is in `data_base64`. What is JSON has been parsed to its end, so that no sender can spoil a batch for others.
//! - `datacontenttype` and `hookgateencoding`, the content type and encoding of the body, are there if the sender told them.
//! - An event without a type has [`NO_TYPE`]: CloudEvents wants one.

use std::io::Write;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::HeaderValue;
use sha2::{Digest, Sha256};

use super::super::json::{JsonCheck, header_text, push_base64, push_json, push_time};
use super::token;
use crate::event::Event;
use crate::routes::Delivery;

/// The content type of a batch.
pub(super) const BATCH_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";

/// The type of an event that has none.
const NO_TYPE: &str = "hookgate.untyped";

/// Room for the attributes of an event.
const ATTRIBUTES_BYTES: usize = 320;

/// A request's body, and its `webhook-id`.
pub(super) struct Batch {
    pub(super) body: Bytes,
    pub(super) id: HeaderValue,
}

/// Writes batches, with buffers that are used again.
pub(super) struct Envelopes {
    json: JsonCheck,
}

impl Envelopes {
    pub(super) fn new() -> Self {
        Self { json: JsonCheck::new() }
    }

    /// The batch of these deliveries. Its id is a hash of the ids of its events and the numbers of their attempts, in their
    /// order: another for any other batch, and never that of an event, which has a colon.
    pub(super) fn batch(&mut self, deliveries: &[Delivery]) -> Batch {
        let bodies: usize = deliveries.iter().map(|delivery| delivery.event().body().len() + ATTRIBUTES_BYTES).sum();
        let mut body = Vec::with_capacity(bodies);
        let mut hash = Sha256::new();
        for delivery in deliveries {
            let id = token::webhook_id_text(delivery.event().source(), delivery.event().id());
            // No id has a space in it.
            hash.update(id.as_bytes());
            hash.update(b" ");
            hash.update(delivery.attempt().to_be_bytes());
            body.push(if body.is_empty() { b'[' } else { b',' });
            self.append(delivery, &id, &mut body);
        }
        body.push(b']');
        let hash = HEXLOWER.encode(hash.finalize().get(..ID_BYTES).unwrap_or_default());
        Batch { body: body.into(), id: token::value(format!("batch_{hash}")) }
    }

    fn append(&mut self, delivery: &Delivery, id: &str, to: &mut Vec<u8>) {
        let event = delivery.event();
        to.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":");
        push_json(to, id);
        // Names of sources have only letters, digits and what a path may hold.
        to.extend_from_slice(b",\"source\":");
        push_json(to, &format_args!("/sources/{}", event.source()));
        to.extend_from_slice(b",\"type\":");
        push_json(to, event.event_type().filter(|known| !known.is_empty()).unwrap_or(NO_TYPE));
        to.extend_from_slice(b",\"time\":\"");
        push_time(to, event.received());
        let _ = write!(to, "\",\"hookgateattempt\":{}", delivery.attempt());
        attribute(to, "hookgateencoding", event.header("content-encoding"));
        let content_type = event.header("content-type");
        attribute(to, "datacontenttype", content_type);
        self.data(to, event, content_type);
        to.push(b'}');
    }

    fn data(&mut self, to: &mut Vec<u8>, event: &Event, content_type: Option<&[u8]>) {
        let body = event.body();
        if content_type.is_some_and(says_json) && self.json.is_json(body) {
            to.extend_from_slice(b",\"data\":");
            to.extend_from_slice(body);
        } else {
            to.extend_from_slice(b",\"data_base64\":\"");
            push_base64(to, body);
            to.push(b'"');
        }
    }
}

/// Of the hash.
const ID_BYTES: usize = 16;

/// An attribute may not be empty.
fn attribute(to: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        let _ = write!(to, ",\"{name}\":");
        push_json(to, &*header_text(value));
    }
}

/// Whether a content type is that of JSON.
fn says_json(content_type: &[u8]) -> bool {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    let media_type = content_type.get(..end).unwrap_or_default().trim_ascii();
    let start = media_type.len().saturating_sub("/json".len());
    let end = media_type.get(start..).unwrap_or_default();
    end.eq_ignore_ascii_case(b"/json") || end.eq_ignore_ascii_case(b"+json")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::slice;
    use std::sync::Arc;

    use data_encoding::BASE64;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    /// A reader that has nothing in common with the writer.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct CloudEvent<'batch> {
        specversion: String,
        id: String,
        source: String,
        r#type: String,
        time: String,
        hookgateattempt: u32,
        hookgateencoding: Option<String>,
        datacontenttype: Option<String>,
        #[serde(borrow)]
        data: Option<&'batch RawValue>,
        data_base64: Option<String>,
    }

    fn delivery(id: &str, content_type: &str, body: &[u8], attempt: u32) -> Delivery {
        let event = Event::for_test("erp", None, id, &[("content-type", content_type.as_bytes())], body);
        Delivery::new(event, Arc::from("r"), attempt)
    }

    fn written(deliveries: &[Delivery]) -> Batch {
        Envelopes::new().batch(deliveries)
    }

    /// Where a body of JSON stands: `None` if it is in base64.
    fn data_of(content_type: &str, body: &[u8]) -> Option<Vec<u8>> {
        let batch = written(&[delivery("1", content_type, body, 1)]);
        let text = std::str::from_utf8(&batch.body).unwrap();
        let [event]: [CloudEvent<'_>; 1] = serde_json::from_str(text).unwrap();
        match event.data_base64 {
            Some(encoded) => {
                assert_eq!(BASE64.decode(encoded.as_bytes()).unwrap(), body);
                assert!(event.data.is_none());
                None
            }
            None => {
                let (_, data) = text.split_once(",\"data\":").unwrap();
                Some(data.strip_suffix("}]").unwrap().as_bytes().to_vec())
            }
        }
    }

    #[test]
    fn an_event_tells_all_that_is_known_of_it_whatever_is_in_it() {
        let headers: [(&str, &[u8]); 2] = [("content-type", b"text/\"gr\xfcn\""), ("content-encoding", b"gzip")];
        let event = Event::for_test("erp-1.de", Some("a \"b\"\\\n\u{1}ü"), "evt \"1\"\\.ü", &headers, b"\x1f\x8b");
        let received = event.received();
        let untyped = Event::for_test("erp", None, "2", &[], b"{}");
        let batch = written(&[Delivery::new(event, Arc::from("r"), 7), Delivery::new(untyped, Arc::from("r"), 1)]);
        let [first, second]: [CloudEvent<'_>; 2] = serde_json::from_slice(&batch.body).unwrap();

        assert_eq!((first.specversion.as_str(), first.source.as_str()), ("1.0", "/sources/erp-1.de"));
        assert_eq!((first.id.as_str(), first.hookgateattempt), ("erp-1%2Ede:evt%20\"1\"\\%2E%C3%BC", 7));
        assert_eq!(first.r#type, "a \"b\"\\\n\u{1}ü");
        assert_eq!(first.datacontenttype.as_deref(), Some("text/\"grün\""));
        assert_eq!(first.hookgateencoding.as_deref(), Some("gzip"));
        assert_eq!((first.data_base64.as_deref(), first.data.is_none()), (Some("H4s="), true));
        let difference = received.duration_since(humantime::parse_rfc3339(&first.time).unwrap()).unwrap();
        assert!(difference.as_millis() == 0 && first.time.ends_with('Z'), "{}", first.time);

        assert_eq!((second.id.as_str(), second.r#type.as_str()), ("erp:2", "hookgate.untyped"));
        assert_eq!((second.datacontenttype, second.hookgateencoding), (None, None));
        assert_eq!(second.data_base64.as_deref(), Some("e30="), "nobody has said that it is JSON");
    }

    #[test]
    fn json_stands_in_a_batch_byte_for_byte() {
        for body in ["{}", " {\"b\":1,\n \"a\":\"\\u00e9\\n\",\"a\":1.50e3}\r\n", "null", "\"text\"", "[1, 2,  3]"] {
            assert_eq!(data_of("application/json", body.as_bytes()).as_deref(), Some(body.as_bytes()), "{body}");
        }
        for content_type in ["text/json; charset=utf-8", "Application/JSON", "application/cloudevents+json ;v=1"] {
            assert!(data_of(content_type, b"{}").is_some(), "{content_type}");
        }
    }

    #[test]
    fn what_would_spoil_the_batch_or_is_no_json_is_base64() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        let bodies =
            ["", " ", "{", "{} {}", "{},{}", "\u{feff}{}", "{\"a\":\"\u{1}\"}", "\"\\ud800\"", "01", "1e999", &deep];
        for body in bodies {
            assert_eq!(data_of("application/json", body.as_bytes()), None, "{body}");
        }
        assert_eq!(data_of("application/json", b"{\"a\":\"\xff\"}"), None);
        for content_type in ["text/xml", "application/jsonl", "json", "", ";/json"] {
            assert_eq!(data_of(content_type, b"{}"), None, "{content_type}");
        }
    }

    #[test]
    fn the_id_of_a_batch_is_that_of_no_other() {
        let (a, b) = (delivery("a", "", b"", 1), delivery("b", "", b"", 1));
        let again = delivery("a", "", b"", 2);
        let (ab, ba) = ([a.clone(), b.clone()], [b.clone(), a.clone()]);
        let batches: [&[Delivery]; 5] = [slice::from_ref(&a), slice::from_ref(&b), &ab, &ba, &[again, b.clone()]];
        let ids: std::collections::HashSet<_> =
            batches.iter().map(|batch| written(batch).id.to_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), batches.len());
        assert_eq!(written(&ab).id, written(&ab).id);
        assert!(ids.iter().all(|id| id.starts_with("batch_") && !id.contains([':', '.'])), "{ids:?}");
    }

    proptest! {
        #[test]
        fn any_body_and_type_make_json_and_come_back(
            event_type in "\\PC{0,12}|[\"\\\\\u{0}-\u{ff}]{0,12}",
            body in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                // Made of what JSON is made of, so that much of it is almost JSON.
                "[\\[\\]{}:,\"\\\\ \n\r\t0-9a-eu.+\\-]{0,40}".prop_map(String::into_bytes),
                "\"(\\\\[a-z\"/\\\\]|\\\\u[0-9a-fA-F]{4}|[\u{0}-\u{ff}]){0,8}\"".prop_map(String::into_bytes),
            ],
        ) {
            let event = Event::for_test("s", Some(&event_type), "1", &[("content-type", b"application/json")], &body);
            let batch = written(&[Delivery::new(event, Arc::from("r"), 1)]);
            // All of it can be read into values, escapes of characters that are none included.
            let read: Value = serde_json::from_slice(&batch.body).unwrap();
            let wanted = if event_type.is_empty() { "hookgate.untyped" } else { event_type.as_str() };
            prop_assert_eq!(read[0]["type"].as_str(), Some(wanted));
            match read[0]["data_base64"].as_str() {
                Some(encoded) => prop_assert_eq!(BASE64.decode(encoded.as_bytes()).unwrap(), body),
                None => {
                    let start = batch.body.len() - body.len() - "}]".len();
                    prop_assert_eq!(&batch.body[start..batch.body.len() - 2], &body[..]);
                }
            }
        }
    }
}
