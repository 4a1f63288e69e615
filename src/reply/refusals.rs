//! The answer for every refusal.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::answer::{Prebuilt, TEXT};
use super::body::ReplyBody;
use crate::config::RefuseConfig;
use crate::refusal::Refusal;

/// The answer to a request for which no source is known.
pub(crate) fn refused(refusal: Refusal) -> Response<ReplyBody> {
    static OWN: LazyLock<Refusals> = LazyLock::new(|| Refusals::new(&RefuseConfig::default(), false));
    OWN.answer(refusal)
}

/// The answers of one source, in the order of [`Refusal::index`].
#[derive(Debug, Clone)]
pub(super) struct Refusals([Prebuilt; Refusal::ALL.len()]);

impl Refusals {
    /// `asks_for_basic`: the source takes user and password, and says so to a sender that did not prove itself.
    pub(super) fn new(refuse: &RefuseConfig, asks_for_basic: bool) -> Self {
        let own = RefuseConfig::default();
        Self(Refusal::ALL.map(|refusal| {
            let config = if refusal.is_about_the_sender() { refuse } else { &own };
            answer_for(refusal, config, asks_for_basic)
        }))
    }

    pub(super) fn answer(&self, refusal: Refusal) -> Response<ReplyBody> {
        // In bounds: there is one for each of `Refusal::ALL`, and each stands at its index.
        self.0[refusal.index()].response()
    }
}

fn answer_for(refusal: Refusal, config: &RefuseConfig, asks_for_basic: bool) -> Prebuilt {
    let status = config.status.unwrap_or(refusal.status());
    let (content_type, body) = match &config.body {
        None => (Some(JSON), format!(r#"{{"status":"refused","reason":"{}"}}"#, refusal.label())),
        Some(body) => ((!body.is_empty()).then_some(TEXT), body.clone()),
    };
    let content_type = match &config.content_type {
        None => content_type,
        Some(configured) => HeaderValue::from_str(configured).ok(),
    };

    let mut headers = HeaderMap::new();
    headers.extend(content_type.map(|value| (CONTENT_TYPE, value)));
    if refusal.closes_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        StatusCode::UNAUTHORIZED if asks_for_basic => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="hookgate""#));
        }
        _ => {}
    }
    Prebuilt { status, headers, body: Bytes::from(body) }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
