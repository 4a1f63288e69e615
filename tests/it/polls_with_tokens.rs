//! Polls whose API wants a token: it is fetched with client credentials, kept, fetched again when it is refused, and
//! neither it nor they are ever told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::api::{Api, page, records};
use crate::gateway::{Gateway, SECRET, wait_until};
use crate::processor::{Processor, answer};

/// A poll every millisecond, with the secret of every gateway.
fn config(api: &Api, keys: &str) -> String {
    format!(
        "[[source]]\nname = \"unused\"\nauth = \"none\"\n[[poll]]\nname = \"orders\"\nurl = \"{}\"\nevery = \"1ms\"\n\
         items = \"/data\"\ndelivery_id = {{ json = \"/id\" }}\n\
         oauth2 = {{ token_url = \"{}\", client_id = \"me:too\", client_secret = {{ file = \"secret\" }}{keys} }}\n",
        api.url("/orders"),
        api.url("/token?tenant=1"),
    )
}

fn token(number: usize, expires_in: u64) -> Vec<u8> {
    page("", &format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{expires_in}}}"#))
}

#[test]
fn a_token_is_fetched_once_and_again_when_it_is_refused() {
    let (tokens, valid) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let (fetched, accepted) = (Arc::clone(&tokens), Arc::clone(&valid));
    let api = Api::start(move |asked| match asked.path() {
        "/token" => token(fetched.fetch_add(1, SeqCst) + 1, 3600),
        _ if asked.header("authorization") == Some(&format!("Bearer token-{}", accepted.load(SeqCst))) => {
            page("", &records(1..=accepted.load(SeqCst)))
        }
        _ => answer(401, &[]),
    });
    let processor = Processor::start();
    let route = format!(
        "[[route]]\nname = \"r\"\nfrom = {{ source = \"orders\" }}\nto = {{ http = \"{}\" }}\n",
        processor.url("/")
    );
    let gateway =
        Gateway::start(&format!("{}{route}", config(&api, ", scope = \"read all\", audience = \"https://a\"")));
    wait_until("some runs", || gateway.metric("hookgate_poll_pages_total", &[]) >= 5.0);
    assert_eq!(tokens.load(SeqCst), 1, "it is kept");
    valid.store(2, SeqCst);
    processor.wait_for(2);
    wait_until("some more runs", || gateway.metric("hookgate_poll_pages_total", &[]) >= 10.0);
    assert_eq!(tokens.load(SeqCst), 2);
    assert_eq!(gateway.metric("hookgate_poll_errors_total", &[]), 0.0, "a token that ends early is nothing to tell of");

    let asked = api.asked();
    let first = asked.iter().find(|asked| asked.path() == "/token").unwrap();
    assert_eq!((first.method.as_str(), first.target.as_str()), ("POST", "/token?tenant=1"));
    assert_eq!(first.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(first.body, "grant_type=client_credentials&scope=read+all&audience=https%3A%2F%2Fa");
    let credentials = data_encoding::BASE64.encode(format!("me%3Atoo:{SECRET}").as_bytes());
    assert_eq!(first.header("authorization"), Some(&*format!("Basic {credentials}")));
}

#[test]
fn a_token_that_is_about_to_end_is_not_used() {
    let fetched = AtomicUsize::new(0);
    let api = Api::start(move |asked| match asked.path() {
        "/token" => token(fetched.fetch_add(1, SeqCst) + 1, 0),
        _ => page("", &records(0..0)),
    });
    let _gateway = Gateway::start(&config(&api, ", credentials = \"body\""));
    wait_until("three runs", || api.asked().iter().filter(|asked| asked.path() == "/orders").count() >= 3);
    let asked = api.asked();
    let [token, orders, again, ..] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(token.body, format!("grant_type=client_credentials&client_id=me%3Atoo&client_secret={SECRET}"));
    assert_eq!(token.header("authorization"), None);
    assert_eq!(orders.header("authorization"), Some("Bearer token-1"));
    assert_eq!(again.path(), "/token");
}

#[test]
fn why_there_is_no_token_is_told_without_secrets() {
    let api = Api::start(move |asked| match asked.header("x-case") {
        _ if asked.path() == "/orders" => answer(401, &[]),
        Some("denied") => {
            let body = format!(r#"{{"error":"invalid_client","error_description":"not {SECRET}"}}"#);
            format!("HTTP/1.1 400 Bad\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        }
        Some("html") => page("", "<html>"),
        Some("away") => answer(302, &[("location", "https://elsewhere.test/")]),
        _ => token(1, 3600),
    });
    let cases = [
        ("denied", "token", "asked at `token_url`, the answer was 400 (invalid_client)"),
        ("html", "token", "it is no JSON with an access_token"),
        ("away", "token", "it redirects to https://elsewhere.test/"),
        ("refused", "status", "the answer was 401"),
    ];
    for (case, reason, said) in cases {
        let config = config(&api, &format!(", headers = {{ X-Case = \"{case}\" }}")).replace("\"1ms\"", "\"1h\"");
        let gateway = Gateway::start(&config);
        gateway.wait_for_metric("hookgate_poll_errors_total", &[&format!("reason=\"{reason}\"")], 1.0);
        let told = gateway.admin_get("/polls").json()["polls"][0]["trouble"].as_str().unwrap().to_owned();
        assert!(told.contains(said), "{told}");
        let log = gateway.log().text();
        assert!(!log.contains(SECRET) && !log.contains("token-1") && !told.contains(SECRET), "{log}\n{told}");
    }
    assert_eq!(api.asked().iter().filter(|asked| asked.path() == "/orders").count(), 2, "once more with a fresh token");
}
