//! What a provider proves itself with, before any secret is configured for it.

use http::HeaderName;

use super::{Covers, Pointer, Scheme, SignedPart};

/// What a preset asks of a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A signature over the request.
    Signature(Box<Scheme>),
    /// A secret that is sent as it is.
    Token(TokenPlace),
    /// A signed token that may carry a hash of the body.
    Jwt(JwtScheme),
    /// Credentials that whoever registers the webhook chooses: `basic`, `api_key` or `bearer` of the source.
    Own,
}

/// Where a secret stands that is sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// In a header.
    Header(HeaderName),
    /// In a member of the body, or in one of each item of a list in it.
    Json {
        /// The member.
        pointer: Pointer,
        /// The list; the pointer then begins at its items.
        each: Option<Pointer>,
    },
}

/// A JSON Web Token (RFC 7519) in a header. The form of the configured key decides which algorithms count: a public key in
/// PEM takes RS256, ES256 or `EdDSA`, whichever is its kind, any other text HS256 or HS512.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtScheme {
    /// The header.
    pub header: HeaderName,
    /// The claim that holds base64 of the SHA-256 of the body.
    pub body_hash: Option<String>,
}

impl Proof {
    /// Whether whoever changes the body breaks the proof.
    pub fn covers_body(&self) -> bool {
        match self {
            Proof::Signature(scheme) => scheme.covers == Covers::Body,
            Proof::Jwt(jwt) => jwt.body_hash.is_some(),
            Proof::Token(_) | Proof::Own => false,
        }
    }

    /// Whether an old request is told from a new one.
    pub fn covers_time(&self) -> bool {
        matches!(self, Proof::Signature(scheme) if scheme.timestamp.is_some())
    }

    /// Whether whoever changes this header breaks the proof.
    pub(crate) fn covers_header(&self, name: &HeaderName) -> bool {
        matches!(self, Proof::Signature(scheme) if scheme.signed.contains(&SignedPart::Header(name.clone())))
    }

    /// Whether whoever changes this member of the body breaks the proof.
    pub(crate) fn covers_member(&self, pointer: &Pointer) -> bool {
        match self {
            Proof::Signature(scheme) => scheme.covers_member(pointer),
            _ => self.covers_body(),
        }
    }
}
