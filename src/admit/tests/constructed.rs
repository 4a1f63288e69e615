//! Presets of providers that publish no vector: requests as their documents construct them, by code of its own.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{Admission, Refusal, at, request, secrets, verdict};
use crate::config::{Auth, ProofAuth, Secrets, preset};

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "5ec2e7";
const BODY: &str = r#"{"type":"a.b","id":"1","action":"made"}"#;

/// A request that must be accepted, and what of it may be changed to have it refused.
struct Case {
    preset: &'static str,
    target: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
    secret: String,
}

impl Case {
    fn new<const N: usize>(preset: &'static str, headers: [(&'static str, String); N]) -> Self {
        let headers = headers.into_iter().collect();
        Self { preset, target: "/hooks", headers, body: BODY.to_owned(), secret: SECRET.to_owned() }
    }

    fn verdict(&self, secret: &str) -> Result<(), Refusal> {
        let row = preset(self.preset).unwrap();
        let proof = ProofAuth {
            proof: row.proof.clone(),
            secrets: Secrets::Of(secrets(&[secret])),
            public_url: Some("https://hooks.example.com".to_owned()),
            key_id: Some("WH-1".to_owned()),
        };
        let admission = Admission::new(&Auth { proof: Some(proof), ..Auth::default() }).unwrap();
        let headers = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        verdict(&admission, &request(self.target, headers), &[self.body.as_bytes()], at(NOW))
    }
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    cases().into_iter().map(|case| case.preset)
}

#[test]
fn what_is_constructed_as_documented_is_accepted_and_nothing_else() {
    for case in cases() {
        assert_eq!(case.verdict(&case.secret), Ok(()), "{}", case.preset);
        // PayPal's CRC-32 tells this change, and not every change.
        let tells = case.preset == "paypal" || preset(case.preset).unwrap().proof.covers_body();
        let changed = Case { body: case.body.replacen("a.b", "a.c", 1), ..case };
        assert_eq!(changed.verdict(&changed.secret).is_err(), tells, "{}: another body", changed.preset);
        let original = Case { body: changed.body.replacen("a.c", "a.b", 1), ..changed };
        if !original.secret.starts_with("-----") && original.preset != "discord" && original.preset != "discord-events"
        {
            let other = original.secret.replace("5ec2e7", "5ec2e8");
            assert!(original.verdict(&other).is_err() || other == original.secret, "{}", original.preset);
        }
        let bare = Case { headers: Vec::new(), ..original };
        let is_in_body = ["mailgun", "figma", "microsoft-graph", "aws-sns"].contains(&bare.preset);
        assert_eq!(bare.verdict(&bare.secret).is_ok(), is_in_body, "{}: no header", bare.preset);
    }
}

fn cases() -> Vec<Case> {
    let mut cases = over_the_body();
    cases.extend(with_a_timestamp());
    cases.extend(of_other_forms());
    cases.extend(tokens());
    cases.extend(public_keys());
    cases
}

fn over_the_body() -> Vec<Case> {
    let hex = HEXLOWER.encode(&sha256(&[BODY]));
    let base64 = BASE64.encode(&sha256(&[BODY]));
    vec![
        Case::new("bitbucket-data-center", [("X-Hub-Signature", format!("sha256={hex}"))]),
        Case::new("forgejo", [("X-Forgejo-Signature", hex.clone())]),
        Case::new("launchdarkly", [("X-LD-Signature", hex.clone())]),
        Case::new("sentry", [("Sentry-Hook-Signature", hex.clone())]),
        Case::new("cursor", [("X-Webhook-Signature", format!("sha256={hex}"))]),
        Case::new("lemon-squeezy", [("X-Signature", hex.clone())]),
        Case::new("meta", [("X-Hub-Signature-256", format!("sha256={hex}"))]),
        Case::new("asana", [("X-Hook-Signature", hex.clone())]),
        Case::new("notion", [("X-Notion-Signature", format!("sha256={hex}"))]),
        Case::new("clickup", [("X-Signature", hex.clone())]),
        Case::new("dropbox", [("X-Dropbox-Signature", hex.clone())]),
        Case::new("cal-com", [("X-Cal-Signature-256", hex)]),
        Case::new("woocommerce", [("X-WC-Webhook-Signature", base64.clone())]),
        Case::new("xero", [("x-xero-signature", base64.clone())]),
        Case::new("typeform", [("Typeform-Signature", format!("sha256={base64}"))]),
        Case::new(
            "docusign",
            [("X-DocuSign-Signature-1", BASE64.encode(&[0; 32])), ("X-DocuSign-Signature-2", base64)],
        ),
        Case::new("vercel", [("x-vercel-signature", HEXLOWER.encode(&sha1(&[BODY])))]),
        Case::new("intercom", [("X-Hub-Signature", format!("sha1={}", HEXLOWER.encode(&sha1(&[BODY]))))]),
        Case::new("trello", [("X-Trello-Webhook", BASE64.encode(&sha1(&[BODY, "https://hooks.example.com/hooks"])))]),
        Case::new("paystack", [("x-paystack-signature", HEXLOWER.encode(&hmac::<Hmac<Sha512>>(&[BODY])))]),
        Case::new("patreon", [("X-Patreon-Signature", HEXLOWER.encode(&hmac::<Hmac<Md5>>(&[BODY])))]),
    ]
}

fn with_a_timestamp() -> Vec<Case> {
    let hex = |parts: &[&str]| HEXLOWER.encode(&sha256(parts));
    let dot = hex(&["1700000000.", BODY]);
    let linear = r#"{"type":"a.b","webhookTimestamp":1700000000000}"#;
    let contentful = "POST\n/hooks\nx-contentful-signed-headers:x-contentful-timestamp,x-contentful-signed-headers;\
                      x-contentful-timestamp:1700000000000\n";
    vec![
        Case::new("buildkite", [("X-Buildkite-Signature", format!("timestamp=1700000000,signature={dot}"))]),
        Case::new("elevenlabs", [("ElevenLabs-Signature", format!("t=1700000000,v0={dot}"))]),
        Case::new("calendly", [("Calendly-Webhook-Signature", format!("t=1700000000,v1={dot}"))]),
        Case::new("workos", [("WorkOS-Signature", format!("t=1700000000000, v1={}", hex(&["1700000000000.", BODY])))]),
        Case::new(
            "zoom",
            [
                ("x-zm-signature", format!("v0={}", hex(&["v0:1700000000:", BODY]))),
                ("x-zm-request-timestamp", "1700000000".to_owned()),
            ],
        ),
        Case::new(
            "webflow",
            [
                ("x-webflow-signature", hex(&["1700000000000:", BODY])),
                ("x-webflow-timestamp", "1700000000000".to_owned()),
            ],
        ),
        Case::new(
            "zendesk",
            [
                ("X-Zendesk-Webhook-Signature", BASE64.encode(&sha256(&["2023-11-14T22:13:20Z", BODY]))),
                ("X-Zendesk-Webhook-Signature-Timestamp", "2023-11-14T22:13:20Z".to_owned()),
            ],
        ),
        Case::new(
            "twitch",
            [
                (
                    "Twitch-Eventsub-Message-Signature",
                    format!("sha256={}", hex(&["id-1", "2023-11-14T22:13:20.634234626Z", BODY])),
                ),
                ("Twitch-Eventsub-Message-Id", "id-1".to_owned()),
                ("Twitch-Eventsub-Message-Timestamp", "2023-11-14T22:13:20.634234626Z".to_owned()),
            ],
        ),
        Case { body: linear.to_owned(), ..Case::new("linear", [("Linear-Signature", hex(&[linear]))]) },
        Case::new(
            "contentful",
            [
                ("x-contentful-signature", hex(&[contentful, BODY])),
                ("x-contentful-timestamp", "1700000000000".to_owned()),
                ("x-contentful-signed-headers", "x-contentful-timestamp,x-contentful-signed-headers".to_owned()),
            ],
        ),
    ]
}

fn of_other_forms() -> Vec<Case> {
    let mailgun = format!(
        r#"{{"event-data":{{"event":"a.b"}},"signature":{{"timestamp":"1700000000","token":"tok","signature":"{}"}}}}"#,
        HEXLOWER.encode(&sha256(&["1700000000", "tok"]))
    );
    let plivo = "https://hooks.example.com/hooks?a=1&b=2.From1Typea.b.nonce";
    let claims = format!(r#"{{"request_body_sha256":"{}"}}"#, BASE64.encode(&Sha256::digest(BODY)));
    vec![
        Case { body: mailgun, ..Case::new("mailgun", []) },
        Case {
            target: "/hooks?b=2&a=1",
            body: "Type=a.b&From=1".to_owned(),
            ..Case::new(
                "plivo-v3",
                [
                    ("X-Plivo-Signature-V3", format!("AAAA,{}", BASE64.encode(&sha256(&[plivo])))),
                    ("X-Plivo-Signature-V3-Nonce", "nonce".to_owned()),
                    ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
                ],
            )
        },
        Case::new("fusionauth", [("X-FusionAuth-Signature-JWT", jwt(r#"{"alg":"HS256"}"#, &claims))]),
        Case::new("monday", [("Authorization", jwt(r#"{"alg":"HS256"}"#, r#"{"exp":1700000100}"#))]),
    ]
}

fn tokens() -> Vec<Case> {
    let in_header = |preset, name| Case::new(preset, [(name, SECRET.to_owned())]);
    let with_body = |preset, body: &str| Case { body: body.to_owned(), ..Case::new(preset, []) };
    vec![
        in_header("gitlab", "X-Gitlab-Token"),
        in_header("telegram", "X-Telegram-Bot-Api-Secret-Token"),
        in_header("okta", "Authorization"),
        in_header("deepgram", "dg-token"),
        with_body("figma", r#"{"event_type":"a.b","passcode":"5ec2e7"}"#),
        with_body("microsoft-graph", r#"{"value":[{"clientState":"5ec2e7"},{"x":"a.b","clientState":"5ec2e7"}]}"#),
    ]
}

fn public_keys() -> Vec<Case> {
    let ed25519 = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let sign = |message: String| ed25519.sign(message.as_bytes());
    let discord = HEXLOWER.encode(sign(format!("1700000000{BODY}")).as_ref());
    let of_discord = |preset| Case {
        secret: HEXLOWER.encode(ed25519.public_key().as_ref()),
        ..Case::new(
            preset,
            [("X-Signature-Ed25519", discord.clone()), ("X-Signature-Timestamp", "1700000000".to_owned())],
        )
    };
    let v1a = BASE64.encode(sign(format!("msg_1.1700000000.{BODY}")).as_ref());
    vec![
        of_discord("discord"),
        of_discord("discord-events"),
        Case {
            secret: format!("whpk_{}", BASE64.encode(ed25519.public_key().as_ref())),
            ..Case::new(
                "standard-webhooks-v1a",
                [
                    ("webhook-id", "msg_1".to_owned()),
                    ("webhook-timestamp", "1700000000".to_owned()),
                    ("webhook-signature", format!("v1,AAAA v1a,{v1a}")),
                ],
            )
        },
        paypal(),
        sns(),
    ]
}

fn paypal() -> Case {
    let (pem, sign) = rsa();
    let signature = sign(&format!("t-1|2023-11-14T22:13:20Z|WH-1|{}", crc32(BODY.as_bytes())));
    Case {
        secret: pem,
        ..Case::new(
            "paypal",
            [
                ("paypal-transmission-sig", signature),
                ("paypal-transmission-id", "t-1".to_owned()),
                ("paypal-transmission-time", "2023-11-14T22:13:20Z".to_owned()),
                ("paypal-auth-algo", "SHA256withRSA".to_owned()),
            ],
        )
    }
}

fn sns() -> Case {
    let (pem, sign) = rsa();
    let signature =
        sign("Message\nhello\nMessageId\n1\nTimestamp\n2023-11-14T22:13:20Z\nTopicArn\narn\nType\nNotification\n");
    let body = serde_json::json!({
        "Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": "hello", "unsigned": "a.b",
        "Timestamp": "2023-11-14T22:13:20Z", "SignatureVersion": "2", "Signature": signature,
    });
    Case { secret: pem, body: body.to_string(), ..Case::new("aws-sns", []) }
}

/// A public key in PEM, and what signs for it.
fn rsa() -> (String, impl Fn(&str) -> String) {
    use aws_lc_rs::encoding::AsDer;

    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(der.as_ref()));
    let sign = move |message: &str| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        BASE64.encode(&signature)
    };
    (pem, sign)
}

/// Bit by bit, as RFC 1952 writes it down.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

fn jwt(header: &str, claims: &str) -> String {
    let message =
        format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    format!("{message}.{}", BASE64URL_NOPAD.encode(&sha256(&[&message])))
}

fn sha256(parts: &[&str]) -> Vec<u8> {
    hmac::<Hmac<Sha256>>(parts)
}

fn sha1(parts: &[&str]) -> Vec<u8> {
    hmac::<Hmac<Sha1>>(parts)
}

fn hmac<M: Mac + KeyInit>(parts: &[&str]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn a_token_names_no_algorithm_that_its_key_is_not_for() {
    let claims = format!(r#"{{"request_body_sha256":"{}"}}"#, BASE64.encode(&Sha256::digest(BODY)));
    let of = |header: &str, claims: &str| {
        Case::new("fusionauth", [("X-FusionAuth-Signature-JWT", jwt(header, claims))]).verdict(SECRET)
    };
    assert_eq!(of(r#"{"alg":"HS256"}"#, &claims), Ok(()));
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"RS256"}"#, r#"{"alg":"HS512"}"#] {
        assert_eq!(of(header, &claims), Err(Refusal::WrongSignature), "{header}");
    }
    assert_eq!(of(r#"{"alg":"HS256","crit":["x"]}"#, &claims), Err(Refusal::MalformedSignature));
    assert_eq!(of("{}", &claims), Err(Refusal::MalformedSignature));
    assert_eq!(of(r#"{"alg":"HS256"}"#, "{}"), Err(Refusal::MissingSignature));
    let (pem, _) = rsa();
    let forged = Case::new("fusionauth", [("X-FusionAuth-Signature-JWT", jwt(r#"{"alg":"HS256"}"#, &claims))]);
    assert_eq!(forged.verdict(&pem), Err(Refusal::WrongSignature), "a public key is no secret of an HMAC");
}

#[test]
fn a_token_counts_until_it_expires() {
    let at = |claims: &str| Case::new("monday", [("Authorization", jwt(r#"{"alg":"HS256"}"#, claims))]).verdict(SECRET);
    assert_eq!(at(r#"{"exp":1699999950}"#), Ok(()));
    assert_eq!(at(r#"{"exp":1699999900}"#), Err(Refusal::StaleTimestamp));
    assert_eq!(at(r#"{"exp":1e300}"#), Ok(()));
    assert_eq!(at(r#"{"exp":-1e300}"#), Err(Refusal::StaleTimestamp));
    assert_eq!(at(r#"{"nbf":1e300}"#), Err(Refusal::FutureTimestamp));
    assert_eq!(at(r#"{"nbf":1700000100}"#), Err(Refusal::FutureTimestamp));
    assert_eq!(at(r#"{"exp":"soon"}"#), Err(Refusal::MalformedTimestamp));
}
