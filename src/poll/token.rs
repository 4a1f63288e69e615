//! Tokens of OAuth 2.0 client credentials (RFC 6749 §4.4): fetched when one is needed, kept until shortly before they end.
//! They are in memory only, and neither they nor what they are fetched with is in any error.

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::fetch::{Line, Reply};
use super::page::text;
use super::trouble::Trouble;
use crate::config::{HttpAuth, HttpSink, OAuthConfig, Secret};
use crate::sinks::{Server, SinkError};

/// The tokens of one poll.
pub(super) struct Tokens {
    line: Line,
    form: Zeroizing<Vec<u8>>,
    held: Option<Held>,
}

struct Held {
    header: HeaderValue,
    /// `None` where the server does not say: then until it is refused.
    until: Option<Instant>,
}

/// An answer is some hundred bytes, and a signed token some thousand.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A token is fetched anew so long before its end, or in the last tenth of a short life.
const MARGIN: Duration = Duration::from_secs(30);

impl Tokens {
    /// Makes the request ready.
    pub(super) fn new(poll: &str, config: &OAuthConfig) -> Result<Self, SinkError> {
        let id = encoded(config.client_id.as_bytes());
        let secret = encoded(config.client_secret.expose());
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.extend_pairs(config.scope.iter().map(|scope| ("scope", scope)));
        form.extend_pairs(config.audience.iter().map(|audience| ("audience", audience)));
        let mut form = Zeroizing::new(form.finish().into_bytes());
        let mut server = HttpSink { auth: None, ..config.server.clone() };
        if config.in_body {
            for part in [b"&client_id=", id.as_bytes(), b"&client_secret=", secret.as_bytes()] {
                form.extend_from_slice(part);
            }
        } else {
            // Both are encoded before they are joined (§2.3.1).
            server.auth = Some(HttpAuth::Basic { user: id.to_string(), password: Secret::new(secret.as_bytes()) });
        }
        let line = Line::new(Server::new(poll, &server)?, server.timeout, ANSWER_BYTES_MAX);
        Ok(Self { line, form, held: None })
    }

    /// The value of `Authorization`.
    pub(super) async fn header(&mut self) -> Result<HeaderValue, Trouble> {
        let now = Instant::now();
        if let Some(held) = self.held.as_ref().filter(|held| held.until.is_none_or(|until| now < until)) {
            return Ok(held.header.clone());
        }
        let form = Bytes::from_owner(self.form.clone());
        let reply = self.line.ask(|server| server.post(form.clone())).await;
        let held = reply.and_then(|reply| Held::of(reply, now)).map_err(|trouble| Trouble::Token(Box::new(trouble)))?;
        let header = held.header.clone();
        self.held = Some(held);
        Ok(header)
    }

    /// The one that is held is of no use.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }
}

impl Held {
    /// What an answer says, to a request of this time.
    fn of(reply: Reply, asked: Instant) -> Result<Self, Trouble> {
        let refused = reply.refused();
        let body = Zeroizing::new(reply.body);
        // The reader's own words could hold a piece of the token.
        let document: Option<Value> = serde_json::from_slice(&body).ok();
        let member = |name| document.as_ref().and_then(|document| document.get(name));
        if !reply.status.is_success() {
            let code = member("error").and_then(Value::as_str).filter(|code| is_code(code));
            return Err(match code {
                Some(code) => Trouble::Denied { code: code.to_owned(), status: Box::new(refused) },
                None => refused,
            });
        }
        let wrong = |what: &str| Trouble::NotUnderstood(what.to_owned());
        let token = member("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| wrong("it is no JSON with an access_token"))?;
        if member("token_type").and_then(Value::as_str).is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(wrong("its token is of another type than Bearer"));
        }
        let header = Zeroizing::new(format!("Bearer {token}"));
        let mut header = HeaderValue::from_str(&header).map_err(|_| wrong("its token cannot stand in a header"))?;
        header.set_sensitive(true);
        let life =
            member("expires_in").and_then(text).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let until = life.and_then(|life| asked.checked_add(life - MARGIN.min(life / 10)));
        Ok(Self { header, until })
    }
}

/// An error code of RFC 6749 §5.2 or of one of its extensions.
fn is_code(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn encoded(text: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(byte_serialize(text).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{HeaderMap, StatusCode};

    use super::*;

    fn held(status: u16, body: &str, asked: Instant) -> Result<Held, Trouble> {
        let status = StatusCode::from_u16(status).unwrap();
        Held::of(Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }, asked)
    }

    #[test]
    fn a_token_is_kept_until_shortly_before_its_end() {
        let now = Instant::now();
        let until = |expires: &str| {
            let held =
                held(200, &format!(r#"{{"access_token":"t","token_type":"bearer"{expires}}}"#), now).ok().unwrap();
            assert_eq!(held.header, "Bearer t");
            held.until.map(|until| until - now)
        };
        assert_eq!(until(r#","expires_in":3600"#), Some(Duration::from_secs(3570)));
        assert_eq!(until(r#","expires_in":"60""#), Some(Duration::from_secs(54)));
        assert_eq!(until(r#","expires_in":0"#), Some(Duration::ZERO));
        assert_eq!(until(""), None);
    }

    #[test]
    fn what_is_no_token_is_told_without_what_was_answered() {
        let now = Instant::now();
        for body in ["<html>hush", r#"{"access_token":["hush"]}"#, r#"{"access_token":"hush","token_type":"mac"}"#] {
            let told = held(200, body, now).err().unwrap().to_string();
            assert!(!told.contains("hush"), "{told}");
        }
        let denied = held(400, r#"{"error":"invalid_scope","error_description":"hush"}"#, now).err().unwrap();
        assert_eq!(denied.to_string(), "the answer was 400 (invalid_scope)");
        assert!(!denied.passes());
        let unknown = held(503, r#"{"error":"Your secret was hush"}"#, now).err().unwrap();
        assert_eq!(unknown.to_string(), "the answer was 503");
        assert!(unknown.passes());
    }
}
