//! A signature scheme as data: what every preset row and every `hmac = { … }` of a user describes.

use std::time::Duration;

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use http::HeaderName;

use super::Secret;

/// How a provider signs a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// The MAC.
    pub algorithm: Algorithm,
    /// The header that carries the signature.
    pub header: HeaderName,
    /// How the header's value is laid out.
    pub form: SignatureForm,
    /// How the MAC is written.
    pub encoding: Encoding,
    /// What is signed, in order. [`SignedPart::Body`] occurs exactly once.
    pub signed: Vec<SignedPart>,
    /// The timestamp that is checked against the clock, if the scheme has one.
    pub timestamp: Option<Stamp>,
    /// How the configured secret becomes the key.
    pub key: KeyForm,
}

/// The hash under the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `sha1`
    Sha1,
    /// `sha256`
    Sha256,
    /// `sha512`
    Sha512,
}

/// How a signature header is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureForm {
    /// The prefix, then one MAC: `sha256=…`. The prefix may be empty.
    Single {
        /// What stands before the MAC.
        prefix: String,
    },
    /// Comma-separated `key=value` pairs, of which those with this key carry a MAC: `t=…,v1=…,v1=…`.
    Pairs {
        /// The key of the MACs.
        mac: String,
    },
    /// Space-separated versions, each `version,MAC`: `v1,… v1,… v1a,…`.
    Versions {
        /// The version to read; others are ignored.
        version: String,
    },
}

/// How a MAC is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedPart {
    /// Fixed text.
    Literal(String),
    /// The timestamp's text as sent.
    Timestamp,
    /// The value of a header as sent.
    Header(HeaderName),
    /// The body as sent.
    Body,
}

/// A signed timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Where it is.
    pub place: StampPlace,
    /// What it counts.
    pub unit: StampUnit,
    /// How far it may be from the clock, either way.
    pub tolerance: Duration,
}

/// Where a timestamp is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StampPlace {
    /// In a header of its own.
    Header(HeaderName),
    /// In the signature header, under this key of [`SignatureForm::Pairs`].
    Pair(String),
}

/// What a timestamp counts since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// How the text of a secret becomes key bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyForm {
    /// Its bytes as they are.
    Text,
    /// Base64, after this prefix if it is there: `whsec_…`.
    Base64 {
        /// What may stand before the base64.
        prefix: String,
    },
    /// Hexadecimal.
    Hex,
}

impl KeyForm {
    /// What a secret of this form is, in an error.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            KeyForm::Text => "text",
            KeyForm::Base64 { .. } => "base64",
            KeyForm::Hex => "hexadecimal",
        }
    }

    /// The key in a secret of this form; `None` if it is of another. Providers differ in whether they pad base64, so both
    /// are taken.
    pub(crate) fn decode(&self, secret: &Secret) -> Option<Secret> {
        let text = secret.expose();
        match self {
            KeyForm::Text => Some(secret.clone()),
            KeyForm::Base64 { prefix } => {
                let text = text.strip_prefix(prefix.as_bytes()).unwrap_or(text);
                let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
                BASE64_NOPAD.decode(unpadded).ok().map(Secret::new)
            }
            KeyForm::Hex => HEXLOWER_PERMISSIVE.decode(text).ok().map(Secret::new),
        }
    }
}
