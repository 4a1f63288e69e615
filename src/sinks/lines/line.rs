//! One event as one line of JSON.
//!
//! ```text
//! {"time":"2026-01-31T12:00:00.123Z","source":"stripe","type":"invoice.paid","id":"evt_1","attempt":1,
//!  "headers":{"content-type":"application/json"},"body":{"type":"invoice.paid"}}
//! ```
//!
//! The body can always be had back byte for byte. It is in one of three members, always the last of the line:
//!
//! - `body`: JSON as it was sent, so that a line can be read with any tool. Only for a body that is JSON, on one line,
//!   without space around it and nested no deeper than 100.
//! - `body_text`: any other text as a JSON string. JSON over several lines is here, because a line cannot hold its line
//!   breaks and writing it anew would break the provider's signature of it.
//! - `body_base64`: what is not UTF-8.
//!
//! A header that came several times is one member, the values joined by `, `. A value that is not UTF-8 is read as
//! ISO-8859-1. A type that is not known is `null`.

use std::io::Write;

use crate::event::Event;
use crate::routes::Delivery;
use crate::sinks::json::{JsonCheck, header_text, push_base64, push_json, push_time};

/// Writes lines, with buffers that are used again.
pub(super) struct LineWriter {
    json: JsonCheck,
}

impl LineWriter {
    pub(super) fn new() -> Self {
        Self { json: JsonCheck::new() }
    }

    /// Appends the line of a delivery, its line break included.
    pub(super) fn append(&mut self, delivery: &Delivery, to: &mut Vec<u8>) {
        let event = delivery.event();
        to.extend_from_slice(b"{\"time\":\"");
        push_time(to, event.received());
        to.extend_from_slice(b"\",\"source\":");
        push_json(to, event.source());
        to.extend_from_slice(b",\"type\":");
        push_json(to, &event.event_type());
        to.extend_from_slice(b",\"id\":");
        push_json(to, event.id());
        let _ = write!(to, ",\"attempt\":{}", delivery.attempt());
        to.extend_from_slice(b",\"headers\":{");
        headers(to, event);
        to.push(b'}');
        self.body(to, event.body());
        to.extend_from_slice(b"}\n");
    }

    fn body(&mut self, to: &mut Vec<u8>, body: &[u8]) {
        if self.fits_as_it_is(body) {
            to.extend_from_slice(b",\"body\":");
            to.extend_from_slice(body);
        } else if let Ok(text) = std::str::from_utf8(body) {
            to.extend_from_slice(b",\"body_text\":");
            push_json(to, text);
        } else {
            to.extend_from_slice(b",\"body_base64\":\"");
            push_base64(to, body);
            to.push(b'"');
        }
    }

    /// A line that is not JSON would be worth nothing.
    fn fits_as_it_is(&mut self, body: &[u8]) -> bool {
        let (Some(first), Some(last)) = (body.first(), body.last()) else { return false };
        let spaced = first.is_ascii_whitespace() || last.is_ascii_whitespace();
        !spaced && memchr::memchr2(b'\n', b'\r', body).is_none() && self.json.is_json(body)
    }
}

fn headers(to: &mut Vec<u8>, event: &Event) {
    for (place, (name, _)) in event.headers().enumerate() {
        if event.headers().take(place).any(|(earlier, _)| earlier == name) {
            continue;
        }
        let values: Vec<_> =
            event.headers().filter(|(other, _)| *other == name).map(|(_, value)| header_text(value)).collect();
        if place > 0 {
            to.push(b',');
        }
        push_json(to, name);
        to.push(b':');
        push_json(to, &values.join(", "));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use data_encoding::BASE64;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;
    use crate::sinks::testing::{delivery, delivery_of};

    /// A reader that has nothing in common with the writer.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line<'line> {
        time: String,
        source: String,
        r#type: Option<String>,
        id: String,
        attempt: u32,
        headers: HashMap<String, String>,
        #[serde(borrow)]
        body: Option<&'line RawValue>,
        body_text: Option<String>,
        body_base64: Option<String>,
    }

    impl Line<'_> {
        fn bytes(&self) -> Vec<u8> {
            match (self.body, &self.body_text, &self.body_base64) {
                (Some(raw), None, None) => raw.get().as_bytes().to_vec(),
                (None, Some(text), None) => text.clone().into_bytes(),
                (None, None, Some(encoded)) => BASE64.decode(encoded.as_bytes()).unwrap(),
                _ => panic!("a line has one body"),
            }
        }
    }

    fn written(writer: &mut LineWriter, body: &[u8]) -> String {
        let mut to = Vec::new();
        writer.append(&delivery(body), &mut to);
        let line = String::from_utf8(to).unwrap();
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line, ended: {line:?}");
        line
    }

    #[test]
    fn a_line_tells_all_of_an_event() {
        let headers: [(&str, &[u8]); 4] =
            [("content-type", b"application/json"), ("x-two", b"1"), ("x-latin", b"gr\xfc\xdfe"), ("x-two", b"\"2\"")];
        let event = Event::for_test("größe", Some("invoice.paid"), "evt \"1\"", &headers, b"{\"a\": 1}");
        let received = event.received();
        let mut to = Vec::new();
        LineWriter::new().append(&delivery_of(event), &mut to);
        let line: Line<'_> = serde_json::from_slice(&to).unwrap();

        let difference = received.duration_since(humantime::parse_rfc3339(&line.time).unwrap()).unwrap();
        assert!(difference.as_millis() == 0 && line.time.ends_with('Z'), "{}", line.time);
        assert_eq!((line.source.as_str(), line.r#type.as_deref()), ("größe", Some("invoice.paid")));
        assert_eq!((line.id.as_str(), line.attempt), ("evt \"1\"", 1));
        assert_eq!(line.headers["content-type"], "application/json");
        assert_eq!(line.headers["x-two"], "1, \"2\"");
        assert_eq!(line.headers["x-latin"], "grüße");
        assert_eq!(line.headers.len(), 3);
        assert_eq!(line.body.unwrap().get(), "{\"a\": 1}");
    }

    #[test]
    fn an_event_without_type_and_headers_is_a_line_too() {
        let mut to = Vec::new();
        LineWriter::new().append(&delivery_of(Event::for_test("erp", None, "1", &[], b"")), &mut to);
        let line: Line<'_> = serde_json::from_slice(&to).unwrap();
        assert_eq!((line.r#type.as_ref(), line.headers.len(), line.bytes()), (None, 0, Vec::new()));
    }

    #[test]
    fn json_on_one_line_stands_in_the_line_as_it_was_sent() {
        let mut writer = LineWriter::new();
        for body in ["{}", "[1, 2,  3]", "\"text\"", "1.50e3", "null", "{\"b\":1,\"a\":\"\\u00e9\\n\",\"a\":2}"] {
            assert!(written(&mut writer, body.as_bytes()).ends_with(&format!(",\"body\":{body}}}\n")), "{body}");
        }
    }

    #[test]
    fn other_text_is_a_string_and_comes_back_as_it_was_sent() {
        let mut writer = LineWriter::new();
        let deep = "[".repeat(500) + &"]".repeat(500);
        let bodies = [
            "",
            "{\n  \"a\": 1\n}",
            "{}\n",
            " {}",
            "{\"a\":}",
            "a=1&b=2",
            "{\"a\":\"\u{1}\"}",
            "{} {}",
            "1\r2",
            "<a/>",
            &deep,
        ];
        for body in bodies {
            let line = written(&mut writer, body.as_bytes());
            let line: Line<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!(line.body_text.as_deref(), Some(body));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        let mut writer = LineWriter::new();
        for body in [b"\xff\xfe".as_slice(), b"{\"a\":\"\xff\"}", b"\0\x80"] {
            let line = written(&mut writer, body);
            let line: Line<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!(BASE64.decode(line.body_base64.unwrap().as_bytes()).unwrap(), body);
        }
    }

    proptest! {
        #[test]
        fn any_body_makes_one_line_of_json_and_comes_back(body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            // Made of what JSON is made of, so that much of it is almost JSON.
            "[\\[\\]{}:,\"\\\\ \n\r\t0-9a-eu.+\\-]{0,40}".prop_map(String::into_bytes),
            "\"(\\\\[a-z\"/\\\\]|\\\\u[0-9a-fA-F]{4}|[\u{0}-\u{ff}]){0,8}\"".prop_map(String::into_bytes),
            "-?[0-9]{1,25}(\\.[0-9]{1,3})?([eE][+\\-]?[0-9]{1,4})?".prop_map(String::into_bytes),
        ]) {
            let line = written(&mut LineWriter::new(), &body);
            let line: Line<'_> = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(line.bytes(), body);
        }
    }
}
