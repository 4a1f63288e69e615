//! A secret in memory: shown by nothing, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A key, password or token. There is no way to print, compare or serialize it by accident.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A secret of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for the one computation that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What senders to one source are checked with.
#[derive(Debug, Clone)]
pub enum Secrets {
    /// Secrets of which any may have been used: more than one while rotating. Never empty.
    Of(Vec<Secret>),
    /// The path's `{tenant}` chooses among the secrets of each. Never empty.
    OfTenants(Vec<(String, Vec<Secret>)>),
    /// The provider hands it over in a handshake, once.
    Learned,
}
