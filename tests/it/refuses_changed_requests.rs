//! A request that was signed and then changed, in whatever way, is refused with 401 and reaches no processor.

use std::io::Write;

use crate::client::Answer;
use crate::gateway::Gateway;
use crate::processor::Processor;
use crate::refuses_forgeries::{BODY, gateway};
use crate::signing;

/// A request as each provider signs it: where to, its headers, and which of them is the signature.
struct Signed {
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    signature: &'static str,
}

impl Signed {
    fn post(&self, gateway: &Gateway, body: &[u8]) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        gateway.post(self.path, &headers, body)
    }

    fn signature(&self) -> &str {
        &self.headers.iter().find(|(name, _)| *name == self.signature).unwrap().1
    }

    /// The same with another value of a header.
    fn with(&self, name: &str, value: String) -> Self {
        let mut headers = self.headers.clone();
        headers.iter_mut().find(|(known, _)| *known == name).unwrap().1 = value;
        Self { headers, ..*self }
    }

    /// The same with its signature in another header.
    fn signed_in(&self, name: &'static str) -> Self {
        let rename = |(known, value): &(&'static str, String)| {
            (if *known == self.signature { name } else { known }, value.clone())
        };
        Self { headers: self.headers.iter().map(rename).collect(), ..*self }
    }
}

fn each_provider(body: &[u8]) -> [Signed; 5] {
    let now = signing::now();
    let alone = |path, signature: &'static str, value| Signed { path, headers: vec![(signature, value)], signature };
    [
        alone("/hooks/github", "X-Hub-Signature-256", signing::github(body)),
        alone("/hooks/shopify", "X-Shopify-Hmac-Sha256", signing::shopify(body)),
        alone("/hooks/stripe", "Stripe-Signature", signing::stripe(body, now)),
        Signed {
            path: "/hooks/slack",
            headers: vec![
                ("X-Slack-Request-Timestamp", now.to_string()),
                ("X-Slack-Signature", signing::slack(body, now)),
            ],
            signature: "X-Slack-Signature",
        },
        Signed {
            path: "/hooks/standard-webhooks",
            headers: vec![
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", now.to_string()),
                ("webhook-signature", signing::standard_webhooks("msg_1", body, now)),
            ],
            signature: "webhook-signature",
        },
    ]
}

/// 401 for each, and in the end nothing but the requests that were right has been delivered.
fn all_refused(forge: impl Fn(&Gateway, &Signed) -> Vec<(String, Answer)>) {
    let processor = Processor::start();
    let gateway = gateway(&processor);
    let all = each_provider(BODY);
    for signed in &all {
        for (what, answer) in forge(&gateway, signed) {
            assert_eq!(answer.status, 401, "{} with {what}: {}", signed.path, answer.text());
        }
    }
    for signed in &all {
        assert_eq!(signed.post(&gateway, BODY).status, 202, "{} as it was signed", signed.path);
    }
    let received = processor.wait_for(all.len());
    assert!(received.iter().all(|one| one.body == BODY));
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), all.len() as f64);
}

#[test]
fn signatures_that_are_cut_grown_or_written_otherwise() {
    all_refused(|gateway, signed| {
        let right = signed.signature();
        let (form, _) = right.split_at(right.len() - 20);
        let values = [
            String::new(),
            form.to_owned(),
            right[..right.len() - 1].to_owned(),
            right[..right.len() - 2].to_owned(),
            right[..right.len() / 2].to_owned(),
            format!("{right}0"),
            format!("{right}00"),
            format!("{right}="),
            format!("\"{right}\""),
            format!("x{right}"),
            format!("{right};"),
            right.replace('=', ":"),
            right.chars().rev().collect(),
            "0".repeat(64),
            "null".to_owned(),
            "*".to_owned(),
        ];
        values.map(|value| (value.clone(), signed.with(signed.signature, value).post(gateway, BODY))).into()
    });
}

#[test]
fn a_type_and_an_id_that_no_signature_covers_deceive_no_route_that_asks_for_signed_ones() {
    let processors = [Processor::start(), Processor::start()];
    let [trusting, asking] = [processors[0].url("/"), processors[1].url("/")];
    let gateway = Gateway::start(&format!(
        r#"
        [[source]]
        name = "shopify"
        preset = "shopify"
        secret = {{ file = "secret" }}
        [[route]]
        name = "trusting"
        from = {{ source = "shopify", types = ["orders/*"] }}
        to = {{ http = "{trusting}" }}
        [[route]]
        name = "asking"
        from = {{ source = "shopify", types = ["orders/*"] }}
        signed_type = true
        to = {{ http = "{asking}" }}
        "#
    ));
    let signature = signing::shopify(BODY);
    let post = |kind: &str, id: &str| {
        let headers =
            [("X-Shopify-Hmac-Sha256", signature.as_str()), ("X-Shopify-Topic", kind), ("X-Shopify-Webhook-Id", id)];
        gateway.post("/hooks/shopify", &headers, BODY).status
    };
    assert_eq!(post("app/uninstalled", "captured"), 202);
    // Another type under the same id is what was taken before, and no event; under another id it is one, as the README says.
    assert_eq!(post("orders/paid", "captured"), 202);
    assert_eq!(post("orders/paid", "another"), 202);
    let received = processors[0].wait_for(1);
    assert_eq!(received[0].body, BODY);
    gateway.wait_for_metric("hookgate_route_lag", &[], 0.0);
    gateway.wait_for_metric("hookgate_route_events", &[], 0.0);
    assert_eq!((processors[0].received().len(), processors[1].received().len()), (1, 0));
}

#[test]
fn algorithms_and_versions_that_the_sender_chose() {
    all_refused(|gateway, signed| {
        let right = signed.signature();
        let forged = match signed.path {
            "/hooks/github" => vec![
                signing::github_sha1(BODY),
                signing::github_sha1(BODY).replace("sha1=", "sha256="),
                right.replace("sha256=", "sha1="),
                right.replace("sha256=", "sha512="),
                right.replace("sha256=", "SHA256="),
                right.replace("sha256=", "none="),
                right.replace("sha256=", ""),
            ],
            "/hooks/slack" => ["v1=", "v=", "V0=", "", "v0:"].map(|version| right.replace("v0=", version)).into(),
            "/hooks/stripe" => {
                [",v0=", ",v2=", ",V1=", ",=", ",", ";v1="].map(|version| right.replace(",v1=", version)).into()
            }
            "/hooks/standard-webhooks" => {
                ["v1a,", "v0,", "v2,", "V1,", "v1=", ""].map(|version| right.replace("v1,", version)).into()
            }
            _ => vec![format!("sha256={right}"), format!("v1,{right}")],
        };
        forged
            .into_iter()
            .map(|value| (value.clone(), signed.with(signed.signature, value).post(gateway, BODY)))
            .collect()
    });
}

#[test]
fn signatures_in_other_headers_and_more_of_them() {
    all_refused(|gateway, signed| {
        let elsewhere = ["Authorization", "X-Signature", "X-Hub-Signature", "Signature", "Cookie"];
        let mut all: Vec<_> =
            elsewhere.map(|name| (name.to_owned(), signed.signed_in(name).post(gateway, BODY))).into();
        // Standard Webhooks has its signatures on as many lines as the sender likes.
        if signed.path != "/hooks/standard-webhooks" {
            for more in [signed.signature().to_owned(), String::new(), "sha256=00".to_owned()] {
                let mut twice = signed.headers.clone();
                twice.push((signed.signature, more));
                let twice = Signed { headers: twice, ..*signed };
                all.push(("two signatures".to_owned(), twice.post(gateway, BODY)));
            }
        }
        let without = signed.headers.iter().filter(|(name, _)| *name != signed.signature).cloned().collect();
        let query = format!("{}?{}={}", signed.path, signed.signature, signed.signature().replace(' ', "+"));
        let without = Signed { headers: without, ..*signed };
        let headers: Vec<_> = without.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(("it in the query".to_owned(), gateway.post(&query, &headers, BODY)));

        let mut trailing = format!("POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", signed.path);
        headers.iter().for_each(|(name, value)| trailing += &format!("{name}: {value}\r\n"));
        trailing += &format!("Trailer: {}\r\n\r\n{:x}\r\n", signed.signature, BODY.len());
        trailing += std::str::from_utf8(BODY).unwrap();
        trailing += &format!("\r\n0\r\n{}: {}\r\n\r\n", signed.signature, signed.signature());
        let mut client = gateway.client();
        client.send(trailing.as_bytes());
        all.push(("it in a trailer".to_owned(), client.answer().unwrap()));
        all
    });
}

#[test]
fn header_names_count_in_any_letter_case() {
    let gateway = gateway(&Processor::start());
    for signed in each_provider(BODY) {
        let upper: Vec<_> = signed.headers.iter().map(|(name, value)| (name.to_uppercase(), value.clone())).collect();
        let upper: Vec<_> = upper.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(gateway.post(signed.path, &upper, BODY).status, 202, "{}", signed.path);
    }
}

#[test]
fn bodies_that_were_written_again() {
    all_refused(|gateway, signed| {
        let text = std::str::from_utf8(BODY).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(BODY).unwrap();
        let gzip = gzip.finish().unwrap();
        let document: serde_json::Value = serde_json::from_slice(BODY).unwrap();
        let bodies: Vec<(&str, Vec<u8>)> = vec![
            ("none", Vec::new()),
            ("a line's end", [BODY, b"\n"].concat()),
            ("a blank", [b" ", BODY].concat()),
            ("a byte order mark", [b"\xef\xbb\xbf", BODY].concat()),
            ("a NUL", [BODY, b"\0"].concat()),
            ("one less", BODY[..BODY.len() - 1].to_vec()),
            ("blanks behind colons", text.replace(':', ": ").into_bytes()),
            ("lines", serde_json::to_vec_pretty(&document).unwrap()),
            ("an escape", text.replace("opened", "\\u006fpened").into_bytes()),
            ("a member more", text.replace('}', ",\"x\":1}").into_bytes()),
            ("capitals", text.to_uppercase().into_bytes()),
            ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("base64", data_encoding::BASE64.encode(BODY).into_bytes()),
            ("gzip", gzip.clone()),
            ("itself twice", [BODY, BODY].concat()),
        ];
        let mut all: Vec<_> =
            bodies.into_iter().map(|(what, body)| (what.to_owned(), signed.post(gateway, &body))).collect();
        // The bytes that were signed are those that come, whatever is said of them.
        let mut headers = signed.headers.clone();
        headers.push(("Content-Encoding", "gzip".to_owned()));
        all.push(("gzip that is said to be it".to_owned(), Signed { headers, ..*signed }.post(gateway, &gzip)));
        all
    });
}

#[test]
fn times_and_ids_that_were_not_signed() {
    all_refused(|gateway, signed| {
        let now = signing::now();
        let mut all = Vec::new();
        let times = [now - 1, now + 1, now - 299, now - 400, now + 400, 0, u64::MAX];
        for name in ["X-Slack-Request-Timestamp", "webhook-timestamp"] {
            if signed.headers.iter().any(|(known, _)| *known == name) {
                for time in times.into_iter().filter(|time| !signed.headers.contains(&(name, time.to_string()))) {
                    all.push((time.to_string(), signed.with(name, time.to_string()).post(gateway, BODY)));
                }
                let mut twice = signed.headers.clone();
                twice.push((name, now.to_string()));
                all.push(("two times".to_owned(), Signed { headers: twice, ..*signed }.post(gateway, BODY)));
            }
        }
        if signed.path == "/hooks/stripe" {
            let (stamp, rest) = signed.signature().split_once(',').unwrap();
            for time in times.map(|time| format!("t={time}")).into_iter().filter(|time| time != stamp) {
                all.push((time.clone(), signed.with(signed.signature, format!("{time},{rest}")).post(gateway, BODY)));
            }
            for value in [rest.to_owned(), format!("{stamp},{stamp},{rest}"), format!("t={now},{stamp},{rest}")] {
                all.push((value.clone(), signed.with(signed.signature, value).post(gateway, BODY)));
            }
        }
        if signed.path == "/hooks/standard-webhooks" {
            for id in ["msg_2", "", "msg_1.", "MSG_1"] {
                all.push((id.to_owned(), signed.with("webhook-id", id.to_owned()).post(gateway, BODY)));
            }
        }
        all
    });
}
