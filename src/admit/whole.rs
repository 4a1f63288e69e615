//! Signatures that can be checked only once the whole body is there.
//!
//! ```text
//! head   candidates and timestamp, where they are in it
//! end    JSON, if something of it is needed ─▶ each item ─▶ the message, for each spelling of the URL ─▶ every key
//! ```
//!
//! These schemes allocate: the message is put together before it is hashed.

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::candidates::Candidates;
use super::form;
use super::header::lone;
use super::json::{at, text_of};
use super::mac::{Mac, any_match};
use super::signature::{KeySet, Signature, tags};
use super::timestamp::Clock;
use super::{public_key, query, timestamp, url};
use crate::config::{Pointer, SignaturePlace, SignedPart, StampPlace};
use crate::refusal::Refusal;

/// A signature that waits for the body's end.
pub(super) struct WholeSignature<'a> {
    signature: &'a Signature,
    keys: KeySet<'a>,
    parts: &'a Parts,
    clock: Clock,
    /// `None` where the signature is in the body.
    in_head: Option<Candidates<'a>>,
}

impl<'a> WholeSignature<'a> {
    pub(super) fn open(
        signature: &'a Signature,
        keys: KeySet<'a>,
        parts: &'a Parts,
        clock: Clock,
    ) -> Result<Self, Refusal> {
        let in_head = match &signature.scheme.place {
            SignaturePlace::Headers(names) => {
                let candidates = Candidates::in_headers(&parts.headers, names, &signature.scheme)?;
                if let (Some(text), Some(stamp)) =
                    (signature.stamp(&parts.headers, &candidates)?, &signature.scheme.timestamp)
                {
                    timestamp::check(text, stamp, clock)?;
                }
                Some(candidates)
            }
            SignaturePlace::Json(_) => None,
        };
        Ok(Self { signature, keys, parts, clock, in_head })
    }

    pub(super) fn finish(&self, body: &[u8]) -> Result<(), Refusal> {
        let document = if self.reads_json() {
            serde_json::from_slice(body).map_err(|_| Refusal::MalformedSignature)?
        } else {
            Value::Null
        };
        match &self.signature.scheme.each {
            None => self.check(&document, body),
            Some(list) => match at(&document, list).and_then(Value::as_array).map(Vec::as_slice) {
                None | Some([]) => Err(Refusal::MissingSignature),
                Some(items) => items.iter().try_for_each(|item| self.check(item, body)),
            },
        }
    }

    fn reads_json(&self) -> bool {
        let scheme = &self.signature.scheme;
        let in_body = |part: &SignedPart| matches!(part, SignedPart::Json(_) | SignedPart::Members(_));
        scheme.each.is_some()
            || matches!(scheme.place, SignaturePlace::Json(_))
            || matches!(scheme.timestamp.as_ref().map(|stamp| &stamp.place), Some(StampPlace::Json(_)))
            || scheme.signed.iter().any(in_body)
    }

    /// Checks what is signed of the body, or of one item in it.
    fn check(&self, item: &Value, body: &[u8]) -> Result<(), Refusal> {
        let scheme = &self.signature.scheme;
        match (&self.in_head, &scheme.place) {
            (Some(candidates), _) => self.check_with(candidates, item, body),
            (None, SignaturePlace::Json(pointer)) => {
                let text = member(item, pointer)?.ok_or(Refusal::MissingSignature)?;
                self.check_with(&Candidates::in_text(text.as_bytes(), scheme)?, item, body)
            }
            (None, SignaturePlace::Headers(_)) => Err(Refusal::MissingSignature),
        }
    }

    fn check_with(&self, candidates: &Candidates<'_>, item: &Value, body: &[u8]) -> Result<(), Refusal> {
        let scheme = &self.signature.scheme;
        let stamp_text;
        let stamp = match &scheme.timestamp {
            None => None,
            Some(stamp) => match &stamp.place {
                StampPlace::Json(pointer) => {
                    stamp_text = member(item, pointer)?.ok_or(Refusal::MalformedTimestamp)?;
                    timestamp::check(stamp_text.as_bytes(), stamp, self.clock)?;
                    Some(stamp_text.as_bytes())
                }
                StampPlace::Header(name) => lone(&self.parts.headers, name, Refusal::AmbiguousSignature)?,
                StampPlace::Pair(_) => {
                    let text = candidates.stamp.ok_or(Refusal::MalformedTimestamp)?;
                    timestamp::check(text, stamp, self.clock)?;
                    Some(text)
                }
            },
        };
        for url in self.urls() {
            if self.fits(&message(self.signature, self.parts, &url, (item, body), stamp)?, candidates)? {
                return Ok(());
            }
        }
        Err(Refusal::WrongSignature)
    }

    /// The spellings of the URL that are tried; one that is nobody's where no URL is signed.
    fn urls(&self) -> Vec<String> {
        if !self.signature.scheme.signs_url() {
            return vec![String::new()];
        }
        url::spellings(&self.signature.public_url, &self.parts.uri)
    }

    fn fits(&self, message: &[u8], candidates: &Candidates<'_>) -> Result<bool, Refusal> {
        let scheme = &self.signature.scheme;
        match self.keys {
            KeySet::Macs(keys) => {
                let ours = keys.iter().filter_map(|key| key.at(self.clock.now)).cloned().map(|mut mac: Mac| {
                    mac.update(message);
                    mac.finish()
                });
                Ok(any_match(ours, &tags(&candidates.texts, scheme)?))
            }
            KeySet::Public(keys) => {
                let decoded = candidates.texts.iter().filter_map(|text| public_key::decode(text, scheme.encoding));
                let signatures: Vec<Vec<u8>> = decoded.collect();
                if signatures.is_empty() {
                    return Err(Refusal::MalformedSignature);
                }
                let fits = |signature: &Vec<u8>| {
                    keys.iter().filter_map(|key| key.at(self.clock.now)).any(|key| key.fits(message, signature))
                };
                Ok(signatures.iter().any(fits))
            }
        }
    }
}

/// What is signed, put together; `item` is what the body says, or one item of it.
pub(super) fn message(
    signature: &Signature,
    parts: &Parts,
    url: &str,
    (item, body): (&Value, &[u8]),
    stamp: Option<&[u8]>,
) -> Result<Vec<u8>, Refusal> {
    let mut message = Vec::with_capacity(body.len() + 256);
    for part in &signature.scheme.signed {
        match part {
            SignedPart::Body => message.extend_from_slice(body),
            SignedPart::Crc32 => message.extend_from_slice(crc32fast::hash(body).to_string().as_bytes()),
            SignedPart::Form => form_or_its_hash(signature, parts, body, &mut message)?,
            SignedPart::Url => message.extend_from_slice(url.as_bytes()),
            SignedPart::BaseUrl => message.extend_from_slice(url::without_query(url).as_bytes()),
            SignedPart::SortedUrl => {
                let fields = if form::is_form(&parts.headers) { body } else { b"" };
                form::sorted_url(url, fields, &mut message);
            }
            SignedPart::ListedHeaders(name) => listed_headers(signature, &parts.headers, name, &mut message)?,
            SignedPart::Json(pointer) => {
                message.extend_from_slice(member(item, pointer)?.unwrap_or_default().as_bytes());
            }
            SignedPart::Members(names) => {
                for name in names {
                    if let Some(text) = member(item, &Pointer(vec![name.clone()]))? {
                        message.extend_from_slice(format!("{name}\n{text}\n").as_bytes());
                    }
                }
            }
            of_head => {
                let pieces = signature.of_head(of_head, parts, stamp)?;
                pieces.into_iter().for_each(|piece| message.extend_from_slice(piece));
            }
        }
    }
    Ok(message)
}

/// A form is signed field by field. A body that is none must be empty, or be named by its hash in the URL.
fn form_or_its_hash(signature: &Signature, parts: &Parts, body: &[u8], message: &mut Vec<u8>) -> Result<(), Refusal> {
    if form::is_form(&parts.headers) {
        form::sorted(body, message);
        return Ok(());
    }
    if body.is_empty() {
        return Ok(());
    }
    let name = signature.scheme.body_hash.as_deref().ok_or(Refusal::WrongSignature)?;
    let mut values = query::values(parts.uri.query().unwrap_or_default(), name);
    let hash = Sha256::digest(body);
    match (values.next(), values.next()) {
        (Some(value), None) if data_encoding::HEXLOWER.encode(&hash).eq_ignore_ascii_case(value) => Ok(()),
        _ => Err(Refusal::WrongSignature),
    }
}

/// `name:value` of each header that this one lists, in order of their names.
fn listed_headers(
    signature: &Signature,
    headers: &HeaderMap,
    list: &HeaderName,
    message: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let list = lone(headers, list, Refusal::AmbiguousSignature)?.ok_or(Refusal::MissingSignature)?;
    let list = std::str::from_utf8(list).map_err(|_| Refusal::MalformedSignature)?.to_ascii_lowercase();
    let mut names: Vec<&str> = list.split(',').map(str::trim).collect();
    names.sort_unstable();
    // A timestamp that is not listed is not signed.
    if let Some(StampPlace::Header(stamp)) = signature.scheme.timestamp.as_ref().map(|stamp| &stamp.place)
        && !names.contains(&stamp.as_str())
    {
        return Err(Refusal::MalformedTimestamp);
    }
    for (at, name) in names.into_iter().enumerate() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::MalformedSignature)?;
        let value = lone(headers, &name, Refusal::AmbiguousSignature)?.ok_or(Refusal::MissingSignature)?;
        if at > 0 {
            message.push(b';');
        }
        message.extend_from_slice(name.as_str().as_bytes());
        message.push(b':');
        message.extend_from_slice(value.trim_ascii());
    }
    Ok(())
}

/// The text of a member, if it is there. What has no text cannot have been signed.
fn member(item: &Value, pointer: &Pointer) -> Result<Option<String>, Refusal> {
    match at(item, pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => text_of(value).map(Some).ok_or(Refusal::MalformedSignature),
    }
}
