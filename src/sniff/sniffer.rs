//! One source's way to the type and the id of its events.

use std::borrow::Cow;
use std::sync::LazyLock;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::text::Text;
use super::{cloudevent, form, json, xml};
use crate::config::{Attribute, Locator, Place, Pointer};
use crate::event::{EventMeta, Found, Piece};

/// Finds type and id of a source's events. Made once per source; each io thread may read it.
#[derive(Debug, Clone)]
pub(crate) struct Sniffer {
    event_type: Box<[Locator]>,
    delivery_id: Box<[Locator]>,
}

impl Sniffer {
    /// A sniffer that looks in these places, the first that has a text counting.
    pub(crate) fn new(event_type: &[Locator], delivery_id: &[Locator]) -> Self {
        Self { event_type: up_to_the_certain(event_type), delivery_id: up_to_the_certain(delivery_id) }
    }

    /// What the request says of its event. `segment` gives the segment of the request's path that stands for a
    /// `{segment}` of the source's. The body is not touched before a place in it is the first left to look at.
    pub(crate) fn sniff<'h>(
        &'h self,
        parts: &'h Parts,
        segment: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> EventMeta<'h> {
        let request = Request { parts, segment, body };
        EventMeta { event_type: request.first_of(&self.event_type), id: request.first_of(&self.delivery_id) }
    }

    /// What it says of one of its events: `item` is that, and `number` counts them. An id that is the request's gets the
    /// number behind it.
    pub(crate) fn sniff_item<'h>(
        &'h self,
        parts: &'h Parts,
        segment: impl Fn(&str) -> Option<&'h str>,
        item: &[u8],
        number: usize,
    ) -> EventMeta<'h> {
        let request = Request { parts, segment, body: item };
        let id = self.delivery_id.iter().find_map(|locator| {
            let mut found = request.found_at(locator)?;
            if !locator.place.is_in_body() && found.appended.is_none() {
                found.appended = Some(Piece::Decoded(number.to_string()));
            }
            Some(found)
        });
        EventMeta { event_type: request.first_of(&self.event_type), id }
    }

    /// Whether a body is looked into.
    pub(crate) fn reads_bodies(&self) -> bool {
        let mut all = self.event_type.iter().chain(&self.delivery_id);
        all.any(|locator| locator.place.is_in_body() || locator.append.is_some())
    }
}

/// The text that a pointer names in a JSON body: see [`json`] for what it promises.
pub(crate) fn find(body: &[u8], pointer: &Pointer) -> Option<Text> {
    json::find(body, &pointer.0)
}

/// Bytes of the longest text that counts as a type or an id.
const TEXT_BYTES_MAX: usize = 256;

/// Places behind a constant are never looked at.
fn up_to_the_certain(locators: &[Locator]) -> Box<[Locator]> {
    let certain = |locator: &Locator| matches!(&locator.place, Place::Constant(text) if is_text(text));
    let count = locators.iter().position(certain).map_or(locators.len(), |at| at + 1);
    locators.iter().take(count).cloned().collect()
}

/// Whether it may be a type or an id: they end up in headers, logs and metrics.
fn is_text(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

struct Request<'h, 'body, S> {
    parts: &'h Parts,
    segment: S,
    body: &'body [u8],
}

impl<'h, S: Fn(&str) -> Option<&'h str>> Request<'h, '_, S> {
    fn first_of(&self, locators: &'h [Locator]) -> Option<Found<'h>> {
        locators.iter().find_map(|locator| self.found_at(locator))
    }

    fn found_at(&self, locator: &'h Locator) -> Option<Found<'h>> {
        if let Place::CloudEvent(attribute) = &locator.place
            && attribute.name == "id"
        {
            return self.cloudevent_id(attribute);
        }
        let piece = self.piece_at(&locator.place)?;
        let appended = locator.append.as_ref().and_then(|pointer| self.piece_of_body(pointer));
        Some(Found { piece, appended })
    }

    fn piece_at(&self, place: &'h Place) -> Option<Piece<'h>> {
        let text = match place {
            Place::Header(name) => std::str::from_utf8(self.parts.headers.get(name)?.as_bytes()).ok()?,
            Place::Path(name) => (self.segment)(name)?,
            Place::Query(name) => return self.piece_of_query(name),
            Place::Json(pointer) => return self.piece_of_body(pointer),
            Place::Form(name) if may_be_form(&self.parts.headers) => return self.piece(form::field(self.body, name)?),
            Place::Form(_) => return None,
            Place::Xml(path) => return self.piece(xml::find(self.body, path)?),
            Place::CloudEvent(attribute) => return self.piece_of_cloudevent(attribute),
            Place::Constant(text) => text,
        };
        is_text(text).then_some(Piece::Head(text))
    }

    fn piece_of_body(&self, pointer: &Pointer) -> Option<Piece<'h>> {
        self.piece(find(self.body, pointer)?)
    }

    fn piece(&self, found: Text) -> Option<Piece<'h>> {
        if !is_text(found.in_body(self.body)) {
            return None;
        }
        Some(match found {
            Text::Plain(range) => Piece::Body(range),
            Text::Decoded(text) => Piece::Decoded(text),
        })
    }

    fn piece_of_query(&self, name: &str) -> Option<Piece<'h>> {
        let query = self.parts.uri.query()?;
        head_piece(match form::field(query.as_bytes(), name)? {
            Text::Plain(range) => Cow::Borrowed(query.get(range)?),
            Text::Decoded(text) => Cow::Owned(text),
        })
    }

    fn piece_of_cloudevent(&self, attribute: &Attribute) -> Option<Piece<'h>> {
        if cloudevent::is_structured(&self.parts.headers) {
            return self.piece_of_body(&attribute.member);
        }
        let value = std::str::from_utf8(self.parts.headers.get(&attribute.header)?.as_bytes()).ok()?;
        head_piece(cloudevent::header_value(value)?)
    }

    /// Two producers may give the same id: it is unique only together with the source.
    fn cloudevent_id(&self, id: &Attribute) -> Option<Found<'h>> {
        static SOURCE: LazyLock<Option<Attribute>> = LazyLock::new(|| Attribute::named("source"));
        let piece = self.piece_of_cloudevent(SOURCE.as_ref()?)?;
        Some(Found { piece, appended: Some(self.piece_of_cloudevent(id)?) })
    }
}

fn head_piece(text: Cow<'_, str>) -> Option<Piece<'_>> {
    if !is_text(&text) {
        return None;
    }
    Some(match text {
        Cow::Borrowed(text) => Piece::Head(text),
        Cow::Owned(text) => Piece::Decoded(text),
    })
}

/// A body that says what else it is is no form, whatever stands in it.
fn may_be_form(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::Request as HttpRequest;

    use super::*;

    const BODY: &[u8] = r#"{"id":"evt_1","action":"opened","esc":"a\u0062","n":42,"o":{},"é":"ß"}"#.as_bytes();

    fn pointer(member: &str) -> Pointer {
        Pointer(vec![member.to_owned()])
    }

    fn at(place: Place) -> Locator {
        Locator { place, append: None }
    }

    fn json(member: &str) -> Locator {
        at(Place::Json(pointer(member)))
    }

    fn header(name: &'static str) -> Locator {
        at(Place::Header(http::HeaderName::from_static(name)))
    }

    fn parts(target: &str, headers: &[(&str, &[u8])]) -> Parts {
        let mut request = HttpRequest::post(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// What is found as the type, spelled out.
    fn event_type(locators: &[Locator], parts: &Parts, body: &[u8]) -> Option<String> {
        let text = |piece: &Piece<'_>| match piece {
            Piece::Body(range) => String::from_utf8(body[range.clone()].to_vec()).unwrap(),
            Piece::Head(text) => (*text).to_owned(),
            Piece::Decoded(text) => text.clone(),
        };
        let sniffer = Sniffer::new(locators, &[]);
        let segment = |name: &str| (name == "topic").then_some("orders");
        let meta = sniffer.sniff(parts, segment, body);
        assert_eq!(meta.id, None);
        meta.event_type.map(|found| match &found.appended {
            None => text(&found.piece),
            Some(appended) => format!("{}.{}", text(&found.piece), text(appended)),
        })
    }

    #[test]
    fn a_text_is_found_in_every_place() {
        let parts = parts("/hooks/orders?type=a%2Bb&plain=c", &[("x-event", b"push")]);
        for (locator, expected) in [
            (header("x-event"), "push"),
            (at(Place::Path("topic".to_owned())), "orders"),
            (at(Place::Query("type".to_owned())), "a+b"),
            (at(Place::Query("plain".to_owned())), "c"),
            (json("id"), "evt_1"),
            (json("esc"), "ab"),
            (json("n"), "42"),
            (json("é"), "ß"),
            (at(Place::Constant("event".to_owned())), "event"),
        ] {
            assert_eq!(
                event_type(std::slice::from_ref(&locator), &parts, BODY).as_deref(),
                Some(expected),
                "{locator:?}"
            );
        }
    }

    #[test]
    fn a_form_is_read_only_where_the_body_may_be_one() {
        let body = b"From=%2B1&MessageStatus=sent&x={\"MessageStatus\":1}";
        let status = [at(Place::Form("MessageStatus".to_owned()))];
        for (content_type, found) in [
            ("application/x-www-form-urlencoded", Some("sent")),
            ("Application/X-WWW-Form-URLEncoded; charset=utf-8", Some("sent")),
            ("application/json", None),
            ("multipart/form-data; boundary=x", None),
        ] {
            let parts = parts("/", &[("content-type", content_type.as_bytes())]);
            assert_eq!(event_type(&status, &parts, body).as_deref(), found, "{content_type}");
        }
        assert_eq!(event_type(&status, &parts("/", &[]), body).as_deref(), Some("sent"));
    }

    #[test]
    fn a_cloudevent_is_read_where_its_mode_puts_it() {
        let body = br#"{"specversion":"1.0","type":"t.body","source":"/s","id":"1"}"#;
        let headers: [(&str, &[u8]); 4] =
            [("content-type", b"application/json"), ("ce-type", b"t%2Eheader"), ("ce-source", b"/h"), ("ce-id", b"2")];
        let place = |name| [at(Place::CloudEvent(Attribute::named(name).unwrap()))];
        let binary = parts("/", &headers);
        assert_eq!(event_type(&place("type"), &binary, body).as_deref(), Some("t.header"));
        assert_eq!(event_type(&place("id"), &binary, body).as_deref(), Some("/h.2"));
        let mut headers = headers;
        headers[0].1 = b"application/cloudevents+json; charset=utf-8";
        let structured = parts("/", &headers);
        assert_eq!(event_type(&place("type"), &structured, body).as_deref(), Some("t.body"));
        assert_eq!(event_type(&place("id"), &structured, body).as_deref(), Some("/s.1"));
        assert_eq!(event_type(&place("type"), &parts("/", &headers[..1]), b"[]"), None);
        assert_eq!(event_type(&place("type"), &parts("/", &[]), body), None, "it does not say that it is one");
        assert_eq!(event_type(&place("id"), &parts("/", &headers[3..]), body), None, "an id alone is not unique");
    }

    #[test]
    fn what_is_absent_is_not_found() {
        let parts = parts("/", &[]);
        for locator in [
            header("x-event"),
            at(Place::Path("other".to_owned())),
            at(Place::Query("type".to_owned())),
            json("o"),
            json("none"),
        ] {
            assert_eq!(event_type(std::slice::from_ref(&locator), &parts, BODY), None, "{locator:?}");
        }
    }

    #[test]
    fn the_first_place_with_a_text_counts() {
        let parts = parts("/?type=query", &[("x-empty", b""), ("x-latin", b"\xe9"), ("x-tab", b"a\tb")]);
        let locators = [
            header("x-empty"),
            header("x-latin"),
            header("x-tab"),
            json("o"),
            at(Place::Query("type".to_owned())),
            json("id"),
        ];
        assert_eq!(event_type(&locators, &parts, BODY).as_deref(), Some("query"));
    }

    #[test]
    fn a_text_has_at_least_one_byte_at_most_256_and_no_control_character() {
        let parts = parts("/", &[]);
        for (text, counts) in [
            (String::new(), false),
            ("a".repeat(256), true),
            ("a".repeat(257), false),
            ("ß".repeat(128), true),
            ("ß".repeat(129), false),
            (r"a\nb".to_owned(), false),
            (r"\u0000".to_owned(), false),
            ("a\u{85}".to_owned(), false),
            ("a\u{7f}".to_owned(), false),
        ] {
            let body = format!(r#"{{"type":"{text}"}}"#);
            assert_eq!(event_type(&[json("type")], &parts, body.as_bytes()).is_some(), counts, "{text}");
        }
    }

    #[test]
    fn a_member_is_appended_if_the_body_has_it() {
        let parts = parts("/", &[("x-github-event", b"issues")]);
        let with = |member: &str| [Locator { append: Some(pointer(member)), ..header("x-github-event") }];
        assert_eq!(event_type(&with("action"), &parts, BODY).as_deref(), Some("issues.opened"));
        assert_eq!(event_type(&with("none"), &parts, BODY).as_deref(), Some("issues"));
        assert_eq!(event_type(&with("action"), &parts, b"not json").as_deref(), Some("issues"));
    }

    #[test]
    fn nothing_is_appended_to_what_was_not_found() {
        let locator = Locator { append: Some(pointer("action")), ..header("x-github-event") };
        assert_eq!(event_type(&[locator], &parts("/", &[]), BODY), None);
    }

    #[test]
    fn a_member_without_escapes_is_a_range_of_the_body() {
        let parts = parts("/", &[]);
        let sniffer = Sniffer::new(&[json("action")], &[json("id")]);
        let meta = sniffer.sniff(&parts, |_| None, BODY);
        assert_eq!(meta.event_type.unwrap().piece, Piece::Body(24..30));
        assert_eq!(meta.id.unwrap().piece, Piece::Body(7..12));
    }
}
