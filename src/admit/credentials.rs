//! Credentials that are sent as they are: user and password, a key in a header, a bearer token.

use std::time::SystemTime;

use data_encoding::BASE64_NOPAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::AdmissionError;
use super::accepted::Accepted;
use super::header::lone;
use super::query;
use crate::config::{self, Auth};
use crate::refusal::Refusal;

/// The credentials that a source asks for; each kind that is there must be presented.
pub(super) struct Credentials {
    basic: Option<Basic>,
    api_key: Option<ApiKey>,
    bearer: Option<Accepted>,
}

impl Credentials {
    pub(super) fn new(auth: &Auth) -> Result<Self, AdmissionError> {
        let basic = auth.basic.as_ref().map(Basic::new).transpose()?;
        let api_key = auth.api_key.as_ref().map(ApiKey::new).transpose()?;
        let bearer = match auth.bearer.as_slice() {
            [] => None,
            tokens => Some(Accepted::new("the bearer tokens", b"", tokens)?),
        };
        if bearer.is_some() && basic.as_ref().is_some_and(|basic| basic.url_parameter.is_none()) {
            return Err(AdmissionError::OneAuthorization);
        }
        Ok(Self { basic, api_key, bearer })
    }

    /// The query parameter that may hold a credential.
    pub(super) fn url_parameter(&self) -> Option<&str> {
        self.basic.as_ref()?.url_parameter.as_deref()
    }

    /// The header of the API key, if there is one.
    pub(super) fn key_header(&self) -> Option<&HeaderName> {
        Some(&self.api_key.as_ref()?.header)
    }

    pub(super) fn check(&self, headers: &HeaderMap, query: Option<&str>, now: SystemTime) -> Result<(), Refusal> {
        if let Some(api_key) = &self.api_key {
            api_key.check(headers, now)?;
        }
        if self.basic.is_none() && self.bearer.is_none() {
            return Ok(());
        }
        let authorization = Authorization::read(headers)?;
        if let Some(basic) = &self.basic {
            basic.check(&authorization, query, now)?;
        }
        if let Some(tokens) = &self.bearer {
            match authorization {
                Authorization::Bearer(token) if tokens.contains(token, now) => {}
                Authorization::Missing => return Err(Refusal::MissingCredentials),
                _ => return Err(Refusal::WrongCredentials),
            }
        }
        Ok(())
    }
}

/// User and password, in `Authorization` or in a query parameter.
struct Basic {
    /// Of `user:password`.
    accepted: Accepted,
    url_parameter: Option<String>,
}

impl Basic {
    fn new(basic: &config::BasicAuth) -> Result<Self, AdmissionError> {
        let before = format!("{}:", basic.user);
        let accepted = Accepted::new("the basic credentials", before.as_bytes(), &basic.passwords)?;
        Ok(Self { accepted, url_parameter: basic.url_parameter.clone() })
    }

    /// Each of the two places may be empty, not both; what is there must be right. So a header and a parameter that
    /// contradict each other are refused, whichever of them is right. An `Authorization` of another scheme does not fill
    /// the place: it belongs to the bearer token, or to a proxy in front.
    fn check(&self, authorization: &Authorization<'_>, query: Option<&str>, now: SystemTime) -> Result<(), Refusal> {
        let in_header = match authorization {
            Authorization::Basic(text) => Some(self.is_right(text.iter().copied(), now)),
            _ => None,
        };
        match (in_header, self.is_right_in_url(query, now)) {
            (None, None) if matches!(authorization, Authorization::Missing) => Err(Refusal::MissingCredentials),
            (None, None) | (Some(false), _) | (_, Some(false)) => Err(Refusal::WrongCredentials),
            (Some(true), _) | (_, Some(true)) => Ok(()),
        }
    }

    /// `None` without the parameter. Twice is wrong, as it would be of `Authorization`.
    fn is_right_in_url(&self, query: Option<&str>, now: SystemTime) -> Option<bool> {
        let mut values = query::values(query?, self.url_parameter.as_deref()?);
        let value = values.next()?;
        Some(values.next().is_none() && self.is_right(query::decoded(value), now))
    }

    fn is_right(&self, base64: impl Iterator<Item = u8>, now: SystemTime) -> bool {
        decode(base64).is_some_and(|presented| self.accepted.contains(&presented, now))
    }
}

/// A key in a header of its own.
struct ApiKey {
    header: HeaderName,
    accepted: Accepted,
}

impl ApiKey {
    fn new(api_key: &config::ApiKey) -> Result<Self, AdmissionError> {
        let accepted = Accepted::new("the API key", b"", &api_key.keys)?;
        Ok(Self { header: api_key.header.clone(), accepted })
    }

    fn check(&self, headers: &HeaderMap, now: SystemTime) -> Result<(), Refusal> {
        match lone(headers, &self.header, Refusal::WrongCredentials)? {
            None => Err(Refusal::MissingCredentials),
            Some(key) if self.accepted.contains(key, now) => Ok(()),
            Some(_) => Err(Refusal::WrongCredentials),
        }
    }
}

/// The `Authorization` header, by its scheme; what follows the scheme is kept as sent.
enum Authorization<'a> {
    Missing,
    Basic(&'a [u8]),
    Bearer(&'a [u8]),
    Other,
}

impl<'a> Authorization<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let Some(value) = lone(headers, &AUTHORIZATION, Refusal::WrongCredentials)? else {
            return Ok(Authorization::Missing);
        };
        let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(end).unwrap_or((value, b""));
        Ok(if scheme.eq_ignore_ascii_case(b"basic") {
            Authorization::Basic(rest.trim_ascii())
        } else if scheme.eq_ignore_ascii_case(b"bearer") {
            Authorization::Bearer(rest.trim_ascii())
        } else {
            Authorization::Other
        })
    }
}

/// Base64 in the standard or the URL-safe alphabet, with or without padding. It is the decoded text that proves something,
/// not its spelling.
fn decode(text: impl Iterator<Item = u8>) -> Option<SmallVec<[u8; 128]>> {
    let standard = text.map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    });
    let text: SmallVec<[u8; 128]> = standard.collect();
    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(&text);
    let mut decoded = SmallVec::from_elem(0, BASE64_NOPAD.decode_len(unpadded.len()).ok()?);
    BASE64_NOPAD.decode_mut(unpadded, &mut decoded).ok()?;
    Some(decoded)
}
