//! Where requests go: one URL, resolved once.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, bail};
use http::Uri;

/// A resolved `http://` or `https://` URL.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Whose certificate to ask for, with `https`.
    pub(crate) tls_host: Option<String>,
    /// The `Host` header.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Target {
    /// Checks and resolves a URL.
    pub(crate) fn resolve(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url:?} is not a URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("{url:?} starts neither with http:// nor with https://: loadtest speaks HTTP/1.1 only"),
        };
        let authority = uri.authority().with_context(|| format!("{url:?} names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let address = (host, authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }))
            .to_socket_addrs()
            .with_context(|| format!("cannot find the address of {host:?}"))?
            .next()
            .with_context(|| format!("{host:?} has no address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let tls_host = is_tls.then(|| host.to_owned());
        Ok(Self { address, tls_host, authority: authority.to_string(), path })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_url_becomes_address_host_and_path() {
        let target = Target::resolve("http://127.0.0.1:8080/hooks/github?a=b").unwrap();
        assert_eq!(target.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("127.0.0.1:8080", "/hooks/github?a=b"));
        assert_eq!(Target::resolve("http://[::1]").unwrap().address, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn other_schemes_are_refused_by_name() {
        let error = Target::resolve("ftp://example.com/").unwrap_err().to_string();
        assert!(error.contains("HTTP/1.1 only"), "{error}");
    }

    #[test]
    fn a_url_with_tls_names_whose_certificate_is_asked_for() {
        let target = Target::resolve("https://127.0.0.1:8443/hooks").unwrap();
        assert_eq!(target.tls_host.as_deref(), Some("127.0.0.1"));
        assert_eq!(Target::resolve("https://127.0.0.1").unwrap().address.port(), 443);
        assert_eq!(Target::resolve("http://127.0.0.1").unwrap().tls_host, None);
    }
}
