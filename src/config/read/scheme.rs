//! `hmac = { … }` and `signature = { … }`: a signature scheme.

use std::time::Duration;

use http::HeaderName;

use super::locator::pointer;
use super::signed::signed;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{
    Algorithm, Covers, Encoding, KeyForm, Scheme, SignatureForm, SignaturePlace, SignedPart, Stamp, StampPlace,
    StampUnit,
};

/// `hmac = { … }`: sender and receiver share a secret.
pub(super) fn mac_scheme(node: &Node<'_>) -> Option<Scheme> {
    let mut table = node.table()?;
    let algorithms = [
        ("sha256", Algorithm::Sha256),
        ("sha1", Algorithm::Sha1),
        ("sha512", Algorithm::Sha512),
        ("md5", Algorithm::Md5),
        ("secret-sha256", Algorithm::SecretSha256),
    ];
    let algorithm = table.get("algorithm").and_then(|node| node.choice(&algorithms)).unwrap_or(Algorithm::Sha256);
    scheme(table, algorithm)
}

/// `signature = { … }`: the sender has a private key, the secret of the source is its public key.
pub(super) fn public_key_scheme(node: &Node<'_>) -> Option<Scheme> {
    let mut table = node.table()?;
    let algorithms = [
        ("ed25519", Algorithm::Ed25519),
        ("ecdsa-p256", Algorithm::EcdsaP256),
        ("rsa-sha256", Algorithm::RsaSha256),
        ("rsa-sha1", Algorithm::RsaSha1),
    ];
    let algorithm = table.require("algorithm", "algorithm = \"ed25519\"").and_then(|node| node.choice(&algorithms));
    let scheme = scheme(table, algorithm.unwrap_or(Algorithm::Ed25519));
    scheme.filter(|_| algorithm.is_some())
}

fn scheme(mut table: Table<'_>, algorithm: Algorithm) -> Option<Scheme> {
    let place = place(&mut table);
    let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64), ("base64url", Encoding::Base64Url)];
    let encoding = table.get("encoding").and_then(|node| node.choice(&encodings)).unwrap_or(Encoding::Hex);
    let form = form(&mut table);
    let each = table.get("each").and_then(|node| pointer(&node));
    let timestamp = table.get("timestamp").and_then(|node| stamp(&node, &form));
    let signed = match table.get("signed") {
        Some(node) => signed(&node),
        None => vec![SignedPart::Body],
    };
    let covers = covers(&mut table, &signed);
    check_timestamp(&mut table, timestamp.as_ref(), &signed, covers);
    let key = key(&mut table);
    let key_id = table.get("key_id").and_then(|node| node.header_name());
    let expects = table.get("expects").and_then(|node| node.table()).map(expected_headers).unwrap_or_default();
    let body_hash = table.get("body_hash").and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    table.finish();
    Some(Scheme {
        algorithm,
        place: place?,
        form,
        encoding,
        signed,
        covers,
        each,
        timestamp,
        key,
        key_id,
        expects,
        body_hash,
    })
}

fn place(table: &mut Table<'_>) -> Option<SignaturePlace> {
    match table.one_of(["header", "json"]) {
        Some(("json", node)) => pointer(&node).map(SignaturePlace::Json),
        Some((_, node)) => {
            let names: Vec<HeaderName> = node.items().iter().filter_map(|item| item.header_name()).collect();
            (!names.is_empty()).then_some(SignaturePlace::Headers(names))
        }
        None => {
            table.require("header", "header = \"X-Signature\"");
            None
        }
    }
}

fn form(table: &mut Table<'_>) -> SignatureForm {
    let separator = table.get("separator");
    let written = table.one_of(["prefix", "pairs", "version", "list"]);
    if let Some(node) = separator.as_ref().filter(|_| !matches!(written, Some(("pairs", _)))) {
        node.spot.problem("only pairs have a separator", "write pairs = \"v1\" beside it, or leave it out");
    }
    match written {
        Some(("pairs", node)) => {
            let separators = [(",", ','), (";", ';')];
            let separator = separator.and_then(|node| node.choice(&separators)).unwrap_or(',');
            SignatureForm::Pairs { mac: node.filled_text().unwrap_or_default().to_owned(), separator }
        }
        Some(("version", node)) => {
            SignatureForm::Versions { version: node.filled_text().unwrap_or_default().to_owned() }
        }
        Some(("list", node)) if node.flag() == Some(true) => SignatureForm::List,
        Some(("prefix", node)) => SignatureForm::Single { prefix: node.text().unwrap_or_default().to_owned() },
        _ => SignatureForm::Single { prefix: String::new() },
    }
}

fn stamp(node: &Node<'_>, form: &SignatureForm) -> Option<Stamp> {
    let mut table = node.table()?;
    let place = match table.one_of(["header", "pair", "json"]) {
        Some(("header", node)) => node.header_name().map(StampPlace::Header),
        Some(("json", node)) => pointer(&node).map(StampPlace::Json),
        Some((_, node)) => {
            if !matches!(form, SignatureForm::Pairs { .. }) {
                node.spot
                    .problem("this signature has no pairs", "write pairs = \"v1\" beside it, or header = \"…\" here");
            }
            node.filled_text().map(|key| StampPlace::Pair(key.to_owned()))
        }
        None => node.refuse("it is not said where the timestamp is", "write header = \"X-Timestamp\" or pair = \"t\""),
    };
    let units = [("s", StampUnit::Seconds), ("ms", StampUnit::Milliseconds), ("rfc3339", StampUnit::Rfc3339)];
    let unit = table.get("unit").and_then(|node| node.choice(&units)).unwrap_or(StampUnit::Seconds);
    let tolerance = table.get("tolerance").and_then(|node| node.positive_duration());
    table.finish();
    Some(Stamp { place: place?, unit, tolerance: tolerance.unwrap_or(Duration::from_mins(5)) })
}

/// What leaves out the body must say so: whoever writes it has then thought of it.
fn covers(table: &mut Table<'_>, signed: &[SignedPart]) -> Covers {
    let choices = [("body", Covers::Body), ("part", Covers::Part)];
    let node = table.get("covers");
    let covers = node.as_ref().and_then(|node| node.choice(&choices)).unwrap_or(Covers::Body);
    let has_body =
        signed.iter().any(|part| matches!(part, SignedPart::Body | SignedPart::Form | SignedPart::SortedUrl));
    if covers == Covers::Body
        && !has_body
        && let Some(node) = table.get("signed")
    {
        node.spot.problem(
            "the body is not signed",
            "write {body} as in \"{timestamp}.{body}\", or covers = \"part\" beside it if the provider leaves the body out",
        );
    }
    covers
}

/// A timestamp that is signed must be known; one that is known must be signed, or it proves nothing.
fn check_timestamp(table: &mut Table<'_>, timestamp: Option<&Stamp>, signed: &[SignedPart], covers: Covers) {
    let is_signed = signed.iter().any(|part| match (part, timestamp.map(|stamp| &stamp.place)) {
        // Which headers are listed is checked of each request.
        (SignedPart::Timestamp, _) | (SignedPart::ListedHeaders(_), Some(StampPlace::Header(_))) => true,
        (SignedPart::Header(name), Some(StampPlace::Header(place))) => name == place,
        (SignedPart::Json(pointer), Some(StampPlace::Json(place))) => pointer == place,
        (SignedPart::Body, Some(StampPlace::Json(_))) => covers == Covers::Body,
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

fn expected_headers(table: Table<'_>) -> Vec<(HeaderName, String)> {
    let read = |(name, node): (&str, Node<'_>)| match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Some((name, node.header_value()?.to_owned())),
        Err(_) => node.refuse("this is not a header name", "write letters, digits and hyphens"),
    };
    table.all().into_iter().filter_map(read).collect()
}

#[derive(Clone, Copy)]
enum KeyKind {
    Text,
    Base64,
    Hex,
}
