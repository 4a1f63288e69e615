//! What the room promises, through its handle alone.

#![allow(clippy::unwrap_used)]

mod again;

mod constructed;

mod credentials;

mod rotation;

mod round_trip;

mod schemes;

mod signatures;

mod vectors;

pub(super) mod work;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};

use super::Admission;
use crate::config::{Auth, Proof, ProofAuth, Scheme, Secret, Secrets};
use crate::refusal::Refusal;

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(*text)).collect()
}

fn signed_with(scheme: &Scheme, texts: &[&str]) -> Auth {
    proven_by(Proof::Signature(Box::new(scheme.clone())), texts)
}

fn proven_by(proof: Proof, texts: &[&str]) -> Auth {
    let proof = ProofAuth { proof, secrets: Secrets::Of(secrets(texts)), public_url: None, key_id: None };
    Auth { proof: Some(proof), ..Auth::default() }
}

fn request<'a>(target: &str, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Parts {
    let mut request = Request::post(target);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn request_with(headers: &[(HeaderName, HeaderValue)]) -> Parts {
    let mut parts = request("/hooks", []);
    for (name, value) in headers {
        parts.headers.append(name, value.clone());
    }
    parts
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The verdict on a request whose body arrives in these frames.
fn verdict(admission: &Admission, parts: &Parts, frames: &[&[u8]], now: SystemTime) -> Result<(), Refusal> {
    let mut check = admission.head(parts, None, now)?;
    let mut so_far = Vec::new();
    for frame in frames {
        so_far.extend_from_slice(frame);
        check.advance(&so_far);
    }
    check.finish(&frames.concat())
}
