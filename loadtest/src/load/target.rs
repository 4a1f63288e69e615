//! Where requests go: one URL, resolved once.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, bail};
use http::Uri;

/// A resolved `http://` URL.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The `Host` header.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Target {
    /// Checks and resolves a URL.
    pub(crate) fn resolve(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url:?} is not a URL"))?;
        if uri.scheme_str() != Some("http") {
            bail!("{url:?} does not start with http://: loadtest speaks plain HTTP/1.1 only");
        }
        let authority = uri.authority().with_context(|| format!("{url:?} names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let address = (host, authority.port_u16().unwrap_or(80))
            .to_socket_addrs()
            .with_context(|| format!("cannot find the address of {host:?}"))?
            .next()
            .with_context(|| format!("{host:?} has no address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { address, authority: authority.to_string(), path })
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
        let error = Target::resolve("https://example.com/").unwrap_err().to_string();
        assert!(error.contains("plain HTTP/1.1 only"), "{error}");
    }
}
