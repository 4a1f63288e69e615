//! `handshake = [{ … }]`: what tells a handshake from an event, and its answer.

use http::{HeaderName, Method, StatusCode};

use super::locator::pointer;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::template::{self, Piece};
use crate::config::{AnswerPart, Clue, Encoding, Expected, Field, Handshake, Pointer};

/// One handshake, or a list of which the first that fits is answered.
pub(super) fn handshakes(node: Node<'_>) -> Vec<Handshake> {
    node.items().iter().filter_map(handshake).collect()
}

fn handshake(node: &Node<'_>) -> Option<Handshake> {
    let mut table = node.table()?;
    let methods = [("POST", 0), ("GET", 1), ("HEAD", 2), ("OPTIONS", 3)];
    let method_node = table.get("method");
    let written = method_node.as_ref().map(|node| node.choice(&methods));
    let method = match written.flatten() {
        Some(1) => Method::GET,
        Some(2) => Method::HEAD,
        Some(3) => Method::OPTIONS,
        _ => Method::POST,
    };
    let when = table.get("when");
    // A method that is none has been reported, and would not have been POST.
    let is_told = when.is_some() || method != Method::POST || written == Some(None);
    let when = when.map(|node| node.items().iter().filter_map(condition).collect()).unwrap_or_default();
    let proven = table.get("proven").and_then(|node| node.flag()).unwrap_or(method == Method::POST);
    let learn = table.get("learn").and_then(|node| field_alone(&node));
    let status = table.get("status").and_then(|node| node.status(200..=299)).unwrap_or(StatusCode::OK);
    let body = table.get("body").map(|node| parts(&node)).unwrap_or_default();
    let content_type = table.get("content_type").and_then(|node| node.header_value()).map(ToOwned::to_owned);
    let content_type = content_type.or((!body.is_empty()).then(|| "text/plain; charset=utf-8".to_owned()));
    let headers = table.get("headers").and_then(|node| node.table()).map(headers).unwrap_or_default();
    table.finish();
    let handshake = Handshake { method, when, proven, learn, status, content_type, body, headers };
    check(node, &handshake, is_told);
    Some(handshake)
}

fn check(node: &Node<'_>, handshake: &Handshake, is_told: bool) {
    let is_post = handshake.method == Method::POST;
    if !is_told {
        node.spot.problem(
            "every event would be taken for this handshake",
            "write when = { json = \"/type\", is = \"url_verification\" }, or what tells it from an event",
        );
    }
    if !is_post && (handshake.proven || !handshake.is_in_head()) {
        node.spot.problem(
            "only a POST has a body and a proof",
            "write method = \"POST\", or look at headers and the query alone",
        );
    }
}

fn condition(node: &Node<'_>) -> Option<Clue> {
    let mut table = node.table()?;
    let field = field(&mut table, node);
    let is = match table.one_of(["is", "verify_token"]) {
        Some(("is", node)) => Expected::Text(node.filled_text()?.to_owned()),
        Some((_, node)) => {
            node.choice(&[("own", ())])?;
            Expected::VerifyToken
        }
        None => Expected::Anything,
    };
    table.finish();
    Some(Clue { field: field?, is })
}

fn field_alone(node: &Node<'_>) -> Option<Field> {
    let mut table = node.table()?;
    let field = field(&mut table, node);
    table.finish();
    field
}

fn field(table: &mut Table<'_>, node: &Node<'_>) -> Option<Field> {
    match table.one_of(["header", "query", "json"]) {
        Some(("header", node)) => node.header_name().map(Field::Header),
        Some(("query", node)) => node.filled_text().map(|name| Field::Query(name.to_owned())),
        Some((_, node)) => pointer(&node).map(Field::Json),
        None => node.refuse("it is not said where to look", WRITE),
    }
}

fn headers(table: Table<'_>) -> Vec<(HeaderName, Vec<AnswerPart>)> {
    let read = |(name, node): (&str, Node<'_>)| match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Some((name, parts(&node))),
        Err(_) => node.refuse("this is not a header name", "write letters, digits and hyphens"),
    };
    table.all().into_iter().filter_map(read).collect()
}

fn parts(node: &Node<'_>) -> Vec<AnswerPart> {
    let Some(text) = node.text() else { return Vec::new() };
    match template::pieces(text) {
        Ok(pieces) => pieces.into_iter().filter_map(|piece| part(node, piece)).collect(),
        Err(help) => {
            node.spot.problem("a brace is not closed", help);
            Vec::new()
        }
    }
}

fn part(node: &Node<'_>, piece: Piece<'_>) -> Option<AnswerPart> {
    let hole = match piece {
        Piece::Literal(text) => return Some(AnswerPart::Literal(text)),
        Piece::Hole(hole) => hole,
    };
    let read = match hole.split_once(':') {
        Some(("hex-mac", field)) => named(field).map(|field| AnswerPart::Mac(field, Encoding::Hex)),
        Some(("base64-mac", field)) => named(field).map(|field| AnswerPart::Mac(field, Encoding::Base64)),
        _ => named(hole).map(AnswerPart::Field),
    };
    if read.is_none() {
        let what = format!("{{{}}} is not a part of a request", hole.escape_debug());
        node.spot.problem(what, "write {json:/challenge}, {query:name}, {header:X-Name} or {hex-mac:json:/token}");
    }
    read
}

/// `json:/challenge`
fn named(text: &str) -> Option<Field> {
    match text.split_once(':')? {
        ("json", pointer) => Pointer::parse(pointer).map(Field::Json),
        ("query", name) if !name.is_empty() => Some(Field::Query(name.to_owned())),
        ("header", name) => HeaderName::from_bytes(name.as_bytes()).ok().map(Field::Header),
        _ => None,
    }
}

const WRITE: &str = "write one of { header = \"X-Challenge\" }, { query = \"challenge\" }, { json = \"/challenge\" }";
