//! CloudEvents over HTTP: whether the attributes of one are in its headers or in its body, and how headers write them.
//!
//! The rules are those of the HTTP protocol binding 1.0.2, section 3: a content type that begins with
//! `application/cloudevents` says that the body is the event; else it is `ce-` headers that make one.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Whether the body is the event, or a batch of them.
pub(super) fn is_structured(headers: &HeaderMap) -> bool {
    begins(headers, b"application/cloudevents")
}

/// Whether the body is a batch of events.
pub(crate) fn is_batch(headers: &HeaderMap) -> bool {
    begins(headers, b"application/cloudevents-batch")
}

fn begins(headers: &HeaderMap, content_type: &[u8]) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    value.get(..content_type.len()).is_some_and(|start| start.eq_ignore_ascii_case(content_type))
}

/// The value of an attribute's header (section 3.1.3.2): quotes, if it is in any, are taken away, and then the bytes that are
/// percent-encoded are put in.
pub(super) fn header_value(value: &str) -> Option<Cow<'_, str>> {
    let unquoted = match value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => unquote(inner),
        None => Cow::Borrowed(value),
    };
    if !unquoted.contains('%') {
        return Some(unquoted);
    }
    let mut decoded = Vec::with_capacity(unquoted.len());
    let mut rest = unquoted.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            rest = after;
            let digit = |digit: u8| char::from(digit).to_digit(16);
            decoded.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn unquote(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_unquoted_and_then_decoded() {
        for (header, value) in [
            ("com.example.a", Some("com.example.a")),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", Some("Euro € 😀")),
            (r#""a \"b\" %25""#, Some("a \"b\" %")),
            ("a+b", Some("a+b")),
            ("\"", Some("\"")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(header_value(header).as_deref(), value, "{header}");
        }
    }

    #[test]
    fn the_content_type_tells_the_mode() {
        for (content_type, structured) in [
            ("application/cloudevents+json", true),
            ("Application/CloudEvents-Batch+json; charset=utf-8", true),
            ("application/json", false),
            ("application/cloudevent", false),
        ] {
            let headers = [(CONTENT_TYPE, http::HeaderValue::from_static(content_type))].into_iter().collect();
            assert_eq!(is_structured(&headers), structured, "{content_type}");
        }
        assert!(!is_structured(&HeaderMap::new()));
    }
}
