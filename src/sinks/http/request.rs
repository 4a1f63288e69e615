//! The request of a delivery. Which header wins where several would set one, the first first:
//!
//! 1. what hookgate says of the delivery: `webhook-…`, `hookgate-…`, `content-length`
//! 2. `auth`
//! 3. `headers` of the destination
//! 4. `host` and `user-agent`
//! 5. the headers that the source kept, `content-type` among them, without those that speak of the sender's connection
//!
//! A sender can therefore set none of the names in 1 to 4, whatever its source keeps. A batch has what is its own in 1 with its
//! content type, and nothing of 5: each of its events says for itself what its body is.

use std::cmp::Reverse;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use zeroize::Zeroizing;

use super::super::SinkError;
use super::envelope::{BATCH_TYPE, Batch};
use super::sign::{self, Signer};
use super::token;
use crate::config::{Fill, HttpAuth, HttpSink as HttpConfig, Secret};
use crate::routes::Delivery;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const HOOKGATE_SOURCE: HeaderName = HeaderName::from_static("hookgate-source");
const HOOKGATE_TYPE: HeaderName = HeaderName::from_static("hookgate-type");
const HOOKGATE_ATTEMPT: HeaderName = HeaderName::from_static("hookgate-attempt");

/// What no one but the delivery may set.
const OWN_PREFIXES: [&str; 2] = ["webhook-", "hookgate-"];

/// Headers of one connection (RFC 9110 §7.6.1), of the framing of one message, or that ask for an interim answer.
const OF_A_CONNECTION: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What all requests of a route share.
pub(super) struct Template {
    uri: Uri,
    headers: HeaderMap,
    signers: Vec<Signer>,
    /// What is a secret of those headers, with what it is encoded as there.
    credentials: Vec<Secret>,
}

impl Template {
    /// Builds the shared part and refuses headers that could not be sent or would be overwritten.
    pub(super) fn new(route: &str, config: &HttpConfig) -> Result<Self, SinkError> {
        let mut headers = HeaderMap::new();
        let mut known = Vec::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("hookgate/", env!("CARGO_PKG_VERSION"))));
        headers.insert(HOST, host(route, &config.url)?);
        for (name, fill) in &config.headers {
            if is_own(name.as_str()) || OF_A_CONNECTION.contains(&name.as_str()) {
                let why = "hookgate sets it itself for every delivery";
                return Err(SinkError::Header { route: route.to_owned(), name: name.to_string(), why });
            }
            let value = match fill {
                Fill::Text(text) => legal(route, name, text.as_bytes())?,
                Fill::Secret(secret) => {
                    known.push(secret.clone());
                    hidden(legal(route, name, secret.expose())?)
                }
            };
            headers.insert(name, value);
        }
        if let Some(auth) = &config.auth {
            let value = credentials(auth);
            headers.insert(AUTHORIZATION, hidden(legal(route, &AUTHORIZATION, &value)?));
            known.extend(value.split(|byte| *byte == b' ').nth(1).map(Secret::new));
            known.push(match auth {
                HttpAuth::Basic { password, .. } => password.clone(),
                HttpAuth::Bearer(token) => token.clone(),
            });
        }
        // One may be part of another, which is then to go as a whole.
        known.sort_by_key(|secret| Reverse(secret.expose().len()));
        let signers: Option<Vec<Signer>> = config.sign.iter().map(Signer::new).collect();
        Ok(Self {
            uri: config.url.path_and_query().cloned().map(Uri::from).unwrap_or_default(),
            headers,
            signers: signers.ok_or_else(|| SinkError::SigningSecret { route: route.to_owned() })?,
            credentials: known,
        })
    }

    /// What a processor says, without the credentials that it was sent: debug pages show them.
    pub(super) fn without_credentials(&self, said: &[u8]) -> Vec<u8> {
        let secrets = self.credentials.iter().map(Secret::expose).filter(|secret| !secret.is_empty());
        secrets.fold(said.to_vec(), |said, secret| {
            let mut kept = Vec::with_capacity(said.len());
            let mut from = 0;
            for at in memchr::memmem::find_iter(&said, secret) {
                kept.extend_from_slice(said.get(from..at).unwrap_or_default());
                kept.extend_from_slice("…".as_bytes());
                from = at + secret.len();
            }
            kept.extend_from_slice(said.get(from..).unwrap_or_default());
            kept
        })
    }

    /// A request that asks rather than tells.
    pub(super) fn query(&self, target: PathAndQuery) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        request
    }

    /// The same that carries a form.
    pub(super) fn form(&self, form: Bytes) -> Request<Full<Bytes>> {
        let mut request = self.query(self.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        *request.method_mut() = Method::POST;
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form_type);
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(form.len()));
        *request.body_mut() = Full::new(form);
        request
    }

    /// The request of one attempt, made at `now`. The body is lent by the event, not copied.
    pub(super) fn request(&self, delivery: &Delivery, now: SystemTime) -> Request<Full<Bytes>> {
        let event = delivery.event();
        let mut headers = HeaderMap::with_capacity(self.headers.len() + SPARE_HEADERS);
        for (name, value) in event.headers() {
            if is_own(name) || OF_A_CONNECTION.contains(&name) || self.headers.contains_key(name) {
                continue;
            }
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));

        let id = token::webhook_id(event.source(), event.id());
        self.sign(&mut headers, id, event.body(), now);
        headers.insert(HOOKGATE_SOURCE, token::plain(event.source()));
        if let Some(event_type) = event.event_type() {
            headers.insert(HOOKGATE_TYPE, token::plain(event_type));
        }
        headers.insert(HOOKGATE_ATTEMPT, HeaderValue::from(delivery.attempt()));
        self.post(headers, Bytes::from_owner(event.clone()))
    }

    /// The request of a batch, made at `now`.
    pub(super) fn batch_request(&self, batch: &Batch, now: SystemTime) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + SPARE_HEADERS);
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(BATCH_TYPE));
        // Its answer is read, and without this any encoding would do (RFC 9110 §12.5.3).
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        self.sign(&mut headers, batch.id.clone(), &batch.body, now);
        self.post(headers, batch.body.clone())
    }

    /// What Standard Webhooks has of a request.
    fn sign(&self, headers: &mut HeaderMap, id: HeaderValue, body: &[u8], now: SystemTime) {
        let timestamp = HeaderValue::from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        if let Some(signatures) = sign::signatures(&self.signers, &id, &timestamp, body) {
            headers.insert(WEBHOOK_SIGNATURE, signatures);
        }
        headers.insert(WEBHOOK_ID, id);
        headers.insert(WEBHOOK_TIMESTAMP, timestamp);
    }

    fn post(&self, mut headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request
    }
}

/// Room for the delivery's own headers and a few kept ones.
const SPARE_HEADERS: usize = 16;

fn is_own(name: &str) -> bool {
    OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The authority without user and without a port that goes without saying.
fn host(route: &str, url: &Uri) -> Result<HeaderValue, SinkError> {
    let name = url.host().unwrap_or_default();
    let default_port = if url.scheme_str() == Some("https") { 443 } else { 80 };
    let text = match url.port_u16() {
        Some(port) if port != default_port => format!("{name}:{port}"),
        _ => name.to_owned(),
    };
    legal(route, &HOST, text.as_bytes())
}

fn credentials(auth: &HttpAuth) -> Zeroizing<Vec<u8>> {
    let mut value = Zeroizing::new(Vec::new());
    match auth {
        HttpAuth::Basic { user, password } => {
            let pair = Zeroizing::new([user.as_bytes(), b":", password.expose()].concat());
            value.extend_from_slice(b"Basic ");
            value.extend_from_slice(Zeroizing::new(BASE64.encode(&pair)).as_bytes());
        }
        HttpAuth::Bearer(token) => {
            value.extend_from_slice(b"Bearer ");
            value.extend_from_slice(token.expose());
        }
    }
    value
}

fn legal(route: &str, name: &HeaderName, value: &[u8]) -> Result<HeaderValue, SinkError> {
    HeaderValue::from_bytes(value).map_err(|_| SinkError::Header {
        route: route.to_owned(),
        name: name.to_string(),
        why: "its value holds a line break or another control character",
    })
}

/// Kept out of debug output.
fn hidden(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
