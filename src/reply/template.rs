//! A reply's body with places for an event's id and type.

use std::io::Cursor;

use bytes::Bytes;

use super::body::{Filled, ReplyBytes};

/// A body: as it is, or to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Template {
    Fixed(Bytes),
    Filled { parts: Vec<Part>, escape: Escape },
}

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Id,
    Type,
}

impl Template {
    /// Reads `{id}`, `{type}`, `{{` and `}}`. A brace that is none of these stands for itself: the configuration has refused
    /// it before, and an answer is no place to fail.
    pub(super) fn new(body: &str, escape: Escape) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = body;
        while let Some(first) = rest.chars().next() {
            let known = TOKENS.iter().find_map(|(token, meaning)| Some((rest.strip_prefix(token)?, meaning)));
            match known {
                Some((behind, Token::Brace(brace))) => {
                    text.push(*brace);
                    rest = behind;
                }
                Some((behind, Token::Place(place))) => {
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(place.clone());
                    rest = behind;
                }
                None => {
                    text.push(first);
                    rest = rest.split_at_checked(first.len_utf8()).map_or("", |(_, behind)| behind);
                }
            }
        }
        if parts.is_empty() {
            return Template::Fixed(Bytes::from(text));
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Template::Filled { parts, escape }
    }

    /// The body for one event, of which id and type are asked for if they are shown. Allocates only if it is long.
    pub(super) fn fill<'event>(&self, id_and_type: impl FnOnce() -> (&'event str, Option<&'event str>)) -> ReplyBytes {
        let (parts, escape) = match self {
            Template::Fixed(bytes) => return ReplyBytes::Shared(bytes.clone()),
            Template::Filled { parts, escape } => (parts, *escape),
        };
        let (id, event_type) = id_and_type();
        let mut filled = Filled::new();
        for part in parts {
            match part {
                Part::Text(text) => filled.extend_from_slice(text.as_bytes()),
                Part::Id => escape.push(&mut filled, id),
                Part::Type => escape.push(&mut filled, event_type.unwrap_or_default()),
            }
        }
        ReplyBytes::Filled(Cursor::new(filled))
    }
}

enum Token {
    Brace(char),
    Place(Part),
}

const TOKENS: [(&str, Token); 4] = [
    ("{{", Token::Brace('{')),
    ("}}", Token::Brace('}')),
    ("{id}", Token::Place(Part::Id)),
    ("{type}", Token::Place(Part::Type)),
];

/// How text from a sender is made harmless in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// For the inside of a JSON string.
    Json,
    /// For XML text and quoted attributes, and the same of HTML. Characters that XML cannot hold are left out.
    Xml,
    /// Only control characters are left out.
    Plain,
}

impl Escape {
    /// The one for a `Content-Type`.
    pub(super) fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is = |format: &str| {
            essence.strip_suffix(format).is_some_and(|before| before.ends_with('/') || before.ends_with('+'))
        };
        if is("json") {
            Escape::Json
        } else if is("xml") || is("html") {
            Escape::Xml
        } else {
            Escape::Plain
        }
    }

    pub(super) fn push(self, out: &mut Filled, text: &str) {
        if is_harmless(text) {
            return out.extend_from_slice(text.as_bytes());
        }
        for character in text.chars() {
            if self.changes(character) {
                self.push_changed(out, character);
            } else {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    fn changes(self, character: char) -> bool {
        match self {
            Escape::Json => matches!(character, '"' | '\\' | '\0'..='\x1f'),
            Escape::Xml => {
                matches!(character, '&' | '<' | '>' | '"' | '\'' | '\u{fffe}' | '\u{ffff}') || character.is_control()
            }
            Escape::Plain => character.is_control(),
        }
    }

    fn push_changed(self, out: &mut Filled, character: char) {
        let changed: &[u8] = match (self, character) {
            (Escape::Json, '"') => br#"\""#,
            (Escape::Json, '\\') => br"\\",
            (Escape::Json, control) => {
                let digit = |value: u32| b"0123456789abcdef".get(value as usize & 15).copied().unwrap_or(b'0');
                &[b'\\', b'u', b'0', b'0', digit(control as u32 >> 4), digit(control as u32)]
            }
            (Escape::Xml, '&') => b"&amp;",
            (Escape::Xml, '<') => b"&lt;",
            (Escape::Xml, '>') => b"&gt;",
            (Escape::Xml, '"') => b"&quot;",
            (Escape::Xml, '\'') => b"&#39;",
            (Escape::Xml | Escape::Plain, _) => b"",
        };
        out.extend_from_slice(changed);
    }
}

/// Whether a text is of characters that nothing changes, as almost every id and type is. Looks at all bytes, several at once.
fn is_harmless(text: &str) -> bool {
    text.bytes().fold(true, |harmless, byte| {
        harmless & matches!(byte, b' '..=b'~') & !matches!(byte, b'"' | b'\\' | b'&' | b'<' | b'>' | b'\'')
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Buf as _;
    use proptest::prelude::*;

    use super::*;

    fn filled(body: &str, content_type: &str, id: &str, event_type: Option<&str>) -> String {
        let bytes = Template::new(body, Escape::of(content_type)).fill(|| (id, event_type));
        String::from_utf8(bytes.chunk().to_vec()).unwrap()
    }

    #[test]
    fn id_and_type_are_filled_in() {
        assert_eq!(filled("{id}: {type}.{id}", "text/plain", "7", Some("push")), "7: push.7");
        assert_eq!(filled("[{type}]", "text/plain", "7", None), "[]");
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(filled(r#"{{"id":"{id}"}}"#, "application/json", "7", None), r#"{"id":"7"}"#);
        assert_eq!(filled("{{id}}", "text/plain", "7", None), "{id}");
    }

    #[test]
    fn a_brace_that_means_nothing_stands_for_itself() {
        for body in ["{", "}", "{nothing}", "{id", "{ id }", "a}b{é"] {
            assert_eq!(filled(body, "text/plain", "7", None), body);
        }
    }

    #[test]
    fn a_body_without_places_is_never_copied() {
        let template = Template::new("ok", Escape::Plain);
        assert_eq!(template.fill(|| ("a", None)).chunk().as_ptr(), template.fill(|| ("b", None)).chunk().as_ptr());
    }

    #[test]
    fn an_id_cannot_add_elements_to_xml() {
        let id = "'/><evil a=\"&\0";
        let body = filled("<ack id='{id}'/>", "application/xml", id, None);
        assert_eq!(body, "<ack id='&#39;/&gt;&lt;evil a=&quot;&amp;'/>");
    }

    #[test]
    fn an_id_cannot_add_members_to_json() {
        let body = filled(r#"{{"id":"{id}"}}"#, "application/json", "\",\"admin\":\"\\\n\u{7f}", None);
        assert_eq!(body, "{\"id\":\"\\\",\\\"admin\\\":\\\"\\\\\\u000a\u{7f}\"}");
    }

    #[test]
    fn an_id_cannot_add_lines_to_text() {
        assert_eq!(filled("id={id}", "text/plain", "a\r\nb=c\u{85}", None), "id=ab=c");
    }

    #[test]
    fn the_content_type_decides_how_text_is_escaped() {
        for (content_type, escape) in [
            ("application/json", Escape::Json),
            ("Application/JSON; charset=utf-8", Escape::Json),
            ("application/problem+json", Escape::Json),
            ("text/xml", Escape::Xml),
            ("application/soap+xml;charset=utf-8", Escape::Xml),
            ("text/html", Escape::Xml),
            ("text/plain", Escape::Plain),
            ("application/xjson", Escape::Plain),
            ("", Escape::Plain),
        ] {
            assert_eq!(Escape::of(content_type), escape, "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn any_id_is_read_back_from_a_json_reply(id: String, event_type: Option<String>) {
            let body = filled(r#"{{"id":"{id}","type":"{type}"}}"#, "application/json", &id, event_type.as_deref());
            let read: serde_json::Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(read, serde_json::json!({ "id": id, "type": event_type.unwrap_or_default() }));
        }

        #[test]
        fn no_id_leaves_markup_in_xml(id: String) {
            let body = filled("{id}", "text/xml", &id, None);
            prop_assert!(!body.contains(['<', '>', '"', '\'']) && !body.contains(char::is_control));
        }

        #[test]
        fn any_template_is_survived(body: String, id: String) {
            filled(&body, "text/plain", &id, None);
        }
    }
}
