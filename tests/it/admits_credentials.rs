//! Credentials in headers and, for senders that can do no better, in the URL; none of them is ever shown.

use data_encoding::BASE64;

use crate::gateway::{Gateway, SECRET, wait_until};
use crate::processor::Processor;

const SOURCES: &str = r#"
[[source]]
name = "erp"
basic = { user = "boomi", password = { file = "secret" } }
url_credential = "boomi_auth"
ack = "memory"
[[source]]
name = "ci"
api_key = { header = "X-Api-Key", key = { file = "secret" } }
ack = "memory"
[[source]]
name = "app"
bearer = [{ file = "secret" }, { file = "next" }]
ack = "memory"
[[source]]
name = "open"
auth = "none"
ack = "memory"
"#;

fn gateway(routes: &str) -> Gateway {
    let config = format!("{SOURCES}{routes}");
    Gateway::start_prepared(&config, |dir| std::fs::write(dir.join("next"), "the-next-token").unwrap())
}

fn basic(user: &str, password: &str) -> String {
    BASE64.encode(format!("{user}:{password}").as_bytes())
}

#[test]
fn basic_credentials_in_the_header_or_the_url() {
    let gateway = gateway("");
    let right = basic("boomi", SECRET);
    let header = |value: &str| gateway.post("/hooks/erp", &[("Authorization", value)], b"{}").status;
    assert_eq!(header(&format!("Basic {right}")), 202);
    assert_eq!(header(&format!("basic {right}")), 202, "the scheme's case does not matter");
    assert_eq!(header(&format!("Basic {}", basic("boomi", "wrong"))), 401);
    assert_eq!(header(&format!("Basic {}", basic("other", SECRET))), 401);
    assert_eq!(header("Basic !!!"), 401);
    assert_eq!(header(&format!("Bearer {right}")), 401);
    let url = |query: &str| gateway.post(&format!("/hooks/erp{query}"), &[], b"{}").status;
    assert_eq!(url(&format!("?boomi_auth={}", right.replace('=', "%3D").replace('+', "%2B"))), 202);
    assert_eq!(url(&format!("?a=b&boomi_auth={}", basic("boomi", "wrong"))), 401);
    assert_eq!(url(&format!("?boomi_auth={right}&boomi_auth={right}")), 401, "twice is ambiguous");
    let missing = gateway.post("/hooks/erp", &[], b"{}");
    assert_eq!((missing.status, missing.reason().as_str()), (401, "missing_credentials"));
    assert_eq!(missing.header("www-authenticate"), Some("Basic realm=\"hookgate\""));
}

#[test]
fn keys_and_tokens_of_which_several_may_be_valid_at_once() {
    let gateway = gateway("");
    let key = |value: &str| gateway.post("/hooks/ci", &[("X-Api-Key", value)], b"{}").status;
    assert_eq!(key(SECRET), 202);
    assert_eq!(key(&SECRET[1..]), 401);
    let bearer = |value: &str| gateway.post("/hooks/app", &[("Authorization", value)], b"{}").status;
    assert_eq!(bearer(&format!("Bearer {SECRET}")), 202);
    assert_eq!(bearer("Bearer the-next-token"), 202);
    assert_eq!(bearer("Bearer the-last-token"), 401);
    assert_eq!(gateway.post("/hooks/open", &[], b"{}").status, 202);
}

#[test]
fn wrong_credentials_are_refused_before_the_body_is_read() {
    let gateway = gateway("");
    let mut client = gateway.client();
    client.send(b"POST /hooks/ci HTTP/1.1\r\nhost: a\r\nx-api-key: wrong\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 401, "the final status, not 100");
}

#[test]
fn no_credential_is_shown_anywhere() {
    let processor = Processor::start();
    let gateway = gateway(&format!(
        "[[route]]\nname = \"erp\"\nfrom = {{ source = \"erp\" }}\nto = {{ http = {:?} }}\nretry = {{ attempts = 1 }}\n",
        processor.url("/")
    ));
    let credential = basic("boomi", SECRET);
    let encoded = credential.replace('=', "%3D").replace('+', "%2B");
    let wrong = basic("boomi", "hunter2-hunter2");
    assert_eq!(gateway.post(&format!("/hooks/erp?x=1&boomi_auth={encoded}&y=2"), &[], b"{}").status, 202);
    assert_eq!(gateway.post(&format!("/hooks/erp?boomi_auth={wrong}"), &[], b"{}").status, 401);
    gateway.log().wait_for("wrong_credentials");
    let delivered = format!("{:?}", processor.wait_for(1));
    wait_until("the delivery is counted", || {
        gateway.metric("hookgate_deliveries_total", &["outcome=\"delivered\""]) == 1.0
    });
    let shown =
        [delivered, gateway.log().text(), gateway.admin_get("/metrics").text(), gateway.admin_get("/routes").text()];
    for text in shown {
        for secret in [SECRET, &credential, &encoded, &wrong, "hunter2"] {
            assert!(!text.contains(secret), "a credential is shown in: {text}");
        }
    }
}
