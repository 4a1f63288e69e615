//! Who may use the admin listener.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::config::{AdminAddress, AdminConfig};

/// What a request to the admin listener must show.
pub(super) struct Access {
    /// The SHA-256 of the token. Digests are of one length, so that comparing them tells nothing of the token's.
    token: Option<Zeroizing<[u8; 32]>>,
    /// Names it may be asked by; `None` for a socket in the file system, which no web page reaches.
    hosts: Option<Vec<String>>,
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
    pub(super) fn new(config: &AdminConfig) -> Self {
        Self {
            token: config.token.as_ref().map(|token| Zeroizing::new(Sha256::digest(token.expose()).into())),
            hosts: match &config.address {
                AdminAddress::Tcp(_) => Some(config.hosts.clone()),
                AdminAddress::Unix(_) => None,
            },
        }
    }

    /// Checks a request. One without a `Host` is as good as one with an address: every browser sends it. A page that shows
    /// the token is trusted with it.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        if let Some(hosts) = &self.hosts {
            let is_ours = |host: &HeaderValue| host.to_str().is_ok_and(|host| is_known(host, hosts));
            if !headers.get_all(HOST).iter().all(is_ours) {
                return Err(Denied::Host);
            }
        }
        let Some(token) = &self.token else {
            return if headers.contains_key(ORIGIN) { Err(Denied::Origin) } else { Ok(()) };
        };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let is_right = given.is_some_and(|given| Sha256::digest(given).as_slice().ct_eq(&**token).into());
        if is_right { Ok(()) } else { Err(Denied::Token) }
    }
}

/// `localhost`, an address or one of these names, with or without a port. An address is what no DNS can change.
fn is_known(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Secret;

    fn access(token: Option<&str>) -> Access {
        let address = AdminAddress::Tcp(([127, 0, 0, 1], 9090).into());
        let hosts = vec!["ops.example.com".to_owned()];
        Access::new(&AdminConfig { address, tls: None, token: token.map(Secret::new), hosts })
    }

    fn head(host: &str, authorization: Option<&str>) -> HeaderMap {
        let mut request = http::Request::get("/metrics").header(HOST, host);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        request.body(()).expect("a request").into_parts().0.headers
    }

    #[test]
    fn a_name_that_dns_could_point_here_is_denied() {
        let access = access(None);
        for host in
            ["127.0.0.1:9090", "localhost:9090", "[::1]:9090", "10.0.0.3", "ops.example.com", "OPS.example.com:1"]
        {
            assert_eq!(access.check(&head(host, None)), Ok(()), "{host}");
        }
        for host in ["rebind.example.com", "localhost.example.com:9090", "ops.example.com.evil.example", ""] {
            assert_eq!(access.check(&head(host, None)), Err(Denied::Host), "{host}");
        }
    }

    #[test]
    fn a_token_does_not_make_up_for_a_foreign_name() {
        let denied = access(Some("t0ken")).check(&head("rebind.example.com", Some("Bearer t0ken")));
        assert_eq!(denied, Err(Denied::Host));
    }

    #[test]
    fn a_socket_in_the_file_system_is_asked_by_any_name() {
        let address = AdminAddress::Unix(PathBuf::from("admin.sock"));
        let access = Access::new(&AdminConfig { address, tls: None, token: None, hosts: Vec::new() });
        assert_eq!(access.check(&head("whatever.example", None)), Ok(()));
    }

    #[test]
    fn without_a_token_a_page_is_denied_and_a_probe_without_a_host_is_not() {
        let access = access(None);
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
        let access = access(Some("t0ken"));
        assert_eq!(access.check(&head("ops.example.com", Some("Bearer t0ken"))), Ok(()));
        for wrong in [None, Some("Bearer t0ke"), Some("Bearer t0kens"), Some("t0ken"), Some("Basic t0ken")] {
            assert_eq!(access.check(&head("127.0.0.1", wrong)), Err(Denied::Token));
        }
    }
}
