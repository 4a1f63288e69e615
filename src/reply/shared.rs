//! Answers that belong to no source.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::ReplyBody;

/// The answer to a balancer.
pub(crate) fn health(ready: bool) -> Response<ReplyBody> {
    let (status, body) = if ready { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "draining\n") };
    let mut response = Response::new(ReplyBody::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Ends the connection after this answer.
pub(crate) fn close_after(answer: &mut Response<ReplyBody>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}
