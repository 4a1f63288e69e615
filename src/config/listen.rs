//! `listen`: an address and what is spoken there.

use std::net::SocketAddr;
use std::path::PathBuf;

/// One address that providers connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    /// The address. Port 0 takes a free one.
    pub address: SocketAddr,
    /// TLS, with HTTP/1.1 or HTTP/2 as the client chooses; `None` for HTTP/1.1 in the clear.
    pub tls: Option<TlsConfig>,
    /// Whether every connection begins with a header of the PROXY protocol, which names the client.
    pub proxy_protocol: bool,
}

/// Who the gateway says it is, and whose certificates it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates, chosen by the name a client asks for; the first answers all others. Never empty.
    pub certificates: Vec<CertificateFiles>,
    /// PEM file of the authorities of client certificates; without one no client is asked for its own.
    pub client_ca: Option<PathBuf>,
}

/// A certificate on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM file of the certificate, and of those between it and its authority.
    pub cert: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// The header in which trusted proxies name the client. Only one is believed: a proxy passes on the other as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: CLIENT, PROXY`
    XForwardedFor,
    /// `Forwarded: for=CLIENT, for=PROXY` (RFC 7239)
    Forwarded,
}

impl From<SocketAddr> for ListenConfig {
    /// HTTP/1.1 in the clear.
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None, proxy_protocol: false }
    }
}
