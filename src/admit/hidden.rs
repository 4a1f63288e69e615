//! Which headers of a request hold credentials, for whoever keeps a request that was refused: what is removed must not be
//! found on the disk, and what is left must be enough to verify a signature again.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::{Admission, ProviderProof};
use crate::config::{Scheme, SignaturePlace, SignedPart, StampPlace};

/// Parts of names of headers that hold credentials by whatever scheme: a source that is configured with the wrong one is
/// sent the others too.
const TELLING: [&str; 11] = [
    "auth-key",
    "authorization",
    "access-key",
    "api-key",
    "apikey",
    "cookie",
    "credential",
    "passwd",
    "password",
    "secret",
    "token",
];

impl Admission {
    /// Whether a header is a credential, or may be one by its name. A signature is none: it proves one body.
    pub(crate) fn hides(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        if self.credentials.key_header() == Some(name) {
            return true;
        }
        match &self.proof {
            Some(ProviderProof::Signature(signature)) if is_of_scheme(name, &signature.scheme) => {
                // Some sign in `Authorization`; what is no signature there is something else.
                *name == AUTHORIZATION && is_login(value)
            }
            Some(ProviderProof::Jwt(jwt)) if jwt.header() == name => !jwt.is_signature(),
            Some(ProviderProof::Token(token)) => token.header() == Some(name) || is_telling(name),
            Some(ProviderProof::Signature(_) | ProviderProof::Jwt(_)) | None => is_telling(name),
        }
    }

    /// Whether the source's credential is in the bodies that are sent to it.
    pub(crate) fn has_credential_in_body(&self) -> bool {
        matches!(&self.proof, Some(ProviderProof::Token(token)) if token.header().is_none())
    }

    /// Whether what proves a sender is a signature that stays with a request when its credentials are removed.
    pub(crate) fn verifies_signature(&self) -> bool {
        match &self.proof {
            Some(ProviderProof::Signature(_)) => true,
            Some(ProviderProof::Jwt(jwt)) => jwt.is_signature(),
            Some(ProviderProof::Token(_)) | None => false,
        }
    }
}

fn is_telling(name: &HeaderName) -> bool {
    TELLING.iter().any(|part| name.as_str().contains(part))
}

fn is_login(value: &HeaderValue) -> bool {
    let scheme = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    [&b"basic"[..], b"bearer", b"digest"].iter().any(|login| scheme.eq_ignore_ascii_case(login))
}

/// Whether a scheme signs with this header, or signs it.
fn is_of_scheme(name: &HeaderName, scheme: &Scheme) -> bool {
    let places = match &scheme.place {
        SignaturePlace::Headers(names) => names.as_slice(),
        SignaturePlace::Json(_) => &[],
    };
    let signs = |part: &SignedPart| match part {
        SignedPart::Header(signed) | SignedPart::ListedHeaders(signed) => signed == name,
        _ => false,
    };
    places.contains(name)
        || matches!(scheme.timestamp.as_ref().map(|stamp| &stamp.place), Some(StampPlace::Header(stamp)) if stamp == name)
        || scheme.signed.iter().any(signs)
        || scheme.key_id.as_ref() == Some(name)
        || scheme.expects.iter().any(|(expected, _)| expected == name)
}
