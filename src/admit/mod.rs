//! Who may send: signatures and credentials, addresses and rates.
//!
//! A source's [`Admission`] is compiled once from its [`Auth`]; the keys of its HMACs have then already been hashed, and a
//! request clones their states instead of starting over. Everything that is written in the source must be proven, and what
//! the head alone can tell is told before a byte of the body is read:
//!
//! ```text
//! head    credentials, form of the signature header, time window ──▶ Refusal, and no body is read
//!           │
//!           ▼ BodyCheck
//! frames  of a long body, hashed under every secret of the source as they come
//!           │
//!           ▼
//! finish  the rest, and what is signed after the body ──▶ every MAC against every signature offered ──▶ Ok, or WrongSignature
//! ```
//!
//! What is not signed in that order (a form sorted by its fields, a signature in the body) or not by a MAC waits for the end
//! of the body and allocates.
//!
//! Runs on the io thread of the connection. Nothing else here allocates for a header of up to two signatures, up to four pieces
//! that are signed before or after the body, a body of up to 128 KiB and a credential of up to 96 bytes; nothing looks at a clock (the caller passes `now`); and no comparison with
//! a secret takes a time that tells how much of it was right.
//!
//! What was refused and kept is judged once more by the same code ([`Leniency`]).
//!
//! [`sign`] is the other side of the same schemes, for whoever plays a provider.

mod error;

mod header;

mod mac;

mod public_key;

mod private_key;

mod keyring;

mod timestamp;

mod candidates;

mod signature;

mod json;

mod form;

mod url;

mod whole;

mod accepted;

mod token;

mod jwt;

mod query;

mod credentials;

mod hidden;

mod rate;

mod senders;

mod sign;

mod sign_body;

mod sign_token;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

#[cfg(any(test, feature = "fuzzing"))]
mod fuzz_signed;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::SystemTime;

use http::Uri;
use http::request::Parts;

use crate::config::{Auth, Encoding, Proof, ProofAuth, Secret};
use crate::refusal::Refusal;
use accepted::Accepted;
use credentials::Credentials;
pub use error::AdmissionError;
use jwt::{BodyHash, Jwt};
pub(crate) use senders::{Sender, Senders};
pub use sign::{Message, Signer};
use signature::{OpenSignature, Opened, Signature};
use timestamp::Clock;
use token::{BodyToken, Token};
use whole::WholeSignature;

/// Who may send to a source.
pub(crate) struct Admission {
    proof: Option<ProviderProof>,
    credentials: Credentials,
    verify_tokens: Option<Accepted>,
}

/// What is not asked of a request that was refused, kept without its credentials, and is judged once more.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Leniency {
    /// How old its timestamp is.
    pub(crate) any_age: bool,
    /// Its credentials, if its signature is right: it had shown them when it came, and they were right then.
    pub(crate) had_credentials: bool,
    /// Its credentials, whatever they were: somebody says so. A signature that the source asks for must still be right.
    pub(crate) by_hand: bool,
}

/// What the provider itself proves itself with.
enum ProviderProof {
    Signature(Box<Signature>),
    Token(Token),
    Jwt(Jwt),
}

impl Admission {
    /// Hashes keys and credentials into what requests are compared with. The secrets themselves are not kept.
    pub(crate) fn new(auth: &Auth) -> Result<Self, AdmissionError> {
        let verify_tokens = match auth.verify_token.as_slice() {
            [] => None,
            tokens => Some(Accepted::new("the verify token", b"", tokens)?),
        };
        let proof = auth.proof.as_ref().map(ProviderProof::new).transpose()?.flatten();
        Ok(Self { proof, credentials: Credentials::new(auth)?, verify_tokens })
    }

    /// Decides all that needs no body, by the secrets that count now. Every kind of proof that the source asks for must be
    /// there. `tenant` is the segment of the path that chooses among the secrets of tenants.
    pub(crate) fn head<'a>(
        &'a self,
        parts: &'a Parts,
        tenant: Option<&str>,
        now: SystemTime,
    ) -> Result<BodyCheck<'a>, Refusal> {
        self.credentials.check(&parts.headers, parts.uri.query(), now)?;
        self.open(parts, tenant, Clock { now, any_age: false })
    }

    /// Decides it once more, of a head without the headers that [`Admission::hides`] and with the target that
    /// [`Admission::public_target`] gives.
    pub(crate) fn head_again<'a>(
        &'a self,
        parts: &'a Parts,
        tenant: Option<&str>,
        now: SystemTime,
        leniency: Leniency,
    ) -> Result<BodyCheck<'a>, Refusal> {
        let Leniency { any_age, had_credentials, by_hand } = leniency;
        let needs_none = by_hand || had_credentials && self.verifies_signature();
        if !needs_none {
            self.credentials.check(&parts.headers, parts.uri.query(), now)?;
        }
        if by_hand && !self.verifies_signature() && !self.has_credential_in_body() {
            return Ok(BodyCheck(Unproven::Nothing));
        }
        self.open(parts, tenant, Clock { now, any_age })
    }

    fn open<'a>(&'a self, parts: &'a Parts, tenant: Option<&str>, clock: Clock) -> Result<BodyCheck<'a>, Refusal> {
        let unproven = match &self.proof {
            None => Unproven::Nothing,
            Some(ProviderProof::Signature(signature)) => match signature.open(parts, tenant, clock)? {
                Opened::Streamed(signature) => Unproven::Streamed(signature),
                Opened::Whole(signature) => Unproven::Whole(signature),
            },
            Some(ProviderProof::Token(token)) => {
                token.open(parts, tenant, clock.now)?.map_or(Unproven::Nothing, Unproven::Token)
            }
            Some(ProviderProof::Jwt(jwt)) => jwt.open(parts, tenant, clock)?.map_or(Unproven::Nothing, Unproven::Hash),
        };
        Ok(BodyCheck(unproven))
    }

    /// The target of a request as it may be recorded and logged: path and query without the credential in it.
    ///
    /// Borrows unless other parameters follow the credential.
    pub(crate) fn public_target<'a>(&self, uri: &'a Uri) -> Cow<'a, str> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        match self.credentials.url_parameter() {
            Some(name) => query::without(target, name),
            None => Cow::Borrowed(target),
        }
    }

    /// The MAC of a text under the first of the source's secrets that count now, written so: a provider's challenge wants it.
    pub(crate) fn mac(&self, tenant: Option<&str>, text: &[u8], encoding: Encoding, now: SystemTime) -> Option<String> {
        let Some(ProviderProof::Signature(signature)) = &self.proof else { return None };
        let mut mac = signature.mac(tenant, now)?;
        mac.update(text);
        Some(mac.finish().encode(encoding, signature.scheme.algorithm))
    }

    /// Whether a handshake shows the source's verify token.
    pub(crate) fn knows_verify_token(&self, token: &[u8], now: SystemTime) -> bool {
        self.verify_tokens.as_ref().is_some_and(|tokens| tokens.contains(token, now))
    }

    /// Takes the secret that the provider hands over. `false` if one is known already, or this can be none.
    pub(crate) fn learn(&self, secret: &Secret) -> bool {
        match &self.proof {
            Some(ProviderProof::Signature(signature)) => signature.learn(secret),
            Some(ProviderProof::Token(token)) => token.learn(secret),
            Some(ProviderProof::Jwt(_)) | None => false,
        }
    }
}

impl ProviderProof {
    fn new(auth: &ProofAuth) -> Result<Option<Self>, AdmissionError> {
        Ok(match &auth.proof {
            Proof::Signature(scheme) => Some(Self::Signature(Box::new(Signature::new(scheme, auth)?))),
            Proof::Token(place) => Some(Self::Token(Token::new(place, &auth.secrets)?)),
            Proof::Jwt(scheme) => Some(Self::Jwt(Jwt::new(scheme, &auth.secrets)?)),
            Proof::Own => None,
        })
    }
}

/// What a request whose head has passed must yet prove with its body.
pub(crate) struct BodyCheck<'a>(Unproven<'a>);

enum Unproven<'a> {
    Nothing,
    /// A long body is hashed as it arrives, any other when it is whole.
    Streamed(OpenSignature<'a>),
    Whole(WholeSignature<'a>),
    Token(BodyToken<'a>),
    Hash(BodyHash),
}

impl BodyCheck<'_> {
    /// Has seen the body come so far.
    pub(crate) fn advance(&mut self, so_far: &[u8]) {
        if let Unproven::Streamed(signature) = &mut self.0 {
            signature.advance(so_far);
        }
    }

    /// The body is whole: was it sent by one who knows a secret of the source?
    pub(crate) fn finish(&mut self, body: &[u8]) -> Result<(), Refusal> {
        match &mut self.0 {
            Unproven::Nothing => Ok(()),
            Unproven::Streamed(signature) => signature.finish(body),
            Unproven::Whole(signature) => signature.finish(body),
            Unproven::Token(token) => token.finish(body),
            Unproven::Hash(hash) => hash.finish(body),
        }
    }
}
