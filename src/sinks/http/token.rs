//! Text of an event as a header value. Ids and types come from providers and may hold anything; a header may not.
//!
//! Every byte other than visible ASCII, and `%` itself, becomes `%` and two hexadecimal digits, as in a URL, so that the
//! text can be had back exactly and two texts never become the same value.

use std::fmt::Write;

use http::HeaderValue;

/// The value of `webhook-id`: `SOURCE:ID`. It is the same for every attempt and every route of an event, so a processor
/// can drop what it has seen, and different for any two events: providers number their deliveries independently, so the
/// source is part of it. A colon is encoded in the source, so the first one divides the two. A full stop is encoded in both,
/// because the signature joins id, time and body by it and Standard Webhooks therefore allows none in an id.
pub(super) fn webhook_id(source: &str, id: &str) -> HeaderValue {
    value(webhook_id_text(source, id))
}

/// The same as a text, which is visible ASCII.
pub(super) fn webhook_id_text(source: &str, id: &str) -> String {
    let mut text = String::with_capacity(source.len() + 1 + id.len());
    push_encoded(&mut text, source, b".:");
    text.push(':');
    push_encoded(&mut text, id, b".");
    text
}

/// A source or a type.
pub(super) fn plain(text: &str) -> HeaderValue {
    let mut encoded = String::with_capacity(text.len());
    push_encoded(&mut encoded, text, b"");
    value(encoded)
}

fn push_encoded(to: &mut String, text: &str, also: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && !also.contains(&byte) {
            to.push(char::from(byte));
        } else {
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

/// Visible ASCII is always a legal value.
pub(super) fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_ids_and_types_stay_as_they_are() {
        assert_eq!(webhook_id("github", "72d3162e-cc78-11e3"), "github:72d3162e-cc78-11e3");
        assert_eq!(plain("invoice.paid"), "invoice.paid");
    }

    #[test]
    fn what_a_header_cannot_carry_is_encoded() {
        assert_eq!(plain("größe %\r\n"), "gr%C3%B6%C3%9Fe%20%25%0D%0A");
        assert_eq!(webhook_id("s", "a.b c"), "s:a%2Eb%20c");
    }

    #[test]
    fn events_of_different_sources_never_share_an_id() {
        assert_ne!(webhook_id("a", "1"), webhook_id("b", "1"));
        assert_ne!(webhook_id("a:b", "c"), webhook_id("a", "b:c"));
        assert_ne!(webhook_id("a", "%2E"), webhook_id("a", "."));
    }
}
