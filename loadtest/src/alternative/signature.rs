//! GitHub's signature: `X-Hub-Signature-256: sha256=HEX`, an HMAC of the body.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

/// A secret, its key state computed once.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    pub(super) fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of any length.
        Self(Hmac::new_from_slice(secret).unwrap_or_else(|_| unreachable!("a key may have any length")))
    }

    /// Whether this body was signed with the secret.
    pub(super) fn verifies(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let signature = headers.get("x-hub-signature-256").and_then(|value| value.as_bytes().strip_prefix(b"sha256="));
        let Some(hex) = signature else { return false };
        let mut mac = [0; 32];
        if hex.len() != 64 || data_encoding::HEXLOWER_PERMISSIVE.decode_mut(hex, &mut mac).is_err() {
            return false;
        }
        let mut hmac = self.0.clone();
        hmac.update(body);
        hmac.verify_slice(&mac).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_the_signed_body_verifies() {
        // From https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        let key = Key::new(b"It's a Secret to Everybody");
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let headers = HeaderMap::from_iter([("x-hub-signature-256".parse().unwrap(), signature.parse().unwrap())]);
        assert!(key.verifies(&headers, b"Hello, World!"));
        assert!(!key.verifies(&headers, b"Hello, world!"));
        assert!(!key.verifies(&HeaderMap::new(), b"Hello, World!"));
    }
}
