//! HMAC over the hashes providers use, and the comparison that gives nothing away.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

use super::AdmissionError;
use crate::config::{Algorithm, Encoding, KeyForm, Secret};

/// An HMAC in progress. A fresh one has both blocks of its key hashed already: it is kept and cloned, which saves two of the
/// eight blocks that a message of 251 bytes costs.
#[derive(Clone)]
pub(super) enum Mac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
    Md5(Hmac<Md5>),
    /// The secret has been hashed already.
    SecretSha256(Sha256),
}

impl Mac {
    /// The key state of the source's `nth` secret, counted from 1.
    pub(super) fn new(
        algorithm: Algorithm,
        form: &KeyForm,
        secret: &Secret,
        nth: usize,
    ) -> Result<Self, AdmissionError> {
        let key = form.decode(secret).ok_or(AdmissionError::UndecodableKey { nth, form: form.name() })?;
        let key = key.expose();
        if key.is_empty() {
            return Err(AdmissionError::EmptySecret { nth, of: "the signature" });
        }
        // HMAC takes keys of every length; the error is the trait's, not the algorithm's.
        match algorithm {
            Algorithm::Sha1 => Hmac::new_from_slice(key).map(Mac::Sha1),
            Algorithm::Sha256 => Hmac::new_from_slice(key).map(Mac::Sha256),
            Algorithm::Sha512 => Hmac::new_from_slice(key).map(Mac::Sha512),
            Algorithm::Md5 => Hmac::new_from_slice(key).map(Mac::Md5),
            Algorithm::SecretSha256 => Ok(Mac::SecretSha256(Sha256::new_with_prefix(key))),
            Algorithm::Ed25519 | Algorithm::EcdsaP256 | Algorithm::RsaSha1 | Algorithm::RsaSha256 => {
                return Err(AdmissionError::NoMac);
            }
        }
        .map_err(|_| AdmissionError::UndecodableKey { nth, form: "a key for this hash" })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Mac::Sha1(mac) => mac.update(bytes),
            Mac::Sha256(mac) => mac.update(bytes),
            Mac::Sha512(mac) => mac.update(bytes),
            Mac::Md5(mac) => mac.update(bytes),
            Mac::SecretSha256(hash) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Tag {
        #[cfg(test)]
        super::tests::work::computes();
        match self {
            Mac::Sha1(mac) => Tag::new(&mac.finalize().into_bytes()),
            Mac::Sha256(mac) => Tag::new(&mac.finalize().into_bytes()),
            Mac::Sha512(mac) => Tag::new(&mac.finalize().into_bytes()),
            Mac::Md5(mac) => Tag::new(&mac.finalize().into_bytes()),
            Mac::SecretSha256(hash) => Tag::new(&hash.finalize()),
        }
    }
}

/// The bytes of a MAC, padded with zeros to the longest. Only tags of one algorithm are ever compared, so the padding is
/// the same on both sides.
#[derive(Clone)]
pub(super) struct Tag([u8; LONGEST]);

impl Tag {
    fn new(bytes: &[u8]) -> Self {
        let mut tag = [0; LONGEST];
        tag.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(tag)
    }

    /// Reads a MAC of exactly the algorithm's length. Decoded bytes are compared, so hexadecimal may be of either case: the
    /// case says nothing that a signature would have to protect. Base64 is read in its one canonical spelling; the padding
    /// is cut off by hand, because a decoder of padded base64 also takes padding in the middle.
    pub(super) fn decode(text: &[u8], encoding: Encoding, algorithm: Algorithm) -> Option<Self> {
        let length = tag_length(algorithm);
        let (alphabet, text) = match encoding {
            Encoding::Hex => (HEXLOWER_PERMISSIVE, text),
            Encoding::Base64 => (BASE64_NOPAD, text.strip_suffix(base64_padding(length))?),
            Encoding::Base64Url => (BASE64URL_NOPAD, text.strip_suffix(base64_padding(length)).unwrap_or(text)),
        };
        if alphabet.decode_len(text.len()) != Ok(length) {
            return None;
        }
        let mut tag = [0; LONGEST];
        alphabet.decode_mut(text, tag.get_mut(..length)?).ok()?;
        Some(Self(tag))
    }

    /// The MAC as text.
    pub(super) fn encode(&self, encoding: Encoding, algorithm: Algorithm) -> String {
        let bytes = self.0.get(..tag_length(algorithm)).unwrap_or_default();
        match encoding {
            Encoding::Hex => data_encoding::HEXLOWER.encode(bytes),
            Encoding::Base64 => data_encoding::BASE64.encode(bytes),
            Encoding::Base64Url => BASE64URL_NOPAD.encode(bytes),
        }
    }
}

impl ConstantTimeEq for Tag {
    /// In words: an eighth of the work.
    fn ct_eq(&self, other: &Self) -> Choice {
        #[cfg(test)]
        super::tests::work::compares();
        let words = |tag: &Self| -> [u64; LONGEST / 8] {
            let mut words = [0; LONGEST / 8];
            words.iter_mut().zip(tag.0.as_chunks().0).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
            words
        };
        words(self).as_slice().ct_eq(words(other).as_slice())
    }
}

/// Whether any of `ours` is among `offered`. All of `ours` are computed and compared with all of `offered`, so that the time
/// it takes does not depend on which of them matches.
pub(super) fn any_match(ours: impl Iterator<Item = Tag>, offered: &[Tag]) -> bool {
    let found =
        ours.fold(Choice::from(0), |found, our| offered.iter().fold(found, |found, their| found | our.ct_eq(their)));
    found.into()
}

fn tag_length(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Sha1 => 20,
        Algorithm::Md5 => 16,
        Algorithm::Sha256 | Algorithm::SecretSha256 => 32,
        // The others are no MACs: nothing is as long as what no MAC is ever compared with.
        _ => LONGEST,
    }
}

fn base64_padding(length: usize) -> &'static [u8] {
    match length % 3 {
        0 => b"",
        1 => b"==",
        _ => b"=",
    }
}

const LONGEST: usize = 64;
