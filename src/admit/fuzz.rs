//! What must hold of any request that comes to a source: nobody who knows no secret of it is let in. `fuzz_signed.rs` has those
//! that know one.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Uri};

use super::{Admission, Leniency};
use crate::config::{Algorithm, ApiKey, Auth, BasicAuth, Encoding, Proof, ProofAuth, Secret, Secrets, presets};

/// Text, hexadecimal and base64 at once, and in no corpus.
const SECRET: &str = "c3a55cdb1fb10fd9be6f3b1f4c1a6f0f6d1d7c3a55cdb1fb10fd9be6f3b1f4c1";

/// Public keys whose private ones nobody has kept.
const ED25519: &str = include_str!("../../fuzz/keys/ed25519.pem");
const ECDSA: &str = include_str!("../../fuzz/keys/ecdsa-p256.pem");
const RSA: &str = include_str!("../../fuzz/keys/rsa.pem");

/// One for each preset that proves something, and one for each kind of credential.
static SOURCES: LazyLock<Vec<(String, Admission)>> = LazyLock::new(|| {
    let mut sources = Vec::new();
    for preset in presets() {
        let key = match &preset.proof {
            Proof::Own => continue,
            Proof::Signature(scheme) => match scheme.algorithm {
                Algorithm::Ed25519 => ED25519,
                Algorithm::EcdsaP256 => ECDSA,
                Algorithm::RsaSha1 | Algorithm::RsaSha256 => RSA,
                _ => SECRET,
            },
            Proof::Token(_) | Proof::Jwt(_) => SECRET,
        };
        sources.push((preset.name.clone(), proven_by(&preset.proof, key)));
        if matches!(preset.proof, Proof::Jwt(_)) {
            for (name, key) in [("ed25519", ED25519), ("ecdsa", ECDSA), ("rsa", RSA)] {
                sources.push((format!("{}-{name}", preset.name), proven_by(&preset.proof, key)));
            }
        }
    }
    let secret = || vec![Secret::new(SECRET)];
    let basic = |url_parameter: Option<&str>| {
        let user = "user".to_owned();
        Some(BasicAuth { user, passwords: secret(), url_parameter: url_parameter.map(ToOwned::to_owned) })
    };
    for (name, auth) in [
        ("basic", Auth { basic: basic(None), ..Auth::default() }),
        ("basic-in-url", Auth { basic: basic(Some("auth")), ..Auth::default() }),
        (
            "api-key",
            Auth {
                api_key: Some(ApiKey { header: HeaderName::from_static("x-api-key"), keys: secret() }),
                ..Auth::default()
            },
        ),
        ("bearer", Auth { bearer: secret(), ..Auth::default() }),
    ] {
        sources.push((name.to_owned(), Admission::new(&auth).expect("a credential")));
    }
    sources
});

fn proven_by(proof: &Proof, key: &str) -> Admission {
    let proof = ProofAuth {
        proof: proof.clone(),
        secrets: Secrets::Of(vec![Secret::new(key)]),
        public_url: Some("https://hooks.example.com".to_owned()),
        key_id: Some("key-1".to_owned()),
    };
    Admission::new(&Auth { proof: Some(proof), ..Auth::default() }).expect("a preset and a key of it")
}

/// A request as HTTP/1.1 has it, but for its first line, which names a source and a target. It is refused, however old it may
/// be.
pub(crate) fn admission(data: &[u8]) {
    let Some((name, parts, body)) = request(data) else { return };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let any_age = Leniency { any_age: true, ..Leniency::default() };
    for (source, admission) in SOURCES.iter().filter(|(source, _)| source.as_bytes() == name) {
        for verdict in [
            admission.head(&parts, None, now),
            admission.head_again(&parts, None, now, any_age),
            admission.head_again(&parts, Some("tenant"), now, any_age),
        ] {
            let Ok(mut check) = verdict else { continue };
            check.advance(body.get(..body.len() / 2).unwrap_or_default());
            assert!(check.finish(body).is_err(), "{source} lets it in");
        }
        let _ = admission.public_target(&parts.uri);
        let _ = admission.mac(None, body, Encoding::Hex, now);
        assert!(!admission.knows_verify_token(body, now), "{source} knows it");
    }
    super::fuzz_signed::only_what_is_signed_is_let_in(name, body);
}

/// Lines of a source in a configuration, an empty one, and a body.
pub(crate) fn scheme(data: &[u8]) {
    let Some((lines, body)) = described(data) else { return };
    super::fuzz_signed::only_what_is_signed_as_described_is_let_in(lines, body);
}

pub(super) fn described(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memmem::find(data, b"\n\n")?;
    Some((std::str::from_utf8(data.get(..end)?).ok()?, data.get(end + 2..)?))
}

fn request(data: &[u8]) -> Option<(&[u8], Parts, &[u8])> {
    let (first, mut rest) = line(data)?;
    let space = memchr::memchr(b' ', first)?;
    let (name, target) = first.split_at_checked(space)?;
    let uri = Uri::try_from(target.trim_ascii()).ok()?;
    let mut parts = Request::post(uri).body(()).ok()?.into_parts().0;
    loop {
        let (header, behind) = line(rest)?;
        rest = behind;
        if header.is_empty() {
            return Some((name, parts, rest));
        }
        let Some(colon) = memchr::memchr(b':', header) else { continue };
        let (name, value) = (header.get(..colon)?, header.get(colon + 1..)?);
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) else {
            continue;
        };
        parts.headers.append(name, value);
    }
}

fn line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', data)?;
    Some((data.get(..end)?, data.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    /// A request that is refused for its form would not be looked into.
    #[test]
    fn every_source_has_a_request_in_the_corpus_that_comes_as_far_as_its_secret() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/admission");
        let files = std::fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("a file").path());
        let corpus: Vec<Vec<u8>> = files.map(|file| std::fs::read(file).expect("a file")).collect();
        let any_age = Leniency { any_age: true, ..Leniency::default() };
        let shallow: Vec<&str> = SOURCES
            .iter()
            .filter(|(source, admission)| {
                !corpus.iter().filter_map(|data| request(data)).any(|(name, parts, body)| {
                    let verdict = admission.head_again(&parts, None, SystemTime::UNIX_EPOCH, any_age);
                    let verdict = verdict.and_then(|mut check| check.finish(body));
                    name == source.as_bytes()
                        && matches!(verdict, Err(Refusal::WrongSignature | Refusal::WrongCredentials))
                })
            })
            .map(|(source, _)| source.as_str())
            .collect();
        assert!(shallow.is_empty(), "{shallow:?}");
    }
}
