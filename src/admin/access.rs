//! Who may use the admin listener.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// What a request to the admin listener must show.
#[derive(Debug)]
pub(super) struct Access {
    token: Option<Secret>,
}

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// Its `Host` is a name that anybody's DNS could point here, which is how a web page would reach a loopback address.
    Host,
    /// It comes from a web page: a browser posts a form to any address, this one included, and says from which page.
    Origin,
    /// The token is missing or wrong.
    Token,
}

impl Access {
    /// `token` is needed if there is one.
    pub(super) fn new(token: Option<Secret>) -> Self {
        Self { token }
    }

    /// Checks a request. A token is known to no foreign page: with it every `Host` is allowed. Without one, a request that
    /// has no `Host` is as good as one with an address, as every browser sends it.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(token) = &self.token else {
            if headers.contains_key(ORIGIN) {
                return Err(Denied::Origin);
            }
            let is_safe = |host: &HeaderValue| host.to_str().is_ok_and(is_literal);
            return if headers.get_all(HOST).iter().all(is_safe) { Ok(()) } else { Err(Denied::Host) };
        };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let right = given.is_some_and(|given| given.ct_eq(token.expose()).into());
        if right { Ok(()) } else { Err(Denied::Token) }
    }
}

/// `localhost` or an address, with or without a port.
fn is_literal(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(host: &str, authorization: Option<&str>) -> HeaderMap {
        let mut request = http::Request::get("/metrics").header(HOST, host);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        request.body(()).expect("a request").into_parts().0.headers
    }

    #[test]
    fn a_name_that_dns_could_point_here_is_denied() {
        let access = Access::new(None);
        for host in ["127.0.0.1:9090", "localhost:9090", "[::1]:9090", "10.0.0.3"] {
            assert_eq!(access.check(&head(host, None)), Ok(()), "{host}");
        }
        for host in ["rebind.example.com", "localhost.example.com:9090", ""] {
            assert_eq!(access.check(&head(host, None)), Err(Denied::Host), "{host}");
        }
    }

    #[test]
    fn without_a_token_a_page_is_denied_and_a_probe_without_a_host_is_not() {
        let access = Access::new(None);
        assert_eq!(access.check(&HeaderMap::new()), Ok(()));
        let mut from_page = head("127.0.0.1:9090", None);
        from_page.insert(ORIGIN, HeaderValue::from_static("null"));
        assert_eq!(access.check(&from_page), Err(Denied::Origin));
        let mut two_hosts = head("127.0.0.1:9090", None);
        two_hosts.append(HOST, HeaderValue::from_static("rebind.example.com"));
        assert_eq!(access.check(&two_hosts), Err(Denied::Host));
    }

    #[test]
    fn a_token_must_be_shown_where_there_is_one() {
        let access = Access::new(Some(Secret::new("t0ken")));
        assert_eq!(access.check(&head("ops.example.com", Some("Bearer t0ken"))), Ok(()));
        for wrong in [None, Some("Bearer t0ke"), Some("Bearer t0kens"), Some("t0ken"), Some("Basic t0ken")] {
            assert_eq!(access.check(&head("127.0.0.1", wrong)), Err(Denied::Token));
        }
    }
}
