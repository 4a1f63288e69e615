//! Addresses, rates and shares: who may send, and how much of it.

use std::net::SocketAddr;

use crate::client::{Answer, Client};
use crate::gateway::Gateway;
use crate::signing;

const ROUTE: &str = r#"
[[route]]
name = "all"
from = { source = "*" }
to = "discard"
"#;

fn source(keys: &str) -> String {
    format!("[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n{keys}\n{ROUTE}")
}

/// The test is the proxy that is trusted.
const BEHIND_PROXY: &str = "trusted_proxies = \"127.0.0.1\"";

fn post_for(gateway: &Gateway, client: &str) -> Answer {
    gateway.post("/hooks/s", &[("x-forwarded-for", client)], b"{}")
}

fn outcome(answer: &Answer) -> (u16, String) {
    (answer.status, if answer.status == 202 { String::new() } else { answer.reason() })
}

#[test]
fn only_allowed_addresses_send_and_only_a_trusted_proxy_names_them() {
    let config = source("allow = [\"192.0.2.0/24\", \"2001:db8::/32\"]\ndeny = \"192.0.2.66\"");
    let gateway = Gateway::start_with(BEHIND_PROXY, &config);
    let not_allowed = (403, "address_not_allowed".to_owned());
    for client in ["192.0.2.1", "203.0.113.9, 192.0.2.1", "2001:db8::7", "192.0.2.7, 127.0.0.1", "[2001:db8::7]:4711"] {
        assert_eq!(outcome(&post_for(&gateway, client)).0, 202, "{client}");
    }
    for client in ["203.0.113.9", "192.0.2.1, 203.0.113.9", "192.0.2.66", "192.0.2.1, unknown", ""] {
        assert_eq!(outcome(&post_for(&gateway, client)), not_allowed, "{client}");
    }
    let believes_nobody = Gateway::start(&config);
    assert_eq!(outcome(&post_for(&believes_nobody, "192.0.2.1")), not_allowed);
    believes_nobody.log().wait_for("client=127.0.0.1");
}

#[test]
fn who_is_denied_cannot_hide_from_the_word_of_the_proxy() {
    let denying = source("deny = \"203.0.113.0/24\"");
    let gateway = Gateway::start_with(BEHIND_PROXY, &denying);
    // What the client has sent stands to the left of what the proxy adds.
    for client in
        ["203.0.113.9", "\u{ff}, 203.0.113.9", "\", 203.0.113.9", "192.0.2.1, 203.0.113.9", "\u{ff}", "unknown"]
    {
        assert_eq!(outcome(&post_for(&gateway, client)), (403, "address_not_allowed".to_owned()), "{client}");
    }
    for client in ["192.0.2.1", "\u{ff}, 192.0.2.1", "203.0.113.9, 192.0.2.1"] {
        assert_eq!(outcome(&post_for(&gateway, client)).0, 202, "{client}");
    }

    let gateway = Gateway::start_with(&format!("{BEHIND_PROXY}\nforwarded_header = \"Forwarded\""), &denying);
    let post = |value: &str| gateway.post("/hooks/s", &[("forwarded", value)], b"{}").status;
    for client in
        ["for=203.0.113.9", "x=\", for=203.0.113.9", "\u{ff}\", for=\"203.0.113.9:47\";proto=https", "for=_hidden"]
    {
        assert_eq!(post(client), 403, "{client}");
    }
    for client in ["for=192.0.2.1", "x=\", for=192.0.2.1", "for=203.0.113.9, for=\"[2001:db8::1]\""] {
        assert_eq!(post(client), 202, "{client}");
    }
}

#[test]
fn a_balancer_names_the_client_with_the_proxy_protocol() {
    let keys = format!("{BEHIND_PROXY}\nlisten = {{ address = \"127.0.0.1:0\", proxy_protocol = true }}");
    let gateway = Gateway::start_with(&keys, &source("allow = \"192.0.2.0/24\""));
    let connect = |header: &[u8]| {
        let mut client = gateway.client();
        client.send(header);
        client
    };
    let status = |header: &[u8]| connect(header).post("/hooks/s", &[], b"{}").status;
    assert_eq!(status(b"PROXY TCP4 192.0.2.7 192.0.2.1 51234 443\r\n"), 202);
    assert_eq!(status(b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n"), 403);
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\xc8\x22\x01\xbb";
    assert_eq!(status(v2), 202);
    let mut kept = connect(v2);
    for _ in 0..3 {
        assert_eq!(kept.post("/hooks/s", &[], b"{}").status, 202);
    }
    assert!(connect(&crate::client::request("POST", "/hooks/s", &[], b"{}")).ends_badly());
    gateway.wait_for_metric("hookgate_proxy_headers_refused_total", &[], 1.0);
}

#[test]
fn an_address_that_sends_too_much_is_told_when_to_come_again_and_others_are_not() {
    let gateway = Gateway::start_with(BEHIND_PROXY, &source("max_rate_per_address = 5"));
    let answers: Vec<_> = (0..200).map(|_| post_for(&gateway, "203.0.113.1")).collect();
    assert!(answers.iter().take(5).all(|answer| answer.status == 202));
    let refused = answers.iter().find(|answer| answer.status != 202).expect("no five hundred come in a second");
    assert_eq!(outcome(refused), (429, "over_rate".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(post_for(&gateway, "203.0.113.2").status, 202);
}

#[test]
fn strangers_do_not_use_up_the_rate_of_a_source() {
    let config = format!(
        "[[source]]\nname = \"github\"\npreset = \"github\"\nsecret = {{ file = \"secret\" }}\nack = \"memory\"\nmax_rate = 2\n{ROUTE}"
    );
    let gateway = Gateway::start(&config);
    for _ in 0..20 {
        let forged = gateway.post("/hooks/github", &[("X-Hub-Signature-256", &signing::github(b"other"))], b"{}");
        assert_eq!(outcome(&forged), (401, "wrong_signature".to_owned()));
    }
    let post = || gateway.post("/hooks/github", &[("X-Hub-Signature-256", &signing::github(b"{}"))], b"{}");
    assert_eq!(post().status, 202);
    let refused = (0..200).map(|_| post()).find(|answer| answer.status != 202).expect("no hundred come in a second");
    assert_eq!(outcome(&refused), (429, "over_rate".to_owned()));
}

#[test]
fn an_address_has_its_share_of_the_connections() {
    let gateway = Gateway::start_with("max_connections_per_address = 3", &source(""));
    let mut held: Vec<Client> = (0..3).map(|_| gateway.client()).collect();
    for client in &mut held {
        assert_eq!(client.post("/hooks/s", &[], b"{}").status, 202);
    }
    let mut over = gateway.client();
    assert_eq!(over.answer().unwrap().status, 503);
    assert!(over.is_closed());
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], gateway.address.port()));
    let from_elsewhere = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    from_elsewhere.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    from_elsewhere.connect(&elsewhere.into()).unwrap();
    let mut other = Client::over(std::net::TcpStream::from(from_elsewhere));
    assert_eq!(other.post("/hooks/s", &[], b"{}").status, 202, "another address has its own");
    held.pop();
    gateway.wait_for_metric("hookgate_connections_open", &[], 3.0);
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
}

#[test]
fn an_address_has_its_share_of_requests_behind_a_proxy() {
    let gateway = Gateway::start_with(&format!("{BEHIND_PROXY}\nmax_requests_per_address = 2"), &source(""));
    let begun = "POST /hooks/s HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.1\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    let mut held: Vec<Client> = (0..2).map(|_| gateway.client()).collect();
    for client in &mut held {
        client.send(begun.as_bytes());
        assert_eq!(client.answer().unwrap().status, 100);
    }
    assert_eq!(outcome(&post_for(&gateway, "203.0.113.1")), (429, "too_many_at_once".to_owned()));
    assert_eq!(post_for(&gateway, "203.0.113.2").status, 202);
    for mut client in held {
        client.send(b"{}");
        assert_eq!(client.answer().unwrap().status, 202);
    }
    assert_eq!(post_for(&gateway, "203.0.113.1").status, 202);
}

#[test]
fn slow_bodies_of_one_address_cannot_take_all_memory() {
    let keys = format!("{BEHIND_PROXY}\nmemory_budget = \"4MiB\"\nmax_body = \"1MiB\"");
    let gateway = Gateway::start_with(&keys, &source(""));
    let head = "POST /hooks/s HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.1\r\ncontent-length: 1048576\r\n\r\n";
    let mut attackers: Vec<Client> = (0..50).map(|_| gateway.client()).collect();
    for attacker in &mut attackers {
        attacker.send(head.as_bytes());
    }
    assert_eq!(post_for(&gateway, "203.0.113.2").status, 202, "what is announced is not held");
    for attacker in &mut attackers {
        attacker.send(&vec![b'a'; 50_000]);
    }
    // Sixteen first steps of 64 KiB are the quarter that one address may hold.
    gateway.wait_for_metric("hookgate_requests_refused_total", &["reason=\"over_memory_share\""], 34.0);
    let whole = vec![b'a'; 1 << 20];
    let answer = gateway.post("/hooks/s", &[("x-forwarded-for", "203.0.113.2")], &whole);
    assert_eq!(answer.status, 202);
    drop(attackers);
    gateway.wait_for_metric("hookgate_memory_budget_used_bytes", &[], 0.0);
}
