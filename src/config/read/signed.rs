//! `signed = "{timestamp}.{body}"`: what a provider signs, in order.

use http::HeaderName;

use crate::config::node::Node;
use crate::config::template::{self, Piece};
use crate::config::{Pointer, SignedPart};

/// Reads the parts; the body may be there once.
pub(super) fn signed(node: &Node<'_>) -> Vec<SignedPart> {
    let Some(pieces) = node.text().and_then(|text| match template::pieces(text) {
        Ok(pieces) => Some(pieces),
        Err(help) => node.refuse("a brace is not closed", help),
    }) else {
        return vec![SignedPart::Body];
    };
    let parts: Vec<SignedPart> = pieces.into_iter().filter_map(|piece| part(node, piece)).collect();
    if parts.iter().filter(|part| **part == SignedPart::Body).count() > 1 {
        node.spot.problem("the body is signed more than once", "write {body} once, as in \"{timestamp}.{body}\"");
    }
    parts
}

fn part(node: &Node<'_>, piece: Piece<'_>) -> Option<SignedPart> {
    let hole = match piece {
        Piece::Literal(text) => return Some(SignedPart::Literal(text)),
        Piece::Hole(hole) => hole,
    };
    let part = match hole.split_once(':') {
        None => simple(hole),
        Some(("header", name)) => HeaderName::from_bytes(name.as_bytes()).ok().map(SignedPart::Header),
        Some(("headers", name)) => HeaderName::from_bytes(name.as_bytes()).ok().map(SignedPart::ListedHeaders),
        Some(("json", pointer)) => Pointer::parse(pointer).map(SignedPart::Json),
        Some(("members", names)) => Some(SignedPart::Members(names.split(',').map(ToOwned::to_owned).collect())),
        Some(_) => None,
    };
    if part.is_none() {
        node.spot.problem(
            format!("{{{}}} is not a part of a request", hole.escape_debug()),
            "write {body}, {timestamp}, {header:X-Name}, {method}, {path}, {url}, {base_url}, {form}, {json:/member} or \
             {key_id}",
        );
    }
    part
}

fn simple(hole: &str) -> Option<SignedPart> {
    Some(match hole {
        "body" => SignedPart::Body,
        "timestamp" => SignedPart::Timestamp,
        "method" => SignedPart::Method,
        "path" => SignedPart::Path,
        "url" => SignedPart::Url,
        "base_url" => SignedPart::BaseUrl,
        "sorted_url" => SignedPart::SortedUrl,
        "form" => SignedPart::Form,
        "crc32" => SignedPart::Crc32,
        "key_id" => SignedPart::KeyId,
        _ => return None,
    })
}
