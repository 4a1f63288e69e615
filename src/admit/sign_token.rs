//! The sending side of JSON Web Tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::AdmissionError;
use super::mac::Mac;
use super::private_key::PrivateKey;
use super::public_key::is_pem;
use super::sign::SenderKey;
use crate::config::{Algorithm, Encoding, JwtScheme, KeyForm, Secret};

/// What makes tokens for messages.
pub(super) struct TokenSigner {
    scheme: JwtScheme,
    algorithm: &'static str,
    key: SenderKey,
}

impl TokenSigner {
    /// A private key in PEM makes tokens of its kind, any other text is the key of HS256.
    pub(super) fn new(scheme: &JwtScheme, secret: &Secret) -> Result<Self, AdmissionError> {
        let (algorithm, key) = if is_pem(secret) {
            let (algorithm, key) = PrivateKey::for_jwt(secret)?;
            (algorithm, SenderKey::Private(key))
        } else {
            ("HS256", SenderKey::Mac(Box::new(Mac::new(Algorithm::Sha256, &KeyForm::Text, secret, 1)?)))
        };
        Ok(Self { scheme: scheme.clone(), algorithm, key })
    }

    /// The header with the token of this body.
    pub(super) fn header(&self, body: &[u8], now: SystemTime) -> Option<(HeaderName, HeaderValue)> {
        let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = Map::new();
        claims.insert("iat".to_owned(), json!(issued.as_secs()));
        claims.insert("exp".to_owned(), json!((issued + LIFETIME).as_secs()));
        if let Some(claim) = &self.scheme.body_hash {
            claims.insert(claim.clone(), json!(BASE64.encode(&Sha256::digest(body))));
        }
        let piece = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let head = piece(json!({ "alg": self.algorithm, "typ": "JWT" }));
        let message = format!("{head}.{}", piece(Value::Object(claims)));
        let signature = match &self.key {
            SenderKey::Mac(key) => {
                let mut mac = Mac::clone(key);
                mac.update(message.as_bytes());
                mac.finish().encode(Encoding::Base64Url, Algorithm::Sha256)
            }
            SenderKey::Private(key) => BASE64URL_NOPAD.encode(&key.sign(message.as_bytes())),
        };
        let value = HeaderValue::from_str(&format!("{message}.{signature}")).ok()?;
        Some((self.scheme.header.clone(), value))
    }
}

const LIFETIME: Duration = Duration::from_mins(5);
