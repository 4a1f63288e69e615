//! Private keys of Ed25519, for whoever plays a provider that signs with one.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

use super::AdmissionError;
use crate::config::{Algorithm, KeyForm, Secret};

/// A key that makes signatures.
pub(super) struct PrivateKey(Ed25519KeyPair);

impl PrivateKey {
    /// A key in PEM (PKCS #8), or its 32 bytes in hexadecimal.
    pub(super) fn new(algorithm: Algorithm, secret: &Secret) -> Result<Self, AdmissionError> {
        if algorithm != Algorithm::Ed25519 {
            return Err(AdmissionError::NoMac);
        }
        let pair = match PrivatePkcs8KeyDer::from_pem_slice(secret.expose()) {
            Ok(key) => Ed25519KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
            Err(_) => {
                KeyForm::Hex.decode(secret).and_then(|seed| Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok())
            }
        };
        pair.map(Self).ok_or(AdmissionError::UnfitPrivateKey)
    }

    /// The bytes of its public key.
    pub(super) fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// Its signature over `message`.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}
