//! One request against one signature scheme: what is signed goes through the MAC of every secret, in the scheme's order.

use std::time::SystemTime;

use http::HeaderMap;
use smallvec::SmallVec;

use super::AdmissionError;
use super::candidates::Candidates;
use super::header::lone;
use super::mac::{Mac, Tag, any_match};
use super::timestamp;
use crate::config::{Scheme, SignatureAuth, SignatureForm, SignedPart, StampPlace};
use crate::refusal::Refusal;

/// A scheme with the key states of its secrets.
pub(super) struct Signature {
    scheme: Scheme,
    keys: SmallVec<[Mac; 2]>,
}

impl Signature {
    pub(super) fn new(auth: &SignatureAuth) -> Result<Self, AdmissionError> {
        let scheme = auth.scheme.clone();
        check_scheme(&scheme)?;
        if auth.secrets.is_empty() {
            return Err(AdmissionError::NoSecret { of: "the signature" });
        }
        let keys = auth
            .secrets
            .iter()
            .zip(1..)
            .map(|(secret, nth)| Mac::new(scheme.algorithm, &scheme.key, secret, nth))
            .collect::<Result<_, _>>()?;
        Ok(Self { scheme, keys })
    }

    /// Checks all that the head can tell and hashes what is signed before the body.
    pub(super) fn open<'a>(&'a self, headers: &'a HeaderMap, now: SystemTime) -> Result<OpenSignature<'a>, Refusal> {
        let candidates = Candidates::read(headers, &self.scheme)?;
        let stamp = self.stamp(headers, &candidates)?;
        if let (Some(text), Some(stamp)) = (stamp, &self.scheme.timestamp) {
            timestamp::check(text, stamp, now)?;
        }

        let mut macs = self.keys.clone();
        let mut after_body = SmallVec::new();
        let mut body_has_come = false;
        for part in &self.scheme.signed {
            let bytes = match part {
                SignedPart::Body => {
                    body_has_come = true;
                    continue;
                }
                SignedPart::Literal(text) => text.as_bytes(),
                SignedPart::Timestamp => stamp.ok_or(Refusal::MalformedTimestamp)?,
                SignedPart::Header(name) => {
                    lone(headers, name, Refusal::AmbiguousSignature)?.ok_or(Refusal::MissingSignature)?
                }
            };
            if body_has_come {
                after_body.push(bytes);
            } else {
                macs.iter_mut().for_each(|mac| mac.update(bytes));
            }
        }
        Ok(OpenSignature { macs, offered: candidates.tags, after_body })
    }

    /// The timestamp's text, if the scheme has one.
    fn stamp<'a>(&self, headers: &'a HeaderMap, found: &Candidates<'a>) -> Result<Option<&'a [u8]>, Refusal> {
        let text = match self.scheme.timestamp.as_ref().map(|stamp| &stamp.place) {
            None => return Ok(None),
            Some(StampPlace::Pair(_)) => found.stamp,
            Some(StampPlace::Header(name)) => lone(headers, name, Refusal::AmbiguousSignature)?,
        };
        text.map(Some).ok_or(Refusal::MalformedTimestamp)
    }
}

/// A signature whose body is still arriving.
pub(super) struct OpenSignature<'a> {
    macs: SmallVec<[Mac; 2]>,
    offered: SmallVec<[Tag; 2]>,
    after_body: SmallVec<[&'a [u8]; 4]>,
}

impl OpenSignature<'_> {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.macs.iter_mut().for_each(|mac| mac.update(bytes));
    }

    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        for bytes in std::mem::take(&mut self.after_body) {
            self.update(bytes);
        }
        let ours = self.macs.into_iter().map(Mac::finish);
        if any_match(ours, &self.offered) { Ok(()) } else { Err(Refusal::WrongSignature) }
    }
}

/// Whether a scheme can be computed at all.
pub(super) fn check_scheme(scheme: &Scheme) -> Result<(), AdmissionError> {
    let times = scheme.signed.iter().filter(|part| **part == SignedPart::Body).count();
    if times != 1 {
        return Err(AdmissionError::BodyNotOnce { times });
    }
    match scheme.timestamp.as_ref().map(|stamp| &stamp.place) {
        None if scheme.signed.contains(&SignedPart::Timestamp) => Err(AdmissionError::UnplacedTimestamp),
        Some(StampPlace::Pair(key)) => match &scheme.form {
            SignatureForm::Pairs { mac } if mac != key => Ok(()),
            _ => Err(AdmissionError::NoSuchPair { key: key.clone() }),
        },
        None | Some(StampPlace::Header(_)) => Ok(()),
    }
}
