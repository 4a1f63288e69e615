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
//! frames  each hashed while it is in cache, under every secret of the source
//!           │
//!           ▼
//! finish  what is signed after the body ──▶ every MAC against every signature offered ──▶ Ok, or WrongSignature
//! ```
//!
//! Runs on the io thread of the connection. Nothing here allocates for a source of up to two secrets, a header of up to two
//! signatures and a credential of up to 96 bytes; nothing looks at a clock (the caller passes `now`); and no comparison with
//! a secret takes a time that tells how much of it was right.
//!
//! [`sign`] is the other side of the same schemes, for whoever plays a provider.

mod error;

mod header;

mod mac;

mod timestamp;

mod candidates;

mod signature;

mod accepted;

mod query;

mod credentials;

mod rate;

mod senders;

mod sign;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::SystemTime;

use http::Uri;
use http::request::Parts;

use crate::config::Auth;
use crate::refusal::Refusal;
use credentials::Credentials;
pub use error::AdmissionError;
pub(crate) use senders::{Sender, Senders};
pub use sign::{Message, Signer};
use signature::{OpenSignature, Signature};

/// Who may send to a source.
pub(crate) struct Admission {
    signature: Option<Signature>,
    credentials: Credentials,
}

impl Admission {
    /// Hashes keys and credentials into what requests are compared with. The secrets themselves are not kept.
    pub(crate) fn new(auth: &Auth) -> Result<Self, AdmissionError> {
        let signature = auth.signature.as_ref().map(Signature::new).transpose()?;
        Ok(Self { signature, credentials: Credentials::new(auth)? })
    }

    /// Decides all that needs no body. Every kind of proof that the source asks for must be there.
    pub(crate) fn head<'a>(&'a self, parts: &'a Parts, now: SystemTime) -> Result<BodyCheck<'a>, Refusal> {
        self.credentials.check(&parts.headers, parts.uri.query())?;
        let signature = match &self.signature {
            Some(signature) => Some(signature.open(&parts.headers, now)?),
            None => None,
        };
        Ok(BodyCheck { signature })
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
}

/// A request whose head has passed; its body is hashed as it arrives.
pub(crate) struct BodyCheck<'a> {
    signature: Option<OpenSignature<'a>>,
}

impl BodyCheck<'_> {
    /// Takes in the next bytes of the body, as received.
    pub(crate) fn update(&mut self, frame: &[u8]) {
        if let Some(signature) = &mut self.signature {
            signature.update(frame);
        }
    }

    /// The body is whole: was it signed by one who knows a secret of the source?
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        self.signature.map_or(Ok(()), OpenSignature::finish)
    }
}
