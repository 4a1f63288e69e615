//! A JSON Web Token in a header (RFC 7515, 7519), with a key that is configured. Which algorithms count is decided by the
//! key and never by the token: a public key of RSA takes RS256 and nothing else, so that no token can have it taken for the
//! secret of an HMAC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::HeaderName;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::AdmissionError;
use super::header::lone;
use super::keyring::{Keyring, Timed};
use super::mac::{Mac, Tag, any_match};
use super::public_key::{PublicKey, is_pem};
use super::timestamp::Clock;
use crate::config::{Algorithm, Encoding, JwtScheme, KeyForm, Secret, Secrets};
use crate::refusal::Refusal;

/// A token's place and the keys that count.
pub(super) struct Jwt {
    scheme: JwtScheme,
    keys: Keyring<Vec<Timed<Key>>>,
}

/// A key, with the one algorithm that it is for.
struct Key {
    algorithm: &'static str,
    check: Check,
}

enum Check {
    Mac(Box<Mac>, Algorithm),
    Public(PublicKey),
}

/// The hash of the body that a token names.
pub(super) struct BodyHash(Vec<u8>);

impl Jwt {
    pub(super) fn new(scheme: &JwtScheme, secrets: &Secrets) -> Result<Self, AdmissionError> {
        Ok(Self { scheme: scheme.clone(), keys: Keyring::new(secrets, keys)? })
    }

    /// Whether the token in its header is worth nothing but for the body that it names. In `Authorization` it is taken for
    /// a credential all the same.
    pub(super) fn is_signature(&self) -> bool {
        self.scheme.body_hash.is_some() && self.scheme.header != AUTHORIZATION
    }

    pub(super) fn header(&self) -> &HeaderName {
        &self.scheme.header
    }

    /// Checks the token; what it says of the body is left to be checked, if it says something.
    pub(super) fn open(&self, parts: &Parts, tenant: Option<&str>, clock: Clock) -> Result<Option<BodyHash>, Refusal> {
        let keys = self.keys.get(tenant)?;
        let value = lone(&parts.headers, &self.scheme.header, Refusal::AmbiguousSignature)?;
        let token = value.ok_or(Refusal::MissingSignature)?;
        let token = token.strip_prefix(b"Bearer ").unwrap_or(token);
        let claims = verified(token, keys, clock.now)?;
        check_time(&claims, clock)?;
        let Some(claim) = &self.scheme.body_hash else { return Ok(None) };
        let hash = claims.get(claim).and_then(Value::as_str).ok_or(Refusal::MissingSignature)?;
        let hash = BASE64.decode(hash.as_bytes()).or_else(|_| BASE64URL_NOPAD.decode(hash.as_bytes()));
        hash.map(|hash| Some(BodyHash(hash))).map_err(|_| Refusal::MalformedSignature)
    }
}

impl BodyHash {
    pub(super) fn finish(&self, body: &[u8]) -> Result<(), Refusal> {
        let is_right: bool = Sha256::digest(body).as_slice().ct_eq(&self.0).into();
        if is_right { Ok(()) } else { Err(Refusal::WrongSignature) }
    }
}

/// The claims of a token that one of the keys signed.
fn verified(token: &[u8], keys: &[Timed<Key>], now: SystemTime) -> Result<Value, Refusal> {
    let mut dots = token.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
        return Err(Refusal::MalformedSignature);
    };
    let piece = |from: usize, to: usize| {
        let text = token.get(from..to).ok_or(Refusal::MalformedSignature)?;
        BASE64URL_NOPAD.decode(text).map_err(|_| Refusal::MalformedSignature)
    };
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).map_err(|_| Refusal::MalformedSignature);
    let header = json(piece(0, first)?)?;
    // An extension that must be understood is not understood here (RFC 7515, section 4.1.11).
    if header.get("crit").is_some() {
        return Err(Refusal::MalformedSignature);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).ok_or(Refusal::MalformedSignature)?;
    let signature = piece(second + 1, token.len())?;
    let message = token.get(..second).ok_or(Refusal::MalformedSignature)?;
    let of_this_algorithm = keys.iter().filter_map(|key| key.at(now)).filter(|key| key.algorithm == algorithm);
    // All of them, whichever fits.
    if of_this_algorithm.fold(false, |fits, key| fits | key.fits(message, &signature)) {
        json(piece(first + 1, second)?)
    } else {
        Err(Refusal::WrongSignature)
    }
}

impl Key {
    fn fits(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.check {
            Check::Public(key) => key.fits(message, signature),
            Check::Mac(mac, algorithm) => {
                let text = BASE64URL_NOPAD.encode(signature);
                let Some(offered) = Tag::decode(text.as_bytes(), Encoding::Base64Url, *algorithm) else { return false };
                let mut mac = mac.clone();
                mac.update(message);
                any_match(std::iter::once(mac.finish()), &[offered])
            }
        }
    }
}

/// `exp` and `nbf`, where they are, with a minute for clocks that differ.
fn check_time(claims: &Value, clock: Clock) -> Result<(), Refusal> {
    if clock.any_age {
        return Ok(());
    }
    let now = clock.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let claim = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(|seconds| Some(Duration::from_secs(seconds.max(0.0) as u64))).ok_or(()),
    };
    let (Ok(expires), Ok(begins)) = (claim("exp"), claim("nbf")) else { return Err(Refusal::MalformedTimestamp) };
    if expires.is_some_and(|expires| now > expires.saturating_add(LEEWAY)) {
        return Err(Refusal::StaleTimestamp);
    }
    if begins.is_some_and(|begins| now + LEEWAY < begins) {
        return Err(Refusal::FutureTimestamp);
    }
    Ok(())
}

/// What each secret is a key for: HMAC under two hashes, or the one algorithm of a public key.
fn keys(secrets: &[Secret]) -> Result<Vec<Timed<Key>>, AdmissionError> {
    const PUBLIC: [(&str, &dyn VerificationAlgorithm); 3] =
        [("RS256", &RSA_PKCS1_2048_8192_SHA256), ("ES256", &ECDSA_P256_SHA256_FIXED), ("EdDSA", &ED25519)];
    let mut keys = Vec::new();
    for (secret, nth) in secrets.iter().zip(1..) {
        if is_pem(secret) {
            let fit = PUBLIC.into_iter().find_map(|(name, by)| Some((name, PublicKey::for_jwt(by, secret)?)));
            let (algorithm, key) =
                fit.ok_or_else(|| AdmissionError::UnfitKey { nth, algorithm: "RS256, ES256 or EdDSA".to_owned() })?;
            keys.push(Timed::new(Key { algorithm, check: Check::Public(key) }, secret));
        } else {
            for (name, algorithm) in [("HS256", Algorithm::Sha256), ("HS512", Algorithm::Sha512)] {
                let mac = Mac::new(algorithm, &KeyForm::Text, secret, nth)?;
                let key = Key { algorithm: name, check: Check::Mac(Box::new(mac), algorithm) };
                keys.push(Timed::new(key, secret));
            }
        }
    }
    Ok(keys)
}

const LEEWAY: Duration = Duration::from_mins(1);
