//! What a signature header offers: one MAC, or several while a provider rotates its secrets. Any that fits is enough, so one
//! that cannot be read stands in nobody's way as long as another can.

use http::HeaderMap;
use smallvec::SmallVec;

use super::header::lone;
use super::mac::Tag;
use crate::config::{Scheme, SignatureForm, StampPlace};
use crate::refusal::Refusal;

/// The MACs of a signature header, at least one, and the timestamp if it stands among them.
pub(super) struct Candidates<'a> {
    pub(super) tags: SmallVec<[Tag; 2]>,
    pub(super) stamp: Option<&'a [u8]>,
}

impl<'a> Candidates<'a> {
    pub(super) fn read(headers: &'a HeaderMap, scheme: &Scheme) -> Result<Self, Refusal> {
        let mut found = Candidates { tags: SmallVec::new(), stamp: None };
        match &scheme.form {
            SignatureForm::Single { prefix } => {
                if let Some(mac) = signature_header(headers, scheme)?.strip_prefix(prefix.as_bytes()) {
                    found.offer(mac, scheme)?;
                }
            }
            SignatureForm::Pairs { mac } => found.read_pairs(signature_header(headers, scheme)?, mac, scheme)?,
            SignatureForm::Versions { version } => found.read_versions(headers, version, scheme)?,
        }
        if found.tags.is_empty() { Err(Refusal::MalformedSignature) } else { Ok(found) }
    }

    /// `t=1700000000,v1=…,v1=…`. Some senders put a space after the comma.
    fn read_pairs(&mut self, value: &'a [u8], mac: &str, scheme: &Scheme) -> Result<(), Refusal> {
        let stamp_key = scheme.timestamp.as_ref().and_then(|stamp| match &stamp.place {
            StampPlace::Pair(key) => Some(key.as_bytes()),
            StampPlace::Header(_) => None,
        });
        for pair in value.split(|byte| *byte == b',') {
            let Some((key, text)) = split_once(pair.trim_ascii(), b'=') else { continue };
            if key == mac.as_bytes() {
                self.offer(text, scheme)?;
            } else if Some(key) == stamp_key && self.stamp.replace(text).is_some() {
                return Err(Refusal::AmbiguousSignature);
            }
        }
        Ok(())
    }

    /// `v1,… v1,… v1a,…`, on as many lines as the sender likes.
    fn read_versions(&mut self, headers: &'a HeaderMap, version: &str, scheme: &Scheme) -> Result<(), Refusal> {
        let mut lines = headers.get_all(&scheme.header).iter().peekable();
        if lines.peek().is_none() {
            return Err(Refusal::MissingSignature);
        }
        for line in lines {
            for entry in line.as_bytes().split(|byte| *byte == b' ') {
                if let Some((key, mac)) = split_once(entry, b',')
                    && key == version.as_bytes()
                {
                    self.offer(mac, scheme)?;
                }
            }
        }
        Ok(())
    }

    /// Takes in a MAC if it is one.
    fn offer(&mut self, text: &[u8], scheme: &Scheme) -> Result<(), Refusal> {
        if let Some(tag) = Tag::decode(text, scheme.encoding, scheme.algorithm) {
            if self.tags.len() == CANDIDATES_MAX {
                return Err(Refusal::MalformedSignature);
            }
            self.tags.push(tag);
        }
        Ok(())
    }
}

fn signature_header<'a>(headers: &'a HeaderMap, scheme: &Scheme) -> Result<&'a [u8], Refusal> {
    lone(headers, &scheme.header, Refusal::AmbiguousSignature)?.ok_or(Refusal::MissingSignature)
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

/// More than any provider sends; a header of thousands would be guessing, and work for us.
const CANDIDATES_MAX: usize = 16;
