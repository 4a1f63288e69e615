//! Who may use the admin listener.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
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
    /// The token is missing or wrong.
    Token,
}

impl Access {
    /// `token` is needed if there is one.
    pub(super) fn new(token: Option<Secret>) -> Self {
        Self { token }
    }

    /// Checks a request. With a token, which no foreign page knows, every `Host` is allowed.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(token) = &self.token else {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            return if host.is_some_and(is_literal) { Ok(()) } else { Err(Denied::Host) };
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
    fn a_token_must_be_shown_where_there_is_one() {
        let access = Access::new(Some(Secret::new("t0ken")));
        assert_eq!(access.check(&head("ops.example.com", Some("Bearer t0ken"))), Ok(()));
        for wrong in [None, Some("Bearer t0ke"), Some("Bearer t0kens"), Some("t0ken"), Some("Basic t0ken")] {
            assert_eq!(access.check(&head("127.0.0.1", wrong)), Err(Denied::Token));
        }
    }
}
