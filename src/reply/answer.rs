//! One source's answers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::body::ReplyBody;
use super::refusals::Refusals;
use super::template::{Escape, Template};
use crate::config::{RefuseConfig, ReplyConfig};
use crate::refusal::Refusal;

/// What a source answers. Made once per source; each io thread may read it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    accepted: Prebuilt<Template>,
    refusals: Refusals,
}

impl Reply {
    /// The answers of a source. `asks_for_basic`: it takes user and password.
    pub(crate) fn new(reply: &ReplyConfig, refuse: &RefuseConfig, asks_for_basic: bool) -> Self {
        Self { accepted: accepted(reply), refusals: Refusals::new(refuse, asks_for_basic) }
    }

    /// The answer to an event that was taken. `headers` are the request's, no longer needed: the answer's go into the same
    /// map, and hyper parses the connection's next request into it, so that none of the three has to allocate one.
    pub(crate) fn accepted<'event>(
        &self,
        id_and_type: impl FnOnce() -> (&'event str, Option<&'event str>),
        mut headers: HeaderMap,
    ) -> Response<ReplyBody> {
        headers.clear();
        headers.extend(self.accepted.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut response = Response::new(ReplyBody::new(self.accepted.body.fill(id_and_type)));
        *response.status_mut() = self.accepted.status;
        *response.headers_mut() = headers;
        response
    }

    /// The answer to a request that was not.
    pub(crate) fn refused(&self, refusal: Refusal) -> Response<ReplyBody> {
        self.refusals.answer(refusal)
    }
}

pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn accepted(reply: &ReplyConfig) -> Prebuilt<Template> {
    // These two have no body (RFC 9110, sections 15.3.5 and 15.3.6).
    if matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        let body = Template::Fixed(Bytes::new());
        return Prebuilt { status: reply.status, headers: HeaderMap::new(), body };
    }
    let content_type = reply.content_type.as_deref().unwrap_or_default();
    let mut headers = HeaderMap::new();
    if let (false, Ok(value)) = (content_type.is_empty(), HeaderValue::from_str(content_type)) {
        headers.insert(CONTENT_TYPE, value);
    }
    Prebuilt { status: reply.status, headers, body: Template::new(&reply.body, Escape::of(content_type)) }
}

/// An answer that only has to be cloned: its header values are shared, and a clone of the map holds just what is in it.
#[derive(Debug, Clone)]
pub(super) struct Prebuilt<B = Bytes> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: B,
}

impl Prebuilt {
    pub(super) fn response(&self) -> Response<ReplyBody> {
        let mut response = Response::new(ReplyBody::new(self.body.clone()));
        *response.status_mut() = self.status;
        if !self.headers.is_empty() {
            response.headers_mut().clone_from(&self.headers);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http_body::Body;
    use http_body_util::BodyExt;

    use super::*;
    use crate::reply::refused;

    fn source(reply: (u16, Option<&str>, &str), refuse: &RefuseConfig, basic: bool) -> Reply {
        let (status, content_type, body) = reply;
        let reply = ReplyConfig {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: content_type.map(str::to_owned),
            body: body.to_owned(),
        };
        Reply::new(&reply, refuse, basic)
    }

    fn plain_source(basic: bool) -> Reply {
        source((200, None, ""), &RefuseConfig::default(), basic)
    }

    fn header<'a>(response: &'a Response<ReplyBody>, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    async fn text(response: Response<ReplyBody>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_accepted_event_is_answered_as_configured() {
        let reply = source((202, Some("application/xml"), "<ack id='{id}'/>"), &RefuseConfig::default(), false);
        let of_a_request = HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("hooks.example.com"))]);
        let response = reply.accepted(|| ("a&b", Some("x")), of_a_request);
        assert_eq!(response.status(), 202);
        assert_eq!(header(&response, "content-type"), Some("application/xml"));
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.body().size_hint().exact(), Some(19));
        assert!(!response.body().is_end_stream());
        assert_eq!(text(response).await, "<ack id='a&amp;b'/>".to_owned());
    }

    #[tokio::test]
    async fn an_empty_answer_has_neither_body_nor_type() {
        for (status, content_type, body) in [(200, None, ""), (204, Some("text/plain"), "ignored"), (205, None, "{id}")]
        {
            let response = source((status, content_type, body), &RefuseConfig::default(), false)
                .accepted(|| ("1", None), HeaderMap::new());
            assert_eq!(response.status(), status);
            assert!(response.headers().is_empty());
            assert!(response.body().is_end_stream());
            assert_eq!(text(response).await, "");
        }
    }

    #[test]
    fn a_type_that_is_no_header_value_is_left_out() {
        let response = source((200, Some("text/plain\r\nx: y"), "ok"), &RefuseConfig::default(), false)
            .accepted(|| ("1", None), HeaderMap::new());
        assert!(response.headers().is_empty());
    }

    #[tokio::test]
    async fn every_refusal_is_answered_with_its_status_and_reason() {
        for refusal in Refusal::ALL {
            for response in [refused(refusal), plain_source(true).refused(refusal)] {
                assert_eq!(response.status(), refusal.status());
                assert_eq!(header(&response, "content-type"), Some("application/json"));
                assert_eq!(header(&response, "connection"), refusal.closes_connection().then_some("close"));
                let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
                assert_eq!(body, serde_json::json!({ "status": "refused", "reason": refusal.label() }));
            }
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_one() {
        assert_eq!(header(&refused(Refusal::WrongMethod), "allow"), Some("POST"));
        assert_eq!(header(&refused(Refusal::UnknownPath), "allow"), None);
    }

    #[test]
    fn a_sender_that_came_too_early_is_told_to_come_again() {
        for refusal in [Refusal::OverMemoryBudget, Refusal::QueueFull] {
            assert_eq!(header(&plain_source(false).refused(refusal), "retry-after"), Some("1"));
        }
        assert_eq!(header(&refused(Refusal::WrongSignature), "retry-after"), None);
    }

    #[test]
    fn credentials_are_asked_for_only_where_the_source_takes_them() {
        let asked = |reply: &Reply, refusal| reply.refused(refusal).headers().contains_key("www-authenticate");
        assert_eq!(
            header(&plain_source(true).refused(Refusal::MissingCredentials), "www-authenticate"),
            Some(r#"Basic realm="hookgate""#)
        );
        assert!(!asked(&plain_source(true), Refusal::QueueFull));
        assert!(!asked(&plain_source(false), Refusal::MissingCredentials));
        let hidden = RefuseConfig { status: Some(StatusCode::NOT_FOUND), ..RefuseConfig::default() };
        assert!(!asked(&source((200, None, ""), &hidden, true), Refusal::MissingCredentials));
    }

    #[tokio::test]
    async fn only_a_sender_that_did_not_prove_itself_gets_the_configured_refusal() {
        let refuse = RefuseConfig {
            status: Some(StatusCode::FORBIDDEN),
            content_type: Some("text/xml".to_owned()),
            body: Some("<no>{id}</no>".to_owned()),
        };
        let reply = source((200, None, ""), &refuse, false);
        let response = reply.refused(Refusal::WrongSignature);
        assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::FORBIDDEN, Some("text/xml")));
        assert_eq!(text(response).await, "<no>{id}</no>");
        assert_eq!(reply.refused(Refusal::BodyTooLarge).status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_refusal_of_which_only_the_status_is_configured_keeps_its_reason() {
        let refuse = RefuseConfig { status: Some(StatusCode::FORBIDDEN), ..RefuseConfig::default() };
        let response = source((200, None, ""), &refuse, false).refused(Refusal::StaleTimestamp);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(text(response).await, r#"{"status":"refused","reason":"stale_timestamp"}"#);
    }
}
