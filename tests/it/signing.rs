//! Signatures as the providers document them, written without hookgate's own code.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::gateway::SECRET;

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `X-Hub-Signature-256` of GitHub.
pub fn github(body: &[u8]) -> String {
    github_with(SECRET, body)
}

/// The same with another secret.
pub fn github_with(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", HEXLOWER.encode(&mac(secret.as_bytes(), &[body])))
}

/// Its `X-Hub-Signature`, which is older.
pub fn github_sha1(body: &[u8]) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(body);
    format!("sha1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// `Stripe-Signature`.
pub fn stripe(body: &[u8], at: u64) -> String {
    let mac = mac(SECRET.as_bytes(), &[format!("{at}.").as_bytes(), body]);
    format!("t={at},v1={}", HEXLOWER.encode(&mac))
}

/// `X-Slack-Signature`, for the `X-Slack-Request-Timestamp` of `at`.
pub fn slack(body: &[u8], at: u64) -> String {
    format!("v0={}", HEXLOWER.encode(&mac(SECRET.as_bytes(), &[format!("v0:{at}:").as_bytes(), body])))
}

/// `X-Shopify-Hmac-Sha256`.
pub fn shopify(body: &[u8]) -> String {
    BASE64.encode(&mac(SECRET.as_bytes(), &[body]))
}

/// `webhook-signature` of Standard Webhooks.
pub fn standard_webhooks(id: &str, body: &[u8], at: u64) -> String {
    let key = BASE64.decode(SECRET.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
    format!("v1,{}", BASE64.encode(&mac(&key, &[format!("{id}.{at}.").as_bytes(), body])))
}
