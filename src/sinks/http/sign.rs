//! `webhook-signature`, as the Standard Webhooks specification 1.0.0 has it: HMAC-SHA256 over id, time and body.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;

use crate::config::{KeyForm, Secret};

/// One secret, as the state of an HMAC that has taken in the key.
#[derive(Clone)]
pub(super) struct Signer {
    keyed: Hmac<Sha256>,
}

impl Signer {
    /// `None` if the secret is not base64, after `whsec_` if that is there, or is empty.
    pub(super) fn new(secret: &Secret) -> Option<Self> {
        let key = KeyForm::Base64 { prefix: "whsec_".to_owned() }.decode(secret)?;
        if key.expose().is_empty() {
            return None;
        }
        Some(Self { keyed: Hmac::new_from_slice(key.expose()).ok()? })
    }

    fn sign(&self, id: &[u8], timestamp: &[u8], body: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        for part in [id, b".", timestamp, b".", body] {
            mac.update(part);
        }
        BASE64.encode(&mac.finalize().into_bytes())
    }
}

/// The header's value, one signature for each secret; `None` without any.
pub(super) fn signatures(
    signers: &[Signer],
    id: &HeaderValue,
    timestamp: &HeaderValue,
    body: &[u8],
) -> Option<HeaderValue> {
    let all: Vec<String> =
        signers.iter().map(|signer| format!("v1,{}", signer.sign(id.as_bytes(), timestamp.as_bytes(), body))).collect();
    if all.is_empty() { None } else { HeaderValue::try_from(all.join(" ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer(secret: &str) -> Option<Signer> {
        Signer::new(&Secret::new(secret))
    }

    #[test]
    fn the_signature_is_the_one_that_the_reference_libraries_expect() {
        // The vector that the Standard Webhooks libraries test themselves with.
        let value = signatures(
            &[signer(SECRET).expect("a good secret")],
            &HeaderValue::from_static("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            &HeaderValue::from_static("1614265330"),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(value.expect("one signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_adds_a_signature_and_none_gives_none() {
        let id = HeaderValue::from_static("id");
        let one = signer(SECRET).expect("a good secret");
        let two = signer("c2Vjb25k").expect("a good secret without the prefix");
        let value = signatures(&[one, two], &id, &id, b"").expect("two signatures");
        assert_eq!(value.as_bytes().split(|&byte| byte == b' ').count(), 2);
        assert_eq!(signatures(&[], &id, &id, b""), None);
    }

    #[test]
    fn a_secret_that_is_no_base64_or_empty_is_refused() {
        assert!(signer("whsec_not base64!").is_none());
        assert!(signer("whsec_").is_none());
        assert!(signer("").is_none());
    }
}
