//! Secrets that a provider sends as they are, in a header or in the body. They prove who sent something and nothing of what.

use std::time::SystemTime;

use http::HeaderName;
use http::request::Parts;
use serde_json::Value;

use super::AdmissionError;
use super::accepted::Accepted;
use super::header::lone;
use super::json::{at, text_of};
use super::keyring::Keyring;
use crate::config::{Pointer, Secret, Secrets, TokenPlace};
use crate::refusal::Refusal;

/// The tokens of a source, and where they are looked for.
pub(super) struct Token {
    place: TokenPlace,
    accepted: Keyring<Accepted>,
}

/// A token that waits for the body's end.
pub(super) struct BodyToken<'a> {
    accepted: &'a Accepted,
    now: SystemTime,
    pointer: &'a Pointer,
    each: Option<&'a Pointer>,
}

impl Token {
    pub(super) fn new(place: &TokenPlace, secrets: &Secrets) -> Result<Self, AdmissionError> {
        Ok(Self { place: place.clone(), accepted: Keyring::new(secrets, accept)? })
    }

    /// Checks a token of the head; one of the body is left to be checked.
    pub(super) fn open(
        &self,
        parts: &Parts,
        tenant: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<BodyToken<'_>>, Refusal> {
        let accepted = self.accepted.get(tenant)?;
        match &self.place {
            TokenPlace::Json { pointer, each } => Ok(Some(BodyToken { accepted, now, pointer, each: each.as_ref() })),
            TokenPlace::Header(name) => match lone(&parts.headers, name, Refusal::WrongCredentials)? {
                None => Err(Refusal::MissingCredentials),
                Some(token) if accepted.contains(token, now) => Ok(None),
                Some(_) => Err(Refusal::WrongCredentials),
            },
        }
    }

    /// The header it stands in; `None` for one in the body.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        match &self.place {
            TokenPlace::Header(name) => Some(name),
            TokenPlace::Json { .. } => None,
        }
    }

    pub(super) fn learn(&self, secret: &Secret) -> bool {
        accept(std::slice::from_ref(secret)).is_ok_and(|accepted| self.accepted.learn(accepted))
    }
}

impl BodyToken<'_> {
    pub(super) fn finish(&self, body: &[u8]) -> Result<(), Refusal> {
        let document: Value = serde_json::from_slice(body).map_err(|_| Refusal::MissingCredentials)?;
        match self.each {
            None => self.check(&document),
            Some(list) => match at(&document, list).and_then(Value::as_array).map(Vec::as_slice) {
                None | Some([]) => Err(Refusal::MissingCredentials),
                Some(items) => items.iter().try_for_each(|item| self.check(item)),
            },
        }
    }

    fn check(&self, item: &Value) -> Result<(), Refusal> {
        let token = at(item, self.pointer).and_then(text_of).ok_or(Refusal::MissingCredentials)?;
        if self.accepted.contains(token.as_bytes(), self.now) { Ok(()) } else { Err(Refusal::WrongCredentials) }
    }
}

fn accept(secrets: &[Secret]) -> Result<Accepted, AdmissionError> {
    Accepted::new("the token", b"", secrets)
}
