//! `admin`, `admin_tls`, `admin_token` and `admin_hosts` of `[gateway]`: where the gateway is looked at and controlled.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Secret, TlsConfig};

/// The admin listener.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where it is.
    pub address: AdminAddress,
    /// TLS on it; must be there where others than this machine reach it.
    pub tls: Option<TlsConfig>,
    /// Bearer token that its requests show; must be there where others than this machine reach it.
    pub token: Option<Secret>,
    /// Names, in lower case, by which it is asked besides `localhost` and addresses: no other name is answered.
    pub hosts: Vec<String>,
}

/// Where the admin listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// An address and port. Port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system, for this user only: `unix:/run/hookgate/admin.sock`.
    Unix(PathBuf),
}

impl AdminAddress {
    /// Whether only this machine reaches it.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// As it is written.
impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for AdminConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls.is_some() { " with TLS" } else { "" };
        let token = if self.token.is_some() { " and a token" } else { "" };
        write!(f, "{}{tls}{token}", self.address)
    }
}
