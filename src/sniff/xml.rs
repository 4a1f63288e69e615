//! The text of one element or attribute of an XML body, by a streaming parser that builds nothing.
//!
//! Names are compared without their namespace prefixes: a sender chooses those. The first element of a path, in the order
//! of the document, counts; its text is what stands in it and in no element within it, without white space around it.
//!
//! Nothing is ever fetched or expanded: a document type declaration ends the search, and with it every entity but the five
//! that XML itself has. What an answer proves, and what it does not: up to the element the tags are balanced and bodies are
//! UTF-8; what follows it is not looked at. So for a body that is XML the answer is right, and for one that is not it is
//! "not found" or what stands where the element would stand.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::reader::Reader;

use super::text::Text;
use crate::config::XmlPath;

/// Elements within each other. The parser remembers the names of all that are open.
const DEPTH_MAX: usize = 256;

/// The text of what a path names. `None` if it is absent, empty or no text, or the body is malformed on the way to it.
pub(super) fn find(body: &[u8], path: &XmlPath) -> Option<Text> {
    let body = std::str::from_utf8(body).ok()?;
    let document = body.strip_prefix('\u{feff}').unwrap_or(body);
    let mut reader = Reader::from_str(document);
    // Elements that are open, and how many of them, from the outermost on, are those of the path.
    let (mut depth, mut matched) = (0, 0);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return None;
                }
                if matched + 1 == depth && is_named(&start, path, matched) {
                    matched += 1;
                    if matched == path.elements.len() {
                        return match &path.attribute {
                            Some(name) => attribute(&start, name),
                            None => content(&mut reader).map(|text| located(body, text)),
                        };
                    }
                }
            }
            Event::Empty(empty) => {
                let is_last = matched + 1 == path.elements.len();
                if matched == depth && is_last && is_named(&empty, path, matched) {
                    return attribute(&empty, path.attribute.as_ref()?);
                }
                if depth == 0 {
                    return None;
                }
            }
            Event::End(_) => {
                depth -= 1;
                matched = matched.min(depth);
                if depth == 0 {
                    return None;
                }
            }
            Event::Text(text) => {
                if depth == 0 && !text.chars().all(is_space) {
                    return None;
                }
            }
            Event::Decl(declaration) => {
                if depth > 0 || !is_readable(&declaration, body) {
                    return None;
                }
            }
            Event::CData(_) | Event::GeneralRef(_) if depth > 0 => {}
            Event::Comment(_) | Event::PI(_) => {}
            Event::CData(_) | Event::GeneralRef(_) | Event::DocType(_) | Event::Eof => return None,
        }
    }
}

fn is_named(start: &BytesStart<'_>, path: &XmlPath, at: usize) -> bool {
    path.elements.get(at).is_some_and(|name| start.local_name().as_ref() == name)
}

/// What stands in the element that was just opened, up to its end.
fn content<'body>(reader: &mut Reader<&'body [u8]>) -> Option<Cow<'body, str>> {
    let mut content = Cow::Borrowed("");
    loop {
        match reader.read_event().ok()? {
            Event::Text(text) => append(&mut content, text.xml10_content()),
            Event::CData(text) => append(&mut content, text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => content.to_mut().push(character),
                None => append(&mut content, resolve_predefined_entity(&reference)?.into()),
            },
            Event::Comment(_) | Event::PI(_) => {}
            Event::End(_) => return Some(content),
            Event::Start(_) | Event::Empty(_) | Event::Decl(_) | Event::DocType(_) | Event::Eof => return None,
        }
    }
}

fn append<'body>(content: &mut Cow<'body, str>, more: Cow<'body, str>) {
    if content.is_empty() {
        *content = more;
    } else {
        content.to_mut().push_str(&more);
    }
}

fn located(body: &str, text: Cow<'_, str>) -> Text {
    match text {
        Cow::Borrowed(text) => {
            let text = text.trim_matches(is_space);
            // It is a part of the body, so that the difference of the addresses is its place.
            let start = (text.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize);
            let place = start..start.wrapping_add(text.len());
            match body.get(place.clone()) {
                Some(there) if !text.is_empty() && there == text => Text::Plain(place),
                _ => Text::Decoded(text.to_owned()),
            }
        }
        Cow::Owned(text) => Text::Decoded(text.trim_matches(is_space).to_owned()),
    }
}

/// The value of an attribute that is not the declaration of a namespace.
fn attribute(start: &BytesStart<'_>, name: &str) -> Option<Text> {
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        if attribute.key.as_namespace_binding().is_none() && attribute.key.local_name().as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            return Some(Text::Decoded(value.trim_matches(is_space).to_owned()));
        }
    }
    None
}

/// Whether the body means what its bytes say as UTF-8. Other encodings do where they have nothing but ASCII.
fn is_readable(declaration: &BytesDecl<'_>, body: &str) -> bool {
    match declaration.encoding() {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(encoding)) => {
            let encoding = encoding.to_ascii_lowercase();
            let extends_ascii = encoding.starts_with("iso-8859-") || encoding.starts_with("windows-125");
            matches!(&*encoding, "utf-8" | "utf8")
                || (body.is_ascii() && (extends_ascii || matches!(&*encoding, "us-ascii" | "ascii")))
        }
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}
