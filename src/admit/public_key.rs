//! Public keys: Ed25519, ECDSA P-256 and RSA, by aws-lc-rs, which TLS has brought along.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use super::AdmissionError;
use crate::config::{Algorithm, Encoding, KeyForm, Secret};

/// A key that checks signatures and makes none.
pub(super) struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// The source's `nth` key, counted from 1: raw bytes or X.509 in the form given, or a public key or certificate in PEM
    /// whatever the form.
    pub(super) fn new(
        algorithm: Algorithm,
        form: &KeyForm,
        secret: &Secret,
        nth: usize,
    ) -> Result<Self, AdmissionError> {
        let bytes = match pem(secret.expose()) {
            Some(bytes) => bytes,
            None => {
                let key = form.decode(secret).ok_or(AdmissionError::UndecodableKey { nth, form: form.name() })?;
                key.expose().to_vec()
            }
        };
        let unfit = || AdmissionError::UnfitKey { nth, algorithm: algorithm.to_string() };
        let verification = verification(algorithm).ok_or_else(unfit)?;
        ParsedPublicKey::new(verification, bytes).map(Self).map_err(|_| unfit())
    }

    /// A key in PEM for one algorithm of JSON Web Tokens, if it is one.
    pub(super) fn for_jwt(verification: &'static dyn VerificationAlgorithm, secret: &Secret) -> Option<Self> {
        ParsedPublicKey::new(verification, pem(secret.expose())?).map(Self).ok()
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn fits(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// The bytes of a signature that is written as text.
pub(super) fn decode(text: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
    let unpadded = || text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    match encoding {
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(text),
        Encoding::Base64 => BASE64_NOPAD.decode(unpadded()),
        Encoding::Base64Url => BASE64URL_NOPAD.decode(unpadded()),
    }
    .ok()
}

/// A signature as text.
pub(super) fn encode(signature: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => HEXLOWER.encode(signature),
        Encoding::Base64 => BASE64.encode(signature),
        Encoding::Base64Url => BASE64URL_NOPAD.encode(signature),
    }
}

/// Whether a secret is a public key in PEM rather than a text both sides share.
pub(super) fn is_pem(secret: &Secret) -> bool {
    secret.expose().trim_ascii_start().starts_with(b"-----BEGIN ")
}

/// The X.509 form of a public key in PEM, alone or in a certificate.
fn pem(text: &[u8]) -> Option<Vec<u8>> {
    if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(text) {
        return Some(key.to_vec());
    }
    let certificate = CertificateDer::from_pem_slice(text).ok()?;
    let certificate = webpki::EndEntityCert::try_from(&certificate).ok()?;
    Some(certificate.subject_public_key_info().to_vec())
}

fn verification(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::Ed25519 => &ED25519,
        Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
        Algorithm::RsaSha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
        _ => return None,
    })
}
