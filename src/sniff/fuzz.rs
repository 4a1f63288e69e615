//! What must hold of any body that is looked into.

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

use http::Request;
use http::request::Parts;
use serde::de::IgnoredAny;
use serde_json::{Number, Value};

use super::agreement::agree;
use super::inflate::Coding;
use super::sniffer::Sniffer;
use super::text::Text;
use super::{elements, json, lines};
use crate::config::{Attribute, Locator, Place, Pointer, XmlPath};
use crate::event::{Found, Piece};

/// Above this a body only takes longer.
const BYTES_MAX: usize = 4096;

/// Where a value is looked for in what is no JSON, too.
const POINTERS: [&str; 11] =
    ["", "/type", "/id", "/a", "/0", "/1", "/a/b", "/a/0", "/0/type", "/data/object/id", "/action"];

/// A JSON document is answered as `serde_json` answers it. What is none, or not to its end, gives a whole token or nothing,
/// and the value that `serde_json` finds in it if it is cut behind that and then closed.
pub(crate) fn json_type(data: &[u8]) {
    if data.len() > BYTES_MAX {
        return;
    }
    let body = json::without_mark(data);
    if let Err(wrong) = agree(body) {
        panic!("{wrong}");
    }
    for pointer in POINTERS {
        let path: Vec<String> = pointer.split('/').skip(1).map(ToOwned::to_owned).collect();
        if let Some(Text::Plain(range)) = json::find(body, &path) {
            let ahead = body.get(..range.end).expect("a range of the body");
            let text = std::str::from_utf8(body.get(range.clone()).expect("a range of the body")).expect("UTF-8");
            let is_quoted = ahead
                .get(..range.start)
                .is_some_and(|ahead| ahead.ends_with(b"\"") && body.get(range.end) == Some(&b'"'));
            let ahead = body.get(..range.end + usize::from(is_quoted)).expect("a quote behind it");
            assert!(is_token(text, is_quoted), "{pointer} is {text:?}");
            let behind = body.get(range.end);
            assert!(
                is_quoted || ends_number(behind, path.is_empty()),
                "{pointer} is {text:?} and goes on with {behind:?}"
            );
            for closed in closed(ahead, path.len()) {
                let Ok(document) = serde_json::from_slice::<Value>(&closed) else { continue };
                assert!(is_value(at(&document, &path), text, is_quoted), "{pointer} is {text:?}, not {document}");
            }
        }
    }
    for pointer in ["/a", "/type", "/data"] {
        let pointer = Pointer::parse(pointer).expect("a pointer");
        items_are_json(data, elements(data, &pointer).unwrap_or_default());
    }
    items_are_json(data, elements(data, &Pointer(Vec::new())).unwrap_or_default());
    items_are_json(data, lines(data).unwrap_or_default());
}

fn items_are_json(data: &[u8], items: Vec<std::ops::Range<usize>>) {
    let mut end = 0;
    for item in items {
        assert!(item.start >= end, "{item:?} begins before {end}");
        end = item.end;
        let item = data.get(item).expect("a range of the body");
        assert!(serde_json::from_slice::<IgnoredAny>(item).is_ok(), "{}", item.escape_ascii());
    }
}

/// The beginning of a document with every end that so many open containers can have.
fn closed(ahead: &[u8], depth: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..1_usize << depth).map(move |kinds| {
        let ends = (0..depth).map(|at| if kinds >> at & 1 == 0 { b'}' } else { b']' });
        ahead.iter().copied().chain(ends).collect()
    })
}

fn at<'document>(document: &'document Value, path: &[String]) -> Option<&'document Value> {
    path.iter().try_fold(document, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(elements) => elements.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

fn is_value(value: Option<&Value>, text: &str, is_quoted: bool) -> bool {
    match value {
        Some(Value::String(value)) => is_quoted && value == text,
        Some(Value::Number(value)) => {
            !is_quoted && serde_json::from_str::<Number>(text).is_ok_and(|number| number == *value)
        }
        _ => false,
    }
}

fn is_token(text: &str, is_quoted: bool) -> bool {
    if is_quoted {
        return serde_json::from_str::<String>(&format!("\"{text}\"")).is_ok_and(|read| read == text);
    }
    // No number is too large for a grammar.
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Behind a number stands what may stand behind a value. A number that is the whole document may end with it.
fn ends_number(behind: Option<&u8>, is_document: bool) -> bool {
    behind.map_or(is_document, |behind| b",]} \t\r\n".contains(behind))
}

/// A request of five lines and a body: target, content type, and type, source and id of a `CloudEvent`. Whatever is found is
/// a text that may be a type, and a field of a form is the one that another parser finds.
pub(crate) fn formats(data: &[u8]) {
    let mut parts = data.splitn(6, |byte| *byte == b'\n');
    let mut line = || parts.next().unwrap_or_default();
    let target = line();
    let mut request = Request::post(http::Uri::try_from(target).unwrap_or_default());
    for name in ["content-type", "ce-type", "ce-source", "ce-id"] {
        if let Ok(value) = http::HeaderValue::from_bytes(line()) {
            request = request.header(name, value);
        }
    }
    let body = line();
    if let Ok(text) = std::str::from_utf8(body) {
        is_found_where_it_is_written(text);
    }
    let Ok(request) = request.body(()) else { return };
    let head = request.into_parts().0;
    for (name, sniffer) in SNIFFERS.iter() {
        let meta = sniffer.sniff(&head, |_| None, body);
        for found in [&meta.event_type, &meta.id].into_iter().flatten() {
            let text = text_of(found, body);
            assert!(!text.is_empty() && !text.chars().any(char::is_control), "{name} is {text:?}");
            field_is_right(name, &head, body, &text);
        }
        let item = sniffer.sniff_item(&head, |_| None, body, 7);
        assert_eq!(item.event_type, meta.event_type);
    }
}

/// Any text that may be a type, written as each format writes texts, is found as it was.
fn is_found_where_it_is_written(text: &str) {
    // XML has no others, and white space around a text is none of it.
    let text: String =
        text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).take(60).collect();
    let text = text.trim_matches(|c: char| c.is_whitespace());
    if text.is_empty() {
        return;
    }
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("a", "b").append_pair("type", text).finish();
    let percent: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let xml = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&#62;").replace('"', "&quot;");
    let rows = [
        ("query", "", String::new()),
        ("form", "application/x-www-form-urlencoded", form.clone()),
        ("text of XML", "text/xml", format!("<a><c/><x:b>{xml}</x:b></a>")),
        ("attribute of XML", "text/xml", format!("<a><b id='1' type=\"{xml}\"/></a>")),
        ("CloudEvent", "application/cloudevents+json", serde_json::json!({"a": 1, "type": text}).to_string()),
        ("CloudEvent", "text/plain", String::new()),
        ("JSON", "application/json", serde_json::json!({"": [{"type": 1}], "type": text, "z": "}"}).to_string()),
    ];
    for (name, content_type, body) in rows {
        let request = Request::post(format!("/?{form}")).header("content-type", content_type);
        let request = request.header("ce-type", percent.as_str()).header("ce-id", "1").header("ce-source", "/");
        let request = request.header("ce-specversion", "1.0").body(());
        let head = request.expect("a request").into_parts().0;
        let meta = SNIFFERS.get(name).expect("a sniffer").sniff(&head, |_| None, body.as_bytes());
        let found = meta.event_type.map(|found| text_of(&found, body.as_bytes()));
        assert_eq!(found.as_deref(), Some(text), "{name} in {body}");
    }
}

static SNIFFERS: LazyLock<HashMap<&'static str, Sniffer>> = LazyLock::new(|| {
    let xml = |path| Place::Xml(XmlPath::parse(path).expect("a path"));
    let cloudevent = |name| Place::CloudEvent(Attribute::named(name).expect("a name"));
    let rows = [
        ("query", Place::Query("type".to_owned())),
        ("form", Place::Form("type".to_owned())),
        ("text of XML", xml("/a/b")),
        ("attribute of XML", xml("/a/b/@type")),
        ("CloudEvent", cloudevent("type")),
        ("id of CloudEvent", cloudevent("id")),
        ("JSON", Place::Json(Pointer(vec!["type".to_owned()]))),
    ];
    let sniffer = |place| {
        let locators = [Locator { place, append: Some(Pointer(vec!["action".to_owned()])) }];
        Sniffer::new(&locators, &locators)
    };
    rows.into_iter().map(|(name, place)| (name, sniffer(place))).collect()
});

/// The first piece of what was found.
fn text_of(found: &Found<'_>, body: &[u8]) -> String {
    match &found.piece {
        Piece::Body(range) => {
            let text = body.get(range.clone()).expect("a range of the body");
            std::str::from_utf8(text).expect("UTF-8").to_owned()
        }
        Piece::Head(text) => (*text).to_owned(),
        Piece::Decoded(text) => text.clone(),
    }
}

fn field_is_right(name: &str, head: &Parts, body: &[u8], text: &str) {
    let form = match name {
        "query" => head.uri.query().unwrap_or_default().as_bytes(),
        "form" => body,
        _ => return,
    };
    let first = form_urlencoded::parse(form).find(|(name, _)| name == "type");
    assert_eq!(first.map(|(_, value)| value.into_owned()).as_deref(), Some(text));
}

/// A body is inflated as it is by the decoder of one call and of one member; nothing comes to more than it may, and nothing
/// is taken that is cut off or followed by more.
pub(crate) fn inflate(data: &[u8]) {
    const MAX: usize = 64 << 10;
    let mut into = Vec::new();
    for coding in [Coding::Gzip, Coding::Deflate] {
        let inflated = coding.inflate(data, MAX, &mut into).is_ok();
        assert!(!inflated || into.len() <= MAX, "{} bytes", into.len());
        let other = match coding {
            Coding::Gzip => members(data, MAX),
            Coding::Deflate => at_once(data, MAX),
        };
        assert_eq!(other.as_deref(), inflated.then_some(into.as_slice()), "{coding:?} comes to something else");
        if inflated {
            let longer = [data, b"\0"].concat();
            let shorter = data.get(..data.len() - 1).expect("no empty body is one");
            for other in [longer.as_slice(), shorter] {
                assert!(coding.inflate(other, MAX, &mut into).is_err(), "{coding:?} ends elsewhere too");
            }
        }
    }
    let _ = Coding::named(data);
}

fn members(mut data: &[u8], max: usize) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut member = flate2::bufread::GzDecoder::new(data).take(max as u64 + 1);
        member.read_to_end(&mut all).ok()?;
        if all.len() > max {
            return None;
        }
        data = member.into_inner().into_inner();
        if data.is_empty() {
            return Some(all);
        }
    }
}

/// Behind a window of zeros, and cut off it again: the decoder of a stream begins with such a window, and bodies may refer to
/// it (see `inflate.rs`), while the one of one call refuses what refers to before its beginning.
fn at_once(data: &[u8], max: usize) -> Option<Vec<u8>> {
    const WINDOW: usize = 32 << 10;
    // RFC 1950, section 2.2.
    let is_zlib = data.first_chunk().is_some_and(|head| head[0] & 15 == 8 && u16::from_be_bytes(*head) % 31 == 0);
    let (data, checksum) = if is_zlib {
        // Neither needs a dictionary nor has a larger window than there is.
        let head = data.first_chunk::<2>().filter(|head| head[0] >> 4 < 8 && head[1] & 0x20 == 0)?;
        let (data, checksum) = data.strip_prefix(head)?.split_last_chunk::<4>()?;
        (data, Some(u32::from_be_bytes(*checksum)))
    } else {
        (data, None)
    };
    // RFC 1951, section 3.2.4: a block that is stored, and not the last.
    let mut with_window = vec![0, 0x00, 0x80, 0xff, 0x7f];
    with_window.resize(with_window.len() + WINDOW, 0);
    with_window.extend_from_slice(data);
    let mut state = flate2::Decompress::new(false);
    let mut all = vec![0; WINDOW + max + 1];
    let status = state.decompress(&with_window, &mut all, flate2::FlushDecompress::Finish).ok()?;
    all.truncate(state.total_out() as usize);
    let all = all.get(WINDOW..)?;
    let is_whole = status == flate2::Status::StreamEnd && state.total_in() == with_window.len() as u64;
    // Built for libFuzzer, miniz_oxide compares no checksums of zlib. Ordinary tests, which feed this too, see that it does.
    let is_right = checksum.is_none_or(|checksum| cfg!(fuzzing) || checksum == adler32(all));
    (is_whole && is_right && all.len() <= max).then(|| all.to_vec())
}

/// RFC 1950, section 8.2.
fn adler32(bytes: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % PRIME;
        (low, (high + low) % PRIME)
    });
    high << 16 | low
}
