//! A thousand bodies of each size, no two alike, the same at every call.
//!
//! Real GitHub payloads, of which everything is changed that changes from one event to the next: ids, names, hashes,
//! numbers, texts, times ([`vary`]). Keys and the fixed parts of URLs stay, as they do in what GitHub sends.
//! Compression, caches and branch prediction find in them what they would find in real traffic, and no more.
//!
//! | size | made of | type |
//! |---|---|---|
//! | small, about 250 B | the members of `issues.opened` that a small event would have | `action` is the last member |
//! | medium, about 7.3 KB | `push`, `member.added`, `release.created` | no `action`, or the last member |
//! | large, about 105 KB | `push` with as many commits | no `action` |
//!
//! Where `action` is last or missing, a gateway that looks for it has to pass the whole body: no size flatters it.

mod vary;

use bytes::Bytes;
use clap::ValueEnum;

use self::vary::{Variation, compact, element};
use crate::load::Payload;

/// The sizes of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Size {
    /// About 250 B
    Small,
    /// About 7.3 KB
    Medium,
    /// About 105 KB
    Large,
}

impl Size {
    /// The size in words.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Size::Small => "250 B",
            Size::Medium => "7.3 KB",
            Size::Large => "105 KB",
        }
    }

    /// The bodies.
    pub(crate) fn payloads(self) -> Vec<Payload> {
        let bases = self.bases();
        (0..COUNT)
            .zip(bases.iter().cycle())
            .map(|(nth, base)| Payload { event_type: base.event_type.into(), body: Bytes::from(base.body(nth)) })
            .collect()
    }

    fn bases(self) -> Vec<Base> {
        match self {
            Size::Small => vec![Base::new("issues", SMALL)],
            Size::Medium => vec![
                Base::new("push", PUSH),
                Base::new("member", MEMBER),
                Base::new("push", PUSH_OF_ORGANIZATION),
                Base::new("release", RELEASE),
            ],
            Size::Large => {
                let mut base = Base::new("push", PUSH);
                base.repeated = element(&base.text, "commits");
                vec![base]
            }
        }
    }
}

/// Bodies of 1 KB: small ones, filled up with a text that is another in each.
pub(crate) fn kilobyte() -> Vec<Payload> {
    let fill = |(nth, payload): (u64, Payload)| {
        let mut rng = fastrand::Rng::with_seed(nth);
        let text = String::from_utf8_lossy(&payload.body).into_owned();
        let whole = text.strip_suffix('}').unwrap_or(&text);
        let mut body = format!("{whole},\"body\":\"");
        while body.len() < KILOBYTE - 2 {
            body.push(if rng.u8(..6) == 0 { ' ' } else { rng.lowercase() });
        }
        body += "\"}";
        Payload { body: Bytes::from(body), ..payload }
    };
    (0..).zip(Size::Small.payloads()).map(fill).collect()
}

const KILOBYTE: usize = 1024;

/// What bodies are variations of.
struct Base {
    event_type: &'static str,
    text: String,
    /// Where an array's element is that a body has many of.
    repeated: Option<std::ops::Range<usize>>,
}

impl Base {
    fn new(event_type: &'static str, text: &str) -> Self {
        let text = compact(text);
        let text = match action(&text) {
            Some((action, rest)) => format!("{{{rest},{action}}}"),
            None => text,
        };
        Self { event_type, text, repeated: None }
    }

    fn body(&self, nth: u64) -> Vec<u8> {
        let Some(range) = self.repeated.clone() else { return Variation::new(nth, 0).of(&self.text) };
        let (before, element, after) = (&self.text[..range.start], &self.text[range.clone()], &self.text[range.end..]);
        let whole = Variation::new(nth, 0);
        let mut body = whole.of(before);
        for at in 1.. {
            body.extend(Variation::new(nth, at).of(element));
            if body.len() + after.len() > LARGE - element.len() / 2 {
                break;
            }
            body.push(b',');
        }
        body.extend(whole.of(after));
        body
    }
}

/// The leading member `action`, and the other members.
fn action(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('{')?.strip_suffix('}')?.split_once(',').filter(|(first, _)| first.starts_with("\"action\":"))
}

/// Bodies of each size.
const COUNT: u64 = 1_000;

/// Bytes of a large body, give or take half a commit.
const LARGE: usize = 105_000;

const SMALL: &str = r#"{"action":"opened","issue":{"id":444500041,"number":142,"title":"Spelling error in the README file",
"user":{"login":"Codertocat","id":21031067},"created_at":"2019-05-15T15:20:18Z"},"repository":{"id":186853002,
"full_name":"Codertocat/Hello-World"}}"#;

const MEMBER: &str = include_str!("../../../tests/fixtures/github/member.added.json");

const PUSH: &str = include_str!("../../../tests/fixtures/github/push.json");

const PUSH_OF_ORGANIZATION: &str = include_str!("../../../tests/fixtures/github/push.with-organization.json");

const RELEASE: &str = include_str!("../../../tests/fixtures/github/release.created.json");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    const SIZES: [Size; 3] = [Size::Small, Size::Medium, Size::Large];

    #[test]
    fn every_size_has_a_thousand_bodies_no_two_alike() {
        for size in SIZES {
            let bodies: HashSet<Bytes> = size.payloads().into_iter().map(|payload| payload.body).collect();
            assert_eq!(bodies.len(), 1_000, "{}", size.label());
        }
    }

    #[test]
    fn they_are_json_of_about_the_size_they_are_called() {
        for (size, about) in SIZES.into_iter().zip([250, 7_300, 105_000]) {
            let payloads = size.payloads();
            let mean = payloads.iter().map(|payload| payload.body.len()).sum::<usize>() / payloads.len();
            assert!(mean.abs_diff(about) * 20 < about, "{}: {mean}", size.label());
            for payload in payloads.iter().step_by(97) {
                let text = String::from_utf8_lossy(&payload.body);
                serde_json::from_slice::<serde_json::Value>(&payload.body).unwrap_or_else(|e| panic!("{e}: {text}"));
            }
        }
    }

    #[test]
    fn the_same_bodies_come_every_time() {
        let bodies = || Size::Medium.payloads().into_iter().map(|payload| payload.body).collect::<Vec<_>>();
        assert_eq!(bodies(), bodies());
    }

    #[test]
    fn the_action_is_the_last_member_or_missing() {
        for size in SIZES {
            for payload in size.payloads().iter().take(10) {
                let text = std::str::from_utf8(&payload.body).unwrap();
                let at = text.find("\"action\":").map(|at| text.len() - at);
                assert!(at.is_none_or(|from_end| from_end < 40), "{text}");
            }
        }
    }

    /// Of runs of 24 bytes, those that another body has too are keys and the fixed parts of URLs.
    #[test]
    fn a_body_does_not_repeat_another() {
        for (size, most) in SIZES.into_iter().zip([0.35, 0.55, 0.35]) {
            let payloads = size.payloads();
            let (one, other) = (&payloads[0].body, &payloads[4].body);
            let runs: HashSet<&[u8]> = other.windows(24).collect();
            let shared = one.windows(24).filter(|run| runs.contains(run)).count() as f64 / one.len() as f64;
            assert!(shared < most, "{}: {shared}", size.label());
        }
    }
}
