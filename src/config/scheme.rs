//! A signature scheme as data: what every preset row and every `hmac = { … }` or `signature = { … }` of a user describes.

use std::fmt;
use std::time::Duration;

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use http::HeaderName;

use super::{Pointer, Secret};

/// How a provider signs a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// The MAC or the public-key signature.
    pub algorithm: Algorithm,
    /// Where the signature is.
    pub place: SignaturePlace,
    /// How its text is laid out.
    pub form: SignatureForm,
    /// How the signature itself is written.
    pub encoding: Encoding,
    /// What is signed, in order. [`SignedPart::Body`] occurs at most once.
    pub signed: Vec<SignedPart>,
    /// Whether that covers the whole body.
    pub covers: Covers,
    /// A list in the body, each item of which has a signature of its own; pointers begin at the item.
    pub each: Option<Pointer>,
    /// The timestamp that is checked against the clock, if the scheme has one.
    pub timestamp: Option<Stamp>,
    /// How the configured secret becomes the key.
    pub key: KeyForm,
    /// A header in which the configured key id must stand.
    pub key_id: Option<HeaderName>,
    /// Headers that, where they are sent, must have these values: the scheme's version, the algorithm.
    pub expects: Vec<(HeaderName, String)>,
    /// A query parameter with the hexadecimal SHA-256 of a body that is no form, whose URL alone is signed then.
    pub body_hash: Option<String>,
}

impl Scheme {
    /// HMAC-SHA-256 over the body, in hexadecimal, in this header: what most schemes differ from in a field or two.
    pub fn hmac_sha256(header: HeaderName) -> Self {
        Scheme {
            algorithm: Algorithm::Sha256,
            place: SignaturePlace::Headers(vec![header]),
            form: SignatureForm::Single { prefix: String::new() },
            encoding: Encoding::Hex,
            signed: vec![SignedPart::Body],
            covers: Covers::Body,
            each: None,
            timestamp: None,
            key: KeyForm::Text,
            key_id: None,
            expects: Vec::new(),
            body_hash: None,
        }
    }

    /// Whether the public address of the source is part of what is signed.
    pub(crate) fn signs_url(&self) -> bool {
        self.signed.iter().any(|part| matches!(part, SignedPart::Url | SignedPart::BaseUrl | SignedPart::SortedUrl))
    }

    /// Whether a key id must be configured.
    pub(crate) fn wants_key_id(&self) -> bool {
        self.key_id.is_some() || self.signed.contains(&SignedPart::KeyId)
    }

    /// Whether whoever changes this member of the body breaks the signature.
    pub(crate) fn covers_member(&self, pointer: &Pointer) -> bool {
        let within_item = self.each.as_ref().map_or(Some(pointer.0.as_slice()), |each| {
            // The segment behind the list is the item's index.
            pointer.0.strip_prefix(each.0.as_slice())?.get(1..)
        });
        let is_signed = |part: &SignedPart| match part {
            SignedPart::Json(signed) => within_item == Some(signed.0.as_slice()),
            SignedPart::Members(names) => matches!(within_item, Some([name]) if names.contains(name)),
            _ => false,
        };
        self.covers == Covers::Body || self.signed.iter().any(is_signed)
    }
}

/// What a signature is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `md5`: HMAC-MD5
    Md5,
    /// `sha1`: HMAC-SHA-1
    Sha1,
    /// `sha256`: HMAC-SHA-256
    Sha256,
    /// `sha512`: HMAC-SHA-512
    Sha512,
    /// `secret-sha256`: SHA-256 over the secret and then what is signed, which is no HMAC.
    SecretSha256,
    /// `ed25519`
    Ed25519,
    /// `ecdsa-p256`: over SHA-256, in DER.
    EcdsaP256,
    /// `rsa-sha1`: PKCS #1 v1.5
    RsaSha1,
    /// `rsa-sha256`: PKCS #1 v1.5
    RsaSha256,
}

impl Algorithm {
    /// Whether sender and receiver share a secret, rather than the sender having a private key.
    pub(crate) fn is_mac(self) -> bool {
        !matches!(self, Self::Ed25519 | Self::EcdsaP256 | Self::RsaSha1 | Self::RsaSha256)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "HMAC-MD5",
            Self::Sha1 => "HMAC-SHA-1",
            Self::Sha256 => "HMAC-SHA-256",
            Self::Sha512 => "HMAC-SHA-512",
            Self::SecretSha256 => "SHA-256 of the secret and",
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256 => "ECDSA P-256",
            Self::RsaSha1 => "RSA-SHA-1",
            Self::RsaSha256 => "RSA-SHA-256",
        })
    }
}

/// Where a signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignaturePlace {
    /// In headers, of which any may have the one that fits; one header is the rule.
    Headers(Vec<HeaderName>),
    /// In a member of the body.
    Json(Pointer),
}

impl fmt::Display for SignaturePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headers(names) => match names.as_slice() {
                [first, .., last] => write!(f, "{first} … {last}"),
                names => names.iter().try_for_each(|name| write!(f, "{name}")),
            },
            Self::Json(pointer) => write!(f, "{pointer} of the body"),
        }
    }
}

/// How the text of a signature is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureForm {
    /// The prefix, then one signature: `sha256=…`. The prefix may be empty.
    Single {
        /// What stands before the signature.
        prefix: String,
    },
    /// `key=value` pairs, of which those with this key carry a signature: `t=…,v1=…,v1=…`.
    Pairs {
        /// The key of the signatures.
        mac: String,
        /// What stands between pairs; spaces around it do not count.
        separator: char,
    },
    /// Space-separated versions, each `version,signature`: `v1,… v1,… v1a,…`.
    Versions {
        /// The version to read; others are ignored.
        version: String,
    },
    /// Signatures with commas between them.
    List,
}

/// How a signature is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal.
    Hex,
    /// Base64 with padding.
    Base64,
    /// Base64 of the alphabet for URLs, without padding.
    Base64Url,
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedPart {
    /// Fixed text.
    Literal(String),
    /// `{timestamp}`: its text as sent.
    Timestamp,
    /// `{header:X-Name}`: its value as sent.
    Header(HeaderName),
    /// `{headers:X-Names}`: the headers that this one lists, as `name:value` joined by `;`.
    ListedHeaders(HeaderName),
    /// `{body}`: as sent.
    Body,
    /// `{crc32}`: the CRC-32 of the body in decimal, which anybody can keep while changing the body.
    Crc32,
    /// `{form}`: the fields of a form, sorted by name, each name and value without anything between.
    Form,
    /// `{json:/pointer}`: a text, number or flag of the body; nothing where it is absent.
    Json(Pointer),
    /// `{members:A,B}`: each of these members that is there, as name, newline, value, newline.
    Members(Vec<String>),
    /// `{method}`
    Method,
    /// `{path}`: of the request, as sent.
    Path,
    /// `{url}`: the public one, with the query.
    Url,
    /// `{base_url}`: the public one, without the query.
    BaseUrl,
    /// `{sorted_url}`: the public one, its query and then its form sorted, as Plivo's third version signs it.
    SortedUrl,
    /// `{key_id}`: as configured.
    KeyId,
}

/// What of the body a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// All of it.
    Body,
    /// Some members, or nothing: the rest can be changed by whoever has seen one request.
    Part,
}

/// A signed timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Where it is.
    pub place: StampPlace,
    /// How it is written.
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
    /// In a member of the body.
    Json(Pointer),
}

impl fmt::Display for StampPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "{name}"),
            Self::Pair(key) => write!(f, "{key}= of the signature"),
            Self::Json(pointer) => write!(f, "{pointer} of the body"),
        }
    }
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampUnit {
    /// Seconds since the Unix epoch.
    Seconds,
    /// Milliseconds since the Unix epoch.
    Milliseconds,
    /// A date and time by RFC 3339, with whatever offset.
    Rfc3339,
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
