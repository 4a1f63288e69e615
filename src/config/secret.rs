//! A secret in memory: shown by nothing, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

use super::Validity;

/// A key, password or token. There is no way to print, compare or serialize it by accident.
#[derive(Clone)]
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    validity: Validity,
}

impl Secret {
    /// A secret of these bytes, which counts at any time.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: Zeroizing::new(bytes.into()), validity: Validity::ALWAYS }
    }

    /// The same secret, which counts in this time only.
    #[must_use]
    pub fn within(self, validity: Validity) -> Self {
        Self { validity, ..self }
    }

    /// The bytes, for the one computation that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// When it counts.
    pub fn validity(&self) -> Validity {
        self.validity
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
