//! Requests made before they are due: `head ‖ body`, whole HTTP/1.1, signed.
//!
//! ```text
//! POST /hooks/github HTTP/1.1␍␊host: …␍␊…x-github-delivery: ▒▒▒▒▒▒▒▒-…-▒▒▒▒▒▒▒▒▒▒▒▒␍␊␍␊ ‖ {"action":…
//!                                                           └── slot, Ids::WIDTH ──┘
//! ```
//! Where the id is in a header that no signature covers, a request is prepared once and only its slot changes from one
//! sending to the next. Everywhere else each request is signed by itself, ahead of time ([`super::supply`]).

use std::ops::Range;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use bytes::Bytes;

use super::id::{Ids, find_in_body, replaced};
use super::payloads::Payload;
use super::target::Target;
use crate::sign::{IdPlace, Signing};

/// A request, ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: [u8; Ids::WIDTH],
    pub(crate) head: Vec<u8>,
    pub(crate) body: Bytes,
}

/// A request that is sent again and again under other ids.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) request: Request,
    /// Where the id stands in the head; `None` where the preset has no id.
    pub(crate) slot: Option<Range<usize>>,
}

/// Makes requests out of payloads.
pub(crate) struct Press {
    signing: Signing,
    target: Target,
    payloads: Vec<Payload>,
    /// Where each payload has its id, for presets that have it in the body.
    ids: Vec<Option<Range<usize>>>,
}

impl Press {
    /// Looks for the ids in the payloads.
    pub(crate) fn new(signing: Signing, target: Target, payloads: Vec<Payload>) -> Self {
        let ids = payloads
            .iter()
            .map(|payload| match signing.id() {
                IdPlace::Body(pointer) => find_in_body(&payload.body, pointer),
                _ => None,
            })
            .collect();
        Self { signing, target, payloads, ids }
    }

    pub(crate) fn signing(&self) -> &Signing {
        &self.signing
    }

    pub(crate) fn payloads(&self) -> &[Payload] {
        &self.payloads
    }

    /// How many payloads have no id that could be made distinct.
    pub(crate) fn without_id(&self) -> usize {
        match self.signing.id() {
            IdPlace::Header(_) | IdPlace::SignedHeader => 0,
            IdPlace::Body(_) => self.ids.iter().filter(|id| id.is_none()).count(),
            IdPlace::None => self.payloads.len(),
        }
    }

    /// Whether a request may be sent again without signing it again.
    pub(crate) fn is_reusable(&self) -> bool {
        matches!(self.signing.id(), IdPlace::Header(_) | IdPlace::None) && self.signing.tolerance().is_none()
    }

    /// One template per payload.
    pub(crate) fn templates(&self, now: SystemTime) -> anyhow::Result<Vec<Template>> {
        let mark = [b'-'; Ids::WIDTH];
        (0..self.payloads.len())
            .map(|at| {
                let request = self.print(at, &mark, now).context("there is no such payload")?;
                let slot = request.head.windows(Ids::WIDTH).position(|window| window == mark);
                if let IdPlace::Header(name) = self.signing.id() {
                    ensure!(slot.is_some(), "the preset has its id in {name}, but that header was not written");
                }
                Ok(Template { request, slot: slot.map(|at| at..at + Ids::WIDTH) })
            })
            .collect()
    }

    /// Payload `nth`, counted round, signed now under this id.
    /// `None` if there are no payloads.
    pub(crate) fn print(&self, nth: usize, id: &[u8; Ids::WIDTH], now: SystemTime) -> Option<Request> {
        let at = nth.checked_rem(self.payloads.len())?;
        let payload = self.payloads.get(at)?;
        let body = match self.ids.get(at) {
            Some(Some(range)) => replaced(&payload.body, range, id).into(),
            _ => payload.body.clone(),
        };
        let text = std::str::from_utf8(id).unwrap_or_default();
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nuser-agent: hookgate-loadtest\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.target.path,
            self.target.authority,
            body.len()
        )
        .into_bytes();
        for (name, value) in self.signing.headers(&body, &payload.event_type, text, now) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Some(Request { id: *id, head, body })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn press(preset: &str, body: &'static str) -> Press {
        let target = Target {
            tls_host: None,
            address: ([127, 0, 0, 1], 80).into(),
            authority: "gateway:80".into(),
            path: "/hooks/x?y=z".into(),
        };
        let body = Bytes::from_static(body.as_bytes());
        let payloads = vec![Payload { event_type: "issues".into(), body }];
        Press::new(Signing::new(preset, b"c2VjcmV0".to_vec()).unwrap(), target, payloads)
    }

    #[test]
    fn a_template_is_a_whole_request_with_a_slot_for_its_id() {
        let press = press("github", r#"{"action":"opened"}"#);
        assert!(press.is_reusable());
        let templates = press.templates(SystemTime::UNIX_EPOCH).unwrap();
        let head = String::from_utf8(templates[0].request.head.clone()).unwrap();
        assert!(head.starts_with("POST /hooks/x?y=z HTTP/1.1\r\nhost: gateway:80\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\n") && head.contains("content-length: 19\r\n"), "{head}");
        assert!(head.contains("x-github-event: issues\r\n") && head.contains("x-hub-signature-256: sha256="), "{head}");
        let slot = templates[0].slot.clone().unwrap();
        assert!(head[..slot.start].ends_with("x-github-delivery: ") && head[slot.end..].starts_with("\r\n"), "{head}");
    }

    #[test]
    fn the_signature_does_not_depend_on_the_id() {
        let press = press("github", "{}");
        let now = SystemTime::UNIX_EPOCH;
        let signature = |id: &[u8; Ids::WIDTH]| {
            let head = String::from_utf8(press.print(0, id, now).unwrap().head).unwrap();
            head.lines().find(|line| line.starts_with("x-hub-signature-256")).unwrap().to_owned()
        };
        assert_eq!(signature(&[b'a'; Ids::WIDTH]), signature(&[b'b'; Ids::WIDTH]));
    }

    #[test]
    fn an_id_in_the_body_is_made_distinct_and_signed_each_time() {
        let press = press("stripe", r#"{"data":{"id":"evt_1"},"id":"evt_1"}"#);
        assert!(!press.is_reusable());
        assert_eq!(press.without_id(), 0);
        let id = [b'a'; Ids::WIDTH];
        let request = press.print(0, &id, SystemTime::UNIX_EPOCH).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&body["data"]["id"], body["id"].as_str()), (&"evt_1".into(), std::str::from_utf8(&id).ok()));
        let other = press.print(0, &[b'b'; Ids::WIDTH], SystemTime::UNIX_EPOCH).unwrap();
        assert_ne!(request.head, other.head, "the signature covers the id");
    }

    #[test]
    fn a_signed_id_is_not_patched() {
        assert!(!press("standard-webhooks", "{}").is_reusable());
        assert!(press("shopify", "{}").is_reusable());
    }
}
