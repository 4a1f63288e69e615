//! From a processor's answer to the outcome of an attempt.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::super::detail;
use super::request::Template;
use crate::routes::{Failure, FailureKind, Outcome};

/// Of a longer body the rest is not read, unless more of it is to be kept: the connection is closed instead.
pub(super) const READ_BYTES: usize = 64 << 10;

/// Of a body, so that no credential is cut in two where what is told ends.
pub(super) const KEPT_BYTES: usize = detail::DETAIL_BYTES + (4 << 10);

/// An answer that has been read as far as it matters.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) status: StatusCode,
    /// Read to its end: the connection can carry another request.
    pub(super) whole: bool,
    /// The first bytes of its body.
    pub(super) start: Vec<u8>,
    pub(super) headers: HeaderMap,
}

/// Reads the body of an answer, keeps so many bytes of it, and judges. A success counts when its answer is whole or longer than
/// anyone wants to read; a failure keeps its status whatever becomes of its body, and tells what that says but for the credentials
/// of the request.
pub(super) async fn read(response: Response<Incoming>, deadline: Instant, request: &Template, keep: usize) -> Answer {
    let (head, body) = response.into_parts();
    let (start, end) = read_body(body, deadline, keep).await;
    let whole = matches!(end, End::Whole);
    let outcome = match end {
        End::Whole | End::TooLong if head.status.is_success() => Outcome::Delivered,
        End::Broken(error) if head.status.is_success() => Outcome::Failed(super::broken(&error)),
        End::Late if head.status.is_success() => Outcome::Failed(too_late()),
        _ => Outcome::Failed(Failure {
            kind: FailureKind::Status(head.status.as_u16()),
            detail: told(&head.headers, head.status.is_redirection(), &start, request),
            retry_after: wish(&head.headers),
        }),
    };
    Answer { outcome, status: head.status, whole, start, headers: head.headers }
}

/// When the processor wants the next attempt.
pub(super) fn wish(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()))
}

/// The failure of an attempt whose time is up.
pub(super) fn too_late() -> Failure {
    detail::failure(FailureKind::Timeout, "no complete answer within the route's `timeout`")
}

enum End {
    Whole,
    TooLong,
    Broken(hyper::Error),
    Late,
}

/// The first bytes of a body, and how reading it ended.
async fn read_body(mut body: Incoming, deadline: Instant, keep: usize) -> (Vec<u8>, End) {
    let mut start = Vec::new();
    let mut read = 0;
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return (start, End::Broken(error)),
            Ok(None) => return (start, End::Whole),
            Err(_) => return (start, End::Late),
        };
        let data: Bytes = frame.into_data().unwrap_or_default();
        let room = keep.saturating_sub(start.len()).min(data.len());
        start.extend_from_slice(data.get(..room).unwrap_or_default());
        read += data.len();
        if read > READ_BYTES.max(keep) {
            return (start, End::TooLong);
        }
    }
}

fn told(headers: &HeaderMap, redirect: bool, body: &[u8], request: &Template) -> String {
    let said = match headers.get(LOCATION) {
        Some(place) if redirect => &[b"redirects are not followed; this one leads to ", place.as_bytes()].concat(),
        _ => body.get(..KEPT_BYTES).unwrap_or(body),
    };
    detail::of_bytes(&request.without_credentials(said))
}

/// Seconds, or a date. A date that has passed asks for no wait.
pub(crate) fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |text| retry_after(&HeaderValue::from_static(text), now);
        assert_eq!(read("120"), Some(Duration::from_mins(2)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-3"), None);
    }
}
