//! `hmac = { … }`: a signature scheme.

use std::time::Duration;

use http::HeaderName;

use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::template::{self, Piece};
use crate::config::{Algorithm, Encoding, KeyForm, Scheme, SignatureForm, SignedPart, Stamp, StampPlace, StampUnit};

/// Reads a scheme; `None` if it has no header.
pub(super) fn scheme(node: &Node<'_>) -> Option<Scheme> {
    let mut table = node.table()?;
    let header = table.require("header", "header = \"X-Signature\"").and_then(|node| node.header_name());
    let algorithm = [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
    let algorithm = table.get("algorithm").and_then(|node| node.choice(&algorithm)).unwrap_or(Algorithm::Sha256);
    let encoding = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    let encoding = table.get("encoding").and_then(|node| node.choice(&encoding)).unwrap_or(Encoding::Hex);
    let form = form(&mut table);
    let timestamp = table.get("timestamp").and_then(|node| stamp(&node, &form));
    let signed = match table.get("signed") {
        Some(node) => signed(&node),
        None => vec![SignedPart::Body],
    };
    check_timestamp(&mut table, timestamp.as_ref(), &signed);
    let key = key(&mut table);
    table.finish();
    Some(Scheme { algorithm, header: header?, form, encoding, signed, timestamp, key })
}

fn form(table: &mut Table<'_>) -> SignatureForm {
    match table.one_of(["prefix", "pairs", "version"]) {
        Some(("pairs", node)) => SignatureForm::Pairs { mac: node.filled_text().unwrap_or_default().to_owned() },
        Some(("version", node)) => {
            SignatureForm::Versions { version: node.filled_text().unwrap_or_default().to_owned() }
        }
        Some((_, node)) => SignatureForm::Single { prefix: node.text().unwrap_or_default().to_owned() },
        None => SignatureForm::Single { prefix: String::new() },
    }
}

fn stamp(node: &Node<'_>, form: &SignatureForm) -> Option<Stamp> {
    let mut table = node.table()?;
    let place = match table.one_of(["header", "pair"]) {
        Some(("header", node)) => node.header_name().map(StampPlace::Header),
        Some((_, node)) => {
            if !matches!(form, SignatureForm::Pairs { .. }) {
                node.spot
                    .problem("this signature has no pairs", "write pairs = \"v1\" beside it, or header = \"…\" here");
            }
            node.filled_text().map(|key| StampPlace::Pair(key.to_owned()))
        }
        None => node.refuse("it is not said where the timestamp is", "write header = \"X-Timestamp\" or pair = \"t\""),
    };
    let units = [("s", StampUnit::Seconds), ("ms", StampUnit::Milliseconds)];
    let unit = table.get("unit").and_then(|node| node.choice(&units)).unwrap_or(StampUnit::Seconds);
    let tolerance = table.get("tolerance").and_then(|node| node.positive_duration());
    table.finish();
    Some(Stamp { place: place?, unit, tolerance: tolerance.unwrap_or(Duration::from_mins(5)) })
}

fn signed(node: &Node<'_>) -> Vec<SignedPart> {
    let Some(pieces) = node.text().and_then(|text| match template::pieces(text) {
        Ok(pieces) => Some(pieces),
        Err(help) => node.refuse("a brace is not closed", help),
    }) else {
        return vec![SignedPart::Body];
    };
    let parts: Vec<SignedPart> = pieces.into_iter().filter_map(|piece| signed_part(node, piece)).collect();
    if parts.iter().filter(|part| **part == SignedPart::Body).count() != 1 {
        node.spot.problem("the body is not signed exactly once", "write {body} once, as in \"{timestamp}.{body}\"");
    }
    parts
}

fn signed_part(node: &Node<'_>, piece: Piece<'_>) -> Option<SignedPart> {
    match piece {
        Piece::Literal(text) => Some(SignedPart::Literal(text)),
        Piece::Hole("body") => Some(SignedPart::Body),
        Piece::Hole("timestamp") => Some(SignedPart::Timestamp),
        Piece::Hole(hole) => {
            let name = hole.strip_prefix("header:").and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
            if name.is_none() {
                node.spot.problem(
                    format!("{{{}}} is not a part of a request", hole.escape_debug()),
                    "write {body}, {timestamp} or {header:X-Name}",
                );
            }
            name.map(SignedPart::Header)
        }
    }
}

/// A timestamp that is signed must be known; one that is known must be signed, or it proves nothing.
fn check_timestamp(table: &mut Table<'_>, timestamp: Option<&Stamp>, signed: &[SignedPart]) {
    let is_signed = signed.iter().any(|part| match (part, timestamp) {
        (SignedPart::Timestamp, _) => true,
        (SignedPart::Header(name), Some(Stamp { place: StampPlace::Header(place), .. })) => name == place,
        _ => false,
    });
    match (table.get("signed"), table.get("timestamp")) {
        (Some(node), None) if is_signed => node.spot.problem(
            "{timestamp} is signed, but not said where it is",
            "write timestamp = { header = \"X-Timestamp\" } or { pair = \"t\" } beside it",
        ),
        (_, Some(node)) if timestamp.is_some() && !is_signed => node.spot.problem(
            "the signature does not cover this timestamp, which then proves nothing",
            "write signed = \"{timestamp}.{body}\" as the provider signs it, or leave the timestamp out",
        ),
        _ => {}
    }
}

fn key(table: &mut Table<'_>) -> KeyForm {
    let forms = [("text", KeyKind::Text), ("base64", KeyKind::Base64), ("hex", KeyKind::Hex)];
    let kind = table.get("key").and_then(|node| node.choice(&forms)).unwrap_or(KeyKind::Text);
    let prefix = table.get("key_prefix");
    if let Some(node) = prefix.as_ref().filter(|_| !matches!(kind, KeyKind::Base64)) {
        node.spot.problem("only a base64 key has a prefix", "write key = \"base64\" beside it, or leave it out");
    }
    match kind {
        KeyKind::Text => KeyForm::Text,
        KeyKind::Hex => KeyForm::Hex,
        KeyKind::Base64 => {
            KeyForm::Base64 { prefix: prefix.and_then(|node| node.text()).unwrap_or_default().to_owned() }
        }
    }
}

#[derive(Clone, Copy)]
enum KeyKind {
    Text,
    Base64,
    Hex,
}
