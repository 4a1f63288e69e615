//! What must hold of a request that is signed as it should be: it is let in, and nothing else that comes of it.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Uri};
use serde_json::json;

use super::sign::SenderProof;
use super::{Admission, Leniency, Message, Signer};
use crate::config::{
    Auth, Covers, Pointer, Preset, Proof, ProofAuth, Secret, Secrets, SignaturePlace, SignedPart, StampPlace,
    TokenPlace, presets,
};

/// Text, hexadecimal and base64 at once, as is the other, which the receiver does not know.
const SECRET: &str = "7d0f1b94c2aa40c6b8a1f3de5c6b7a897d0f1b94c2aa40c6b8a1f3de5c6b7a89";
const OTHER: &str = "7d0f1b94c2aa40c6b8a1f3de5c6b7a897d0f1b94c2aa40c6b8a1f3de5c6b7a88";

const URL: &str = "https://hooks.example.com/in?a=1&b=2";

/// A provider that shares a secret with its receiver, and that receiver.
struct Pair {
    preset: Preset,
    signer: Signer,
    other: Signer,
    receiver: Admission,
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let shares_a_secret = |preset: &&Preset| match &preset.proof {
        Proof::Signature(scheme) => scheme.algorithm.is_mac(),
        Proof::Token(_) | Proof::Jwt(_) => true,
        Proof::Own => false,
    };
    presets().iter().filter(shares_a_secret).map(Pair::of).collect()
});

/// The preset of this name is sent a body, and what comes of it by one change. Schemes that say where things are in the body
/// cannot sign every body, and then another one is sent.
pub(super) fn only_what_is_signed_is_let_in(name: &[u8], body: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let Some(pair) = PAIRS.iter().find(|pair| pair.preset.name.as_bytes() == name) else { return };
    let sent = Pair::sign(&pair.signer, body, now).filter(|(parts, body)| pair.lets_in(parts, body, now));
    let (parts, body) = match sent {
        Some(sent) => sent,
        None => {
            assert!(!pair.can_sign_any_body(), "{} is not let in", pair.preset.name);
            let sent = Pair::sign(&pair.signer, &pair.plain_body(), now).expect("a body with all its places");
            assert!(pair.lets_in(&sent.0, &sent.1, now), "{} is not let in", pair.preset.name);
            sent
        }
    };
    pair.assert_that_nothing_else_is_let_in(&parts, &body, now);
}

/// A source whose scheme these lines describe is sent a body, and what comes of it by one change. Whether there was one that it
/// has let in: not every scheme can sign every body, and some name headers that this sender does not send.
pub(super) fn only_what_is_signed_as_described_is_let_in(lines: &str, body: &[u8]) -> bool {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let Some(proof) = crate::config::fuzz::proof(lines) else { return false };
    if matches!(&proof, Proof::Signature(scheme) if !scheme.algorithm.is_mac()) {
        return false;
    }
    let Some(plain) = presets().first() else { return false };
    let Some(pair) = Pair::try_of(&Preset { name: "described".to_owned(), proof, ..plain.clone() }) else {
        return false;
    };
    let sent = Pair::sign(&pair.signer, body, now).filter(|(parts, body)| pair.lets_in(parts, body, now));
    let Some((parts, body)) = sent else { return false };
    pair.assert_that_nothing_else_is_let_in(&parts, &body, now);
    true
}

const DAY: Duration = Duration::from_hours(24);

impl Pair {
    fn assert_that_nothing_else_is_let_in(&self, parts: &Parts, body: &[u8], now: SystemTime) {
        let refused = |what: &str, parts: &Parts, body: &[u8], now| {
            assert!(
                !self.lets_in(parts, body, now),
                "{} lets in what is {what}: {:?}",
                self.preset.name,
                parts.headers
            );
        };
        let at = body.iter().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        for (what, parts) in self.with_a_wrong_signature(parts, at) {
            refused(what, &parts, body, now);
        }
        for name in self.needed_headers() {
            let mut parts = parts.clone();
            parts.headers.remove(name);
            refused("without a header", &parts, body, now);
        }
        let (by_other, other_body) = Pair::sign(&self.other, body, now).expect("a body that was signed before");
        refused("signed with another secret", &by_other, &other_body, now);
        for now in self.other_times(now) {
            refused("of another time", parts, body, now);
        }
        if self.covers_bytes() {
            for body in changed_bodies(body, at) {
                refused("signed for another body", parts, &body, now);
            }
        }
        assert!(self.judges(parts, body, now + DAY, true), "{}: its age does not matter", self.preset.name);
    }

    fn of(preset: &Preset) -> Self {
        Self::try_of(preset).expect("a secret of it")
    }

    /// `None` if the secret is none of this scheme.
    fn try_of(preset: &Preset) -> Option<Self> {
        let url: Uri = URL.parse().expect("a URL");
        let signer = |secret| {
            let signer = Signer::preset(preset, &Secret::new(secret)).ok()?;
            Some(signer.posting_to(&url).with_key_id("key-1"))
        };
        let proof = ProofAuth {
            proof: preset.proof.clone(),
            secrets: Secrets::Of(vec![Secret::new(SECRET)]),
            public_url: Some("https://hooks.example.com".to_owned()),
            key_id: Some("key-1".to_owned()),
        };
        let receiver = Admission::new(&Auth { proof: Some(proof), ..Auth::default() }).ok()?;
        Some(Self { preset: preset.clone(), signer: signer(SECRET)?, other: signer(OTHER)?, receiver })
    }

    /// `None` if the body has no place for what the provider puts into it.
    fn sign(signer: &Signer, body: &[u8], now: SystemTime) -> Option<(Parts, Vec<u8>)> {
        let message = Message { body, event_type: Some("a.b"), id: "msg_1", now };
        let body = signer.body(&message).ok()?.unwrap_or_else(|| body.to_vec());
        let mut request = Request::post(URL).header(CONTENT_TYPE, signer.content_type());
        for (name, value) in signer.headers(&Message { body: &body, ..message }) {
            request = request.header(name, value);
        }
        Some((request.body(()).ok()?.into_parts().0, body))
    }

    fn lets_in(&self, parts: &Parts, body: &[u8], now: SystemTime) -> bool {
        self.judges(parts, body, now, false)
    }

    fn judges(&self, parts: &Parts, body: &[u8], now: SystemTime, any_age: bool) -> bool {
        let leniency = Leniency { any_age, ..Leniency::default() };
        let head = if any_age {
            self.receiver.head_again(parts, None, now, leniency)
        } else {
            self.receiver.head(parts, None, now)
        };
        let Ok(mut check) = head else { return false };
        check.advance(body.get(..body.len() / 2).unwrap_or_default());
        check.finish(body).is_ok()
    }

    /// Whether any other bytes in the body are another message.
    fn covers_bytes(&self) -> bool {
        match &self.preset.proof {
            Proof::Signature(scheme) => {
                scheme.covers == Covers::Body && scheme.signed.contains(&SignedPart::Body) && scheme.each.is_none()
            }
            Proof::Jwt(jwt) => jwt.body_hash.is_some(),
            Proof::Token(_) | Proof::Own => false,
        }
    }

    fn can_sign_any_body(&self) -> bool {
        let is_beside_it = !matches!(&self.preset.proof, Proof::Signature(scheme) if {
            let stamp = scheme.timestamp.as_ref().map(|stamp| &stamp.place);
            matches!(scheme.place, SignaturePlace::Json(_)) || matches!(stamp, Some(StampPlace::Json(_)))
        });
        self.covers_bytes() && is_beside_it
    }

    /// One in which every scheme finds its places.
    fn plain_body(&self) -> Vec<u8> {
        if self.signer.content_type().ends_with("urlencoded") {
            return b"b=2&a=1".to_vec();
        }
        let each: Option<&Pointer> = match &self.preset.proof {
            Proof::Signature(scheme) => scheme.each.as_ref(),
            Proof::Token(TokenPlace::Json { each, .. }) => each.as_ref(),
            _ => None,
        };
        let list = |each: &Pointer| each.0.iter().rev().fold(json!([{}]), |value, segment| json!({ segment: value }));
        each.map_or_else(|| json!({ "a": 1 }), list).to_string().into_bytes()
    }

    /// The header with the proof, if it is in one.
    fn proof_header(&self) -> Option<&HeaderName> {
        match &self.preset.proof {
            Proof::Signature(scheme) => match &scheme.place {
                SignaturePlace::Headers(names) => names.first(),
                SignaturePlace::Json(_) => None,
            },
            Proof::Token(TokenPlace::Header(name)) => Some(name),
            Proof::Jwt(jwt) => Some(&jwt.header),
            Proof::Token(TokenPlace::Json { .. }) | Proof::Own => None,
        }
    }

    /// Those of which none may be missing.
    fn needed_headers(&self) -> Vec<&HeaderName> {
        let mut names: Vec<&HeaderName> = self.proof_header().into_iter().collect();
        if let SenderProof::Signature(signature, _) = &self.signer.proof {
            names.extend(signature.scheme.signed.iter().filter_map(|part| match part {
                SignedPart::Header(name) => Some(name),
                _ => None,
            }));
            names.extend(match self.signer.stamp_place() {
                Some(StampPlace::Header(name)) => Some(name),
                _ => None,
            });
        }
        names
    }

    /// Cut off, with more behind it, and with another character where the input says; never so near to the end that base64 may
    /// not notice.
    fn with_a_wrong_signature(&self, parts: &Parts, at: usize) -> Vec<(&'static str, Parts)> {
        let Some(name) = self.proof_header() else { return Vec::new() };
        let text = parts.headers.get(name).expect("the signature").as_bytes();
        let at = at % (text.len() - 4);
        let (ahead, behind) = text.split_at(at);
        let other = if behind.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'b')) { b'c' } else { b'b' };
        let rows = [
            ("cut off", ahead.to_vec()),
            ("cut off near its end", text[..text.len() - 4].to_vec()),
            ("too long", [text, b"AAAA"].concat()),
            ("changed", [ahead, &[other], behind.get(1..).unwrap_or_default()].concat()),
        ];
        let with = |value: Vec<u8>| {
            let mut parts = parts.clone();
            parts.headers.insert(name, HeaderValue::from_bytes(&value).expect("a part of a value"));
            parts
        };
        rows.into_iter().map(|(what, value)| (what, with(value))).collect()
    }

    /// Just outside of what is tolerated.
    fn other_times(&self, now: SystemTime) -> Vec<SystemTime> {
        match &self.preset.proof {
            Proof::Signature(scheme) => match &scheme.timestamp {
                Some(stamp) => {
                    let far = stamp.tolerance.saturating_add(Duration::from_secs(2));
                    [now.checked_add(far), now.checked_sub(far)].into_iter().flatten().collect()
                }
                None => Vec::new(),
            },
            Proof::Jwt(_) => vec![now + DAY],
            Proof::Token(_) | Proof::Own => Vec::new(),
        }
    }
}

fn changed_bodies(body: &[u8], at: usize) -> Vec<Vec<u8>> {
    let mut bodies = vec![[body, b"\0"].concat()];
    if let Some((_, shorter)) = body.split_last() {
        let mut changed = body.to_vec();
        changed[at % body.len()] ^= 1 << (at / 7 % 8);
        bodies.extend([shorter.to_vec(), changed]);
    }
    bodies
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not let in at all would not be looked into.
    #[test]
    fn every_scheme_in_the_corpus_lets_in_what_is_signed_as_it_says() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/scheme");
        let mut schemes = 0;
        for entry in std::fs::read_dir(folder).expect("a corpus") {
            let path = entry.expect("a file").path();
            let data = std::fs::read(&path).expect("a file");
            let (lines, body) = super::super::fuzz::described(&data).expect("lines and a body");
            assert!(only_what_is_signed_as_described_is_let_in(lines, body), "{}", path.display());
            schemes += 1;
        }
        assert!(schemes >= 8, "{schemes}");
    }
}
