//! What a [`Signer`] signs is admitted, however it arrives; and nothing else is.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::{Message, Signer};
use super::{Admission, Refusal, at, request_with, schemes, secrets, signed_with, verdict};
use crate::config::{Locator, Place, Pointer, Preset, Proof, Scheme};

const NOW: u64 = 1_700_000_000;
/// Text, base64 and hexadecimal at once.
const SECRET: &str = "0123456789abcdef";

/// Five schemes of providers and one of none.
fn every_scheme() -> impl Iterator<Item = Scheme> {
    schemes::all().into_iter().map(|(_, scheme)| scheme).chain([schemes::everything_else()])
}

fn sign(scheme: &Scheme, body: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
    let signer = Signer::new(scheme, &secrets(&[SECRET])[0]).unwrap();
    signer.headers(&Message { body, event_type: None, id: "msg_1", now: at(NOW) })
}

/// Of a source that is rotating its secret.
fn admission(scheme: &Scheme) -> Admission {
    Admission::new(&signed_with(scheme, &["fedcba9876543210", SECRET])).unwrap()
}

#[test]
fn a_signed_body_is_admitted_however_it_is_cut() {
    let body = br#"{"type":"invoice.paid","id":"evt_1"}"#;
    for scheme in every_scheme() {
        let (admission, parts) = (admission(&scheme), request_with(&sign(&scheme, body)));
        for cut in 0..=body.len() {
            let (first, rest) = body.split_at(cut);
            assert_eq!(
                verdict(&admission, &parts, &[first, rest], at(NOW)),
                Ok(()),
                "{} at {cut}",
                schemes::header_of(&scheme)
            );
        }
        let bytes: Vec<_> = body.chunks(1).collect();
        assert_eq!(verdict(&admission, &parts, &bytes, at(NOW)), Ok(()), "{}", schemes::header_of(&scheme));
    }
}

#[test]
fn an_empty_body_can_be_signed() {
    for scheme in every_scheme() {
        let parts = request_with(&sign(&scheme, b""));
        assert_eq!(verdict(&admission(&scheme), &parts, &[], at(NOW)), Ok(()), "{}", schemes::header_of(&scheme));
        assert_eq!(
            verdict(&admission(&scheme), &parts, &[b"x"], at(NOW)),
            Err(Refusal::WrongSignature),
            "{}",
            schemes::header_of(&scheme)
        );
    }
}

#[test]
fn every_flipped_bit_of_the_signature_header_is_refused() {
    for scheme in every_scheme() {
        let (admission, headers) = (admission(&scheme), sign(&scheme, b"body"));
        let (_, signature) = headers.iter().find(|(name, _)| *name == schemes::header_of(&scheme)).unwrap();
        // Without 0x20, the case of a letter, which says nothing in hexadecimal.
        for (place, bit) in (0..signature.len()).flat_map(|place| [1, 2, 4, 8, 16, 64, 128].map(|bit| (place, bit))) {
            let mut bytes = signature.as_bytes().to_vec();
            bytes[place] ^= bit;
            let Ok(changed) = HeaderValue::from_bytes(&bytes) else { continue };
            let mut parts = request_with(&headers);
            parts.headers.insert(schemes::header_of(&scheme).clone(), changed.clone());
            assert!(
                verdict(&admission, &parts, &[b"body"], at(NOW)).is_err(),
                "{}: {changed:?}",
                schemes::header_of(&scheme)
            );
        }
    }
}

#[test]
fn a_change_to_any_signed_header_is_refused() {
    for (scheme, header, value) in [
        (schemes::standard_webhooks(), "webhook-id", "msg_2"),
        (schemes::standard_webhooks(), "webhook-timestamp", "1700000001"),
        (schemes::slack(), "x-slack-request-timestamp", "1700000001"),
        (schemes::everything_else(), "x-id", "msg_2"),
        (schemes::everything_else(), "x-sent", "1700000000001"),
    ] {
        let mut parts = request_with(&sign(&scheme, b"body"));
        assert!(parts.headers.insert(header, HeaderValue::from_static(value)).is_some(), "{header} is sent");
        assert_eq!(verdict(&admission(&scheme), &parts, &[b"body"], at(NOW)), Err(Refusal::WrongSignature), "{header}");
    }
}

#[test]
fn a_preset_says_type_and_id_where_the_provider_does() {
    let header = |name, append: bool| Locator {
        place: Place::Header(HeaderName::from_static(name)),
        append: append.then(|| Pointer(vec!["action".into()])),
    };
    let preset = Preset {
        name: "github".into(),
        provider: "GitHub".into(),
        proof: Proof::Signature(Box::new(schemes::github())),
        event_type: vec![header("x-github-event", true)],
        delivery_id: vec![header("x-github-delivery", false)],
        split: None,
        cloudevents: false,
        handshakes: Vec::new(),
        reply: None,
        refuse: crate::config::RefuseConfig::default(),
        deadline: std::time::Duration::from_secs(9),
        duplicates: crate::config::DuplicatesConfig::DEFAULT,
        waits: String::new(),
        stops: String::new(),
        types: Vec::new(),
        note: String::new(),
        document: String::new(),
    };
    let signer = Signer::preset(&preset, &secrets(&[SECRET])[0]).unwrap();
    let message = Message { body: b"{}", event_type: Some("issues.opened"), id: "72d3162e", now: at(NOW) };
    let headers = request_with(&signer.headers(&message)).headers;
    assert_eq!(headers["x-github-event"], "issues");
    assert_eq!(headers["x-github-delivery"], "72d3162e");
    assert_eq!(headers.len(), 3);

    let unfit = Message { id: "line\nbreak", event_type: Some("line\nbreak.x"), ..message };
    assert_eq!(signer.headers(&unfit).len(), 1, "what cannot stand in a header is left out");
}

#[test]
fn a_signed_header_that_is_also_the_ids_is_sent_once() {
    let id = Locator { place: Place::Header(HeaderName::from_static("webhook-id")), append: None };
    let preset = Preset {
        name: "standard-webhooks".into(),
        provider: "Standard Webhooks".into(),
        proof: Proof::Signature(Box::new(schemes::standard_webhooks())),
        event_type: vec![Locator { place: Place::Json(Pointer(vec!["type".into()])), append: None }],
        delivery_id: vec![id],
        split: None,
        cloudevents: false,
        handshakes: Vec::new(),
        reply: None,
        refuse: crate::config::RefuseConfig::default(),
        deadline: std::time::Duration::from_secs(14),
        duplicates: crate::config::DuplicatesConfig::DEFAULT,
        waits: String::new(),
        stops: String::new(),
        types: Vec::new(),
        note: String::new(),
        document: String::new(),
    };
    let signer = Signer::preset(&preset, &secrets(&[SECRET])[0]).unwrap();
    let headers = signer.headers(&Message { body: b"{}", event_type: Some("a.b"), id: "msg_1", now: at(NOW) });
    assert_eq!(headers.len(), 3);
    assert_eq!(verdict(&admission(&schemes::standard_webhooks()), &request_with(&headers), &[b"{}"], at(NOW)), Ok(()));
}

#[test]
fn a_signer_does_not_print_its_key() {
    let signer = Signer::new(&schemes::github(), &secrets(&[SECRET])[0]).unwrap();
    assert!(!format!("{signer:?}").contains(SECRET));
}

proptest! {
    #[test]
    fn any_body_in_any_frames_is_admitted_and_any_flipped_byte_refused(
        body in proptest::collection::vec(any::<u8>(), 1..300),
        frame in 1_usize..80,
        flipped in any::<prop::sample::Index>(),
        by in 1_u8..,
    ) {
        for scheme in every_scheme() {
            let (admission, parts) = (admission(&scheme), request_with(&sign(&scheme, &body)));
            let frames: Vec<_> = body.chunks(frame).collect();
            prop_assert_eq!(verdict(&admission, &parts, &frames, at(NOW)), Ok(()));

            let mut changed = body.clone();
            changed[flipped.index(body.len())] ^= by;
            let frames: Vec<_> = changed.chunks(frame).collect();
            prop_assert_eq!(verdict(&admission, &parts, &frames, at(NOW)), Err(Refusal::WrongSignature));
        }
    }

    #[test]
    fn no_header_and_no_query_is_a_panic(
        signature in header_text(),
        other in header_text(),
        query in "[a-z%&=+;?0-9_~!/-]{0,60}",
    ) {
        let target = format!("/hooks?{query}&boomi_auth={query}");
        for scheme in every_scheme() {
            let mut parts = super::request(&target, []);
            for name in ["authorization", "webhook-id", "webhook-timestamp", "x-slack-request-timestamp", "x-id", "x-sent"] {
                parts.headers.insert(name, other.clone());
            }
            parts.headers.insert(schemes::header_of(&scheme).clone(), signature.clone());
            prop_assert!(verdict(&admission(&scheme), &parts, &[b"body"], at(NOW)).is_err());
            let basic = super::credentials::basic();
            let admission = Admission::new(&basic).unwrap();
            prop_assert!(verdict(&admission, &parts, &[], at(NOW)).is_err());
            let public = admission.public_target(&parts.uri);
            prop_assert!(!public.contains("boomi_auth="), "{}", public);
        }
    }
}

/// Any bytes that can stand in a header, often the beginning of something right.
fn header_text() -> impl Strategy<Value = HeaderValue> {
    let prefix = prop_oneof![
        Just(""),
        Just("sha256="),
        Just("v0="),
        Just("v1,"),
        Just("t=1700000000,v1="),
        Just("1700000000"),
        Just("Basic "),
    ];
    let bytes = proptest::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..], 0..120);
    (prefix, bytes).prop_map(|(prefix, bytes)| HeaderValue::from_bytes(&[prefix.as_bytes(), &bytes].concat()).unwrap())
}
