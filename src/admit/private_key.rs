//! Private keys, for whoever plays a provider that signs with one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

use super::AdmissionError;
use crate::config::{Algorithm, KeyForm, Secret};

/// A key that makes signatures.
pub(super) enum PrivateKey {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// A key in PEM (PKCS #8), or the 32 bytes of one of Ed25519 in hexadecimal.
    pub(super) fn new(algorithm: Algorithm, secret: &Secret) -> Result<Self, AdmissionError> {
        let pem = PrivatePkcs8KeyDer::from_pem_slice(secret.expose());
        let der = pem.as_ref().ok().map(PrivatePkcs8KeyDer::secret_pkcs8_der);
        match algorithm {
            Algorithm::Ed25519 => match der {
                Some(der) => Ed25519KeyPair::from_pkcs8(der).ok(),
                None => {
                    let seed = KeyForm::Hex.decode(secret);
                    seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok())
                }
            }
            .map(Self::Ed25519),
            Algorithm::EcdsaP256 => der
                .and_then(|der| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).ok())
                .map(Self::EcdsaP256),
            Algorithm::RsaSha256 => der.and_then(|der| RsaKeyPair::from_pkcs8(der).ok()).map(Self::Rsa),
            // SHA-1 is checked for old senders, and nobody makes it any more.
            _ => return Err(AdmissionError::NoMac),
        }
        .ok_or_else(|| AdmissionError::UnfitPrivateKey { algorithm: algorithm.to_string() })
    }

    /// A key in PEM for a JSON Web Token, and the name of its algorithm there (RFC 7518, section 3.1; RFC 8037).
    pub(super) fn for_jwt(secret: &Secret) -> Result<(&'static str, Self), AdmissionError> {
        let fit = PrivatePkcs8KeyDer::from_pem_slice(secret.expose()).ok().and_then(|key| {
            let der = key.secret_pkcs8_der();
            let rsa = || Some(("RS256", Self::Rsa(RsaKeyPair::from_pkcs8(der).ok()?)));
            let ecdsa = || {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
                Some(("ES256", Self::EcdsaP256(pair)))
            };
            let ed25519 = || Some(("EdDSA", Self::Ed25519(Ed25519KeyPair::from_pkcs8(der).ok()?)));
            rsa().or_else(ecdsa).or_else(ed25519)
        });
        fit.ok_or_else(|| AdmissionError::UnfitPrivateKey { algorithm: "RS256, ES256 or EdDSA".to_owned() })
    }

    /// The bytes of its public key.
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::Ed25519(pair) => pair.public_key().as_ref(),
            Self::EcdsaP256(pair) => pair.public_key().as_ref(),
            Self::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    /// Its signature over `message`; empty if there is no randomness to make one with.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::EcdsaP256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message);
                signed.map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                match pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature) {
                    Ok(()) => signature,
                    Err(_) => Vec::new(),
                }
            }
        }
    }
}
