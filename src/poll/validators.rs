//! What tells whether there is anything new at a URL: `ETag` and `Last-Modified` (RFC 9110 §8.8), sent back as
//! `If-None-Match` and `If-Modified-Since`.

use std::time::Duration;

use http::header::{DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a server said of one URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    /// A hash of the URL: its query may hold a key, and this is written to disk.
    of: String,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validators {
    /// Those of an answer for this path and query of this server, if it has any.
    pub(super) fn of(server: &Uri, target: &str, headers: &HeaderMap) -> Option<Self> {
        let etag = text(headers, &ETAG);
        let last_modified = text(headers, &LAST_MODIFIED).filter(|time| is_strong(time, headers));
        if etag.is_none() && last_modified.is_none() {
            return None;
        }
        Some(Self { of: hash(server, target), etag, last_modified })
    }

    /// Whether they are of what is about to be asked for.
    pub(super) fn are_of(&self, server: &Uri, target: &str) -> bool {
        self.of == hash(server, target)
    }

    /// Makes a request one for what is new.
    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        for (name, value) in [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)] {
            if let Some(value) = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

/// A time counts in seconds: something may have changed once more within the second of the answer, and would never be seen
/// (RFC 9110 §8.8.2.2).
fn is_strong(last_modified: &str, headers: &HeaderMap) -> bool {
    let date = text(headers, &DATE).and_then(|date| httpdate::parse_http_date(&date).ok());
    let modified = httpdate::parse_http_date(last_modified).ok();
    let age = date.zip(modified).and_then(|(date, modified)| date.duration_since(modified).ok());
    age.is_some_and(|age| age >= Duration::from_secs(1))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (1..=VALUE_BYTES_MAX).contains(&value.len()).then(|| value.to_owned())
}

const VALUE_BYTES_MAX: usize = 1024;

fn hash(server: &Uri, target: &str) -> String {
    let mut hash = Sha256::new();
    for part in [server.scheme_str().unwrap_or_default(), server.authority().map_or("", |it| it.as_str()), target] {
        hash.update(part);
        hash.update("\n");
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(headers: &[(HeaderName, &str)]) -> Option<Validators> {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Validators::of(&"https://api.test/a?key=hush".parse().unwrap(), "/a?key=hush", &headers)
    }

    #[test]
    fn they_count_for_the_url_that_they_came_with() {
        let known = of(&[(ETAG, "W/\"1\"")]).unwrap();
        let server: Uri = "https://api.test/b".parse().unwrap();
        assert!(known.are_of(&server, "/a?key=hush"));
        assert!(!known.are_of(&server, "/a"));
        assert!(!known.are_of(&"https://other.test/".parse().unwrap(), "/a?key=hush"));
        assert!(!serde_json::to_string(&known).unwrap().contains("hush"));
        let mut headers = HeaderMap::new();
        known.write_to(&mut headers);
        assert_eq!((headers.len(), &headers[IF_NONE_MATCH]), (1, &HeaderValue::from_static("W/\"1\"")));
    }

    #[test]
    fn a_time_within_the_second_of_the_answer_says_nothing() {
        let modified = (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(of(&[modified.clone(), (DATE, "Sun, 06 Nov 1994 08:49:38 GMT")]).is_some());
        assert!(of(&[modified.clone(), (DATE, "Sun, 06 Nov 1994 08:49:37 GMT")]).is_none());
        assert!(of(&[modified]).is_none());
        assert!(of(&[]).is_none());
    }
}
