//! What a head must be, beyond what hyper checks itself.
//!
//! hyper refuses folded headers, bad bytes, bad lengths, more than 100 headers and more bytes than it is told. It lets the following through (seen with
//! hyper 1.12), and each can make two HTTP implementations disagree about a request.

use http::header::{EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::refusal::Refusal;

/// Checks a head.
pub(super) fn check(parts: &Parts) -> Result<(), Refusal> {
    // A tunnel is not for us, whatever path it names.
    if parts.method == Method::CONNECT {
        return Err(Refusal::WrongMethod);
    }
    check_host(parts)?;
    check_transfer_encoding(&parts.headers)?;
    check_expect(&parts.headers)
}

/// RFC 9112 §3.2: exactly one `Host` in HTTP/1.1, and a valid one, also where an absolute target says more.
/// In HTTP/2 the authority stands for it, and a `Host` beside that must say the same (RFC 9113 §8.3.1).
fn check_host(parts: &Parts) -> Result<(), Refusal> {
    let is_http_2 = parts.version == Version::HTTP_2;
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if authority.is_some_and(|authority| !is_of_http(parts.uri.scheme()) || !is_host(authority)) {
        return Err(Refusal::BadHost);
    }
    let says_otherwise = |host: &HeaderValue| {
        is_http_2 && authority.is_some_and(|authority| !host.as_bytes().eq_ignore_ascii_case(authority))
    };
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if parts.version < Version::HTTP_11 || (is_http_2 && authority.is_some()) => Ok(()),
        (Some(host), None) if is_host(host.as_bytes()) && !says_otherwise(host) => Ok(()),
        _ => Err(Refusal::BadHost),
    }
}

/// A target without a scheme and with an authority is one of `CONNECT`.
fn is_of_http(scheme: Option<&Scheme>) -> bool {
    scheme.is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
}

/// A registered name or an address in brackets, and perhaps a port. Empty is allowed (RFC 9110 §7.2), a user before it is not
/// (§4.2.4).
fn is_host(host: &[u8]) -> bool {
    let (is_name, port) = match host.strip_prefix(b"[") {
        Some(address) => {
            let mut halves = address.splitn(2, |byte| *byte == b']');
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            let name = halves.next().unwrap_or_default();
            // Without the bracket's end there is no second half.
            (name.iter().all(is_address) && !name.is_empty(), halves.next())
        }
        None => {
            let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
            let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
            let halves = host.split_at_checked(end);
            (halves.is_some_and(|(name, _)| name.iter().all(is_of_name)), halves.map(|(_, port)| port))
        }
    };
    let is_port =
        |port: &[u8]| port.strip_prefix(b":").map_or(port.is_empty(), |port| port.iter().all(u8::is_ascii_digit));
    is_name && port.is_some_and(is_port)
}

/// RFC 9112 §6.1: `chunked` once and last; other codings are not understood here. hyper refuses most of the rest.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let mut chunked = 0;
    for value in headers.get_all(TRANSFER_ENCODING) {
        let text = value.to_str().map_err(|_| Refusal::BadTransferEncoding)?;
        for coding in text.split(',').map(str::trim) {
            if !coding.eq_ignore_ascii_case("chunked") {
                return Err(Refusal::UnsupportedTransferEncoding);
            }
            chunked += 1;
        }
    }
    if chunked == 1 { Ok(()) } else { Err(Refusal::BadTransferEncoding) }
}

/// RFC 9110 §10.1.1: an expectation that is not understood is answered with 417.
fn check_expect(headers: &HeaderMap) -> Result<(), Refusal> {
    let understood = headers.get_all(EXPECT).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if understood { Ok(()) } else { Err(Refusal::UnmetExpectation) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/hooks/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn refusal(headers: &[(&str, &str)]) -> Option<Refusal> {
        check(&head(headers)).err()
    }

    #[test]
    fn one_valid_host_is_needed() {
        assert_eq!(refusal(&[("host", "hooks.example.com:8080")]), None);
        assert_eq!(refusal(&[("host", "[::1]:8080")]), None);
        assert_eq!(refusal(&[]), Some(Refusal::BadHost));
        assert_eq!(refusal(&[("host", "a"), ("host", "a")]), Some(Refusal::BadHost));
        for host in ["a/b@c", "user@a", "a:80b", "a:80:80", "[::1", "[::1]a", "[]", "a]", "a b"] {
            assert_eq!(refusal(&[("host", host)]), Some(Refusal::BadHost), "{host}");
        }
        for host in ["", "a:", "a_b.example:1", "[::ffff:1.2.3.4]"] {
            assert_eq!(refusal(&[("host", host)]), None, "{host}");
        }
    }

    #[test]
    fn an_absolute_target_is_one_of_http_without_a_user() {
        let check = |target: &str| {
            let mut parts = head(&[("host", "a")]);
            parts.uri = target.parse().expect("a target");
            check(&parts).err()
        };
        assert_eq!(check("http://b/hooks/x"), None);
        assert_eq!(check("https://b:8443/hooks/x"), None);
        for target in ["http://user:password@a/hooks/x", "ftp://a/hooks/x", "a:80"] {
            assert_eq!(check(target), Some(Refusal::BadHost), "{target}");
        }
    }

    #[test]
    fn http_1_0_may_do_without_a_host() {
        let mut parts = head(&[]);
        parts.version = Version::HTTP_10;
        assert_eq!(check(&parts), Ok(()));
    }

    #[test]
    fn in_http_2_the_authority_is_the_host() {
        let check = |uri: &str, headers: &[(&str, &str)]| {
            let mut parts = head(headers);
            parts.version = Version::HTTP_2;
            parts.uri = uri.parse().expect("a target");
            check(&parts).err()
        };
        assert_eq!(check("https://hooks.example.com/hooks/x", &[]), None);
        assert_eq!(check("https://hooks.example.com/hooks/x", &[("host", "Hooks.example.com")]), None);
        assert_eq!(check("/hooks/x", &[("host", "a")]), None);
        assert_eq!(check("https://a/hooks/x", &[("host", "b")]), Some(Refusal::BadHost));
        assert_eq!(check("https://user@a/hooks/x", &[]), Some(Refusal::BadHost));
        assert_eq!(check("/hooks/x", &[]), Some(Refusal::BadHost));
    }

    #[test]
    fn only_one_chunked_coding_is_taken() {
        let with = |coding| refusal(&[("host", "a"), ("transfer-encoding", coding)]);
        assert_eq!(with("chunked"), None);
        assert_eq!(with("Chunked"), None);
        assert_eq!(with("gzip, chunked"), Some(Refusal::UnsupportedTransferEncoding));
        assert_eq!(with("chunked, chunked"), Some(Refusal::BadTransferEncoding));
        let twice = [("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(refusal(&twice), Some(Refusal::BadTransferEncoding));
    }

    #[test]
    fn an_unknown_expectation_is_not_met() {
        assert_eq!(refusal(&[("host", "a"), ("expect", "100-Continue")]), None);
        assert_eq!(refusal(&[("host", "a"), ("expect", "tea")]), Some(Refusal::UnmetExpectation));
    }
}
