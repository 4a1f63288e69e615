//! Texts of which a sender must know one: passwords, keys, tokens.

use std::time::SystemTime;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::AdmissionError;
use super::keyring::Timed;
use crate::config::Secret;

/// The SHA-256 digests of the texts that are accepted. Digests are all of one length, so comparing them tells nothing of the
/// length of a secret; and the time it takes to hash depends on what was presented alone.
pub(super) struct Accepted(Vec<Timed<Zeroizing<[u8; 32]>>>);

impl Accepted {
    /// Accepts each of `secrets` with `before` in front of it.
    pub(super) fn new(of: &'static str, before: &[u8], secrets: &[Secret]) -> Result<Self, AdmissionError> {
        if secrets.is_empty() {
            return Err(AdmissionError::NoSecret { of });
        }
        let digest = |(secret, nth): (&Secret, usize)| match secret.expose() {
            [] => Err(AdmissionError::EmptySecret { nth, of }),
            bytes => {
                let digest = Sha256::new().chain_update(before).chain_update(bytes).finalize().into();
                Ok(Timed::new(Zeroizing::new(digest), secret))
            }
        };
        secrets.iter().zip(1..).map(digest).collect::<Result<_, _>>().map(Self)
    }

    /// Compares with all that count now, whichever fits.
    pub(super) fn contains(&self, presented: &[u8], now: SystemTime) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let accepted = self.0.iter().filter_map(|accepted| accepted.at(now));
        let found = accepted.fold(Choice::from(0), |found, accepted| {
            #[cfg(test)]
            super::tests::work::compares();
            found | accepted.ct_eq(&presented)
        });
        found.into()
    }
}
