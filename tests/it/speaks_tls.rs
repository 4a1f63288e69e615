//! TLS in front: certificates by name, renewed ones, client certificates, and handshakes that stall.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use rustls::HandshakeKind;

use crate::client::{Client, connect};
use crate::encrypted::{Authority, client, encrypt, encrypt_over};
use crate::gateway::{Gateway, wait_until};

const CONFIG: &str = r#"
[[source]]
name = "s"
auth = "none"
ack = "memory"
[[route]]
name = "all"
from = { source = "*" }
to = "discard"
"#;

const TLS: &str = "tls = { cert = \"a.pem\", key = \"a.key\" }";

fn start(authority: &Authority, keys: &str) -> Gateway {
    Gateway::start_listening(keys, CONFIG, |dir| authority.write(dir, "a", "localhost"))
}

#[test]
fn a_request_comes_encrypted_and_the_next_connection_resumes_the_session() {
    let authority = Authority::new();
    let gateway = start(&authority, TLS);
    let config = Arc::new(authority.client(&["http/1.1"]));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let stream = encrypt(gateway.address, &config, "localhost").unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
        assert_eq!(stream.conn.handshake_kind(), Some(expected));
        let mut client = Client::over(stream);
        for _ in 0..3 {
            assert_eq!(client.post("/hooks/s", &[], &vec![b'a'; 100_000]).status, 202);
        }
        client.finish_sending();
        assert!(client.is_closed());
    }
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 6.0);
}

#[test]
fn each_name_has_its_certificate_and_one_listener_may_be_in_the_clear() {
    let (first, second) = (Authority::new(), Authority::new());
    let keys = r#"listen = [{ address = "127.0.0.1:0", tls = { certificates = [{ cert = "a.pem", key = "a.key" }, { cert = "b.pem", key = "b.key" }] } }, "127.0.0.1:0"]"#;
    let gateway = Gateway::start_listening(keys, CONFIG, |dir| {
        first.write(dir, "a", "hooks.example.com");
        second.write(dir, "b", "*.example.org");
    });
    let asks = |authority: &Authority, name| encrypt(gateway.address, &Arc::new(authority.client(&[])), name).is_ok();
    assert!(asks(&first, "hooks.example.com"));
    assert!(asks(&second, "hooks.example.org"));
    assert!(!asks(&second, "hooks.example.com"));
    assert!(!asks(&first, "other.example.com"), "whoever asks for another gets the first, and may refuse it");
    let line = gateway.log().wait_for("listening on http://");
    let plain = line.rsplit("://").next().unwrap().parse().unwrap();
    assert_eq!(Client::connect(plain).post("/hooks/s", &[], b"{}").status, 202);
}

#[test]
fn a_renewed_certificate_is_used_and_open_connections_go_on() {
    let (old, new, newest) = (Authority::new(), Authority::new(), Authority::new());
    let gateway = start(&old, TLS);
    let mut open = client(gateway.address, old.client(&[]));
    assert_eq!(open.post("/hooks/s", &[], b"{}").status, 202);
    let shakes =
        |authority: &Authority| encrypt(gateway.address, &Arc::new(authority.client(&[])), "localhost").is_ok();

    new.write(gateway.dir(), "a", "localhost");
    wait_until("the new certificate is in use", || shakes(&new));
    assert!(!shakes(&old));

    std::fs::write(gateway.dir().join("a.key"), "half a k").unwrap();
    gateway.log().wait_for("cannot be used yet");
    assert!(shakes(&new), "a mistake changes nothing");

    newest.write(gateway.dir(), "a", "localhost");
    gateway.signal("HUP");
    gateway.log().wait_for("certificates were read again");
    assert!(shakes(&newest));
    assert_eq!(open.post("/hooks/s", &[], b"{}").status, 202);
}

#[test]
fn renewed_authorities_admit_those_whom_they_have_named() {
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let keys = "tls = { cert = \"a.pem\", key = \"a.key\", client_ca = \"ca.pem\" }";
    let config = format!("{CONFIG}[[source]]\nname = \"p\"\nclient_cert = [\"partner\"]\n");
    let gateway = Gateway::start_listening(keys, &config, |dir| {
        authority.write(dir, "a", "localhost");
        std::fs::write(dir.join("ca.pem"), old.pem()).unwrap();
    });
    let admits = |issuer: &Authority| {
        let partner = Arc::new(authority.client_named(issuer, "partner"));
        let Ok(stream) = encrypt(gateway.address, &partner, "localhost") else { return false };
        let mut client = Client::over(stream);
        client.send(&crate::client::request("POST", "/hooks/p", &[("Connection", "close")], b"{}"));
        !client.ends_badly()
    };
    let mut open = client(gateway.address, authority.client_named(&old, "partner"));
    assert_eq!(open.post("/hooks/p", &[], b"{}").status, 202);
    std::fs::write(gateway.dir().join("ca.pem"), new.pem()).unwrap();
    wait_until("the new authority counts", || admits(&new));
    assert!(!admits(&old), "and the old one no longer");
    assert_eq!(open.post("/hooks/p", &[], b"{}").status, 202, "but for connections that are open");
}

#[test]
fn a_balancer_names_the_client_before_the_handshake() {
    let authority = Authority::new();
    let keys = "trusted_proxies = \"127.0.0.1\"\n\
        listen = { address = \"127.0.0.1:0\", proxy_protocol = true, tls = { cert = \"a.pem\", key = \"a.key\" } }";
    let config = CONFIG.replace("auth =", "allow = \"192.0.2.0/24\"\nauth =");
    let gateway = Gateway::start_listening(keys, &config, |dir| authority.write(dir, "a", "localhost"));
    for (client, status) in [("192.0.2.7", 202), ("203.0.113.7", 403)] {
        let mut stream = connect(gateway.address);
        write!(stream, "PROXY TCP4 {client} 192.0.2.1 51234 443\r\n").unwrap();
        let stream = encrypt_over(stream, &Arc::new(authority.client(&[])), "localhost").unwrap();
        assert_eq!(Client::over(stream).post("/hooks/s", &[], b"{}").status, status, "{client}");
    }
}

#[test]
fn a_sender_is_admitted_by_a_name_in_its_certificate() {
    let (authority, partners, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let keys = "tls = { cert = \"a.pem\", key = \"a.key\", client_ca = \"ca.pem\" }";
    let config = format!("{CONFIG}[[source]]\nname = \"p\"\nclient_cert = [\"Partner-7\", \"proxy.example.com\"]\n");
    let gateway = Gateway::start_listening(keys, &config, |dir| {
        authority.write(dir, "a", "localhost");
        std::fs::write(dir.join("ca.pem"), partners.pem()).unwrap();
    });
    let refused = |config| {
        let answer = client(gateway.address, config).post("/hooks/p", &[], b"{}");
        (answer.status, answer.reason())
    };
    assert_eq!(refused(authority.client(&[])), (401, "missing_certificate".to_owned()));
    assert_eq!(refused(authority.client_named(&partners, "other")), (401, "wrong_certificate".to_owned()));
    let mut partner = client(gateway.address, authority.client_named(&partners, "partner-7"));
    assert_eq!(partner.post("/hooks/p", &[], b"{}").status, 202);
    assert_eq!(partner.post("/hooks/s", &[], b"{}").status, 202, "other sources do not mind");
    assert_eq!(client(gateway.address, authority.client(&[])).post("/hooks/s", &[], b"{}").status, 202);

    // With TLS 1.3 a client learns of it after its own part of the handshake.
    let forged = Arc::new(authority.client_named(&stranger, "partner-7"));
    if let Ok(stream) = encrypt(gateway.address, &forged, "localhost") {
        let mut client = Client::over(stream);
        client.send(&crate::client::request("POST", "/hooks/p", &[], b"{}"));
        assert!(client.ends_badly());
    }
    gateway.wait_for_metric("hookgate_tls_handshakes_failed_total", &[], 1.0);
}

#[test]
fn a_stalled_handshake_is_closed_and_holds_nobody_up() {
    let authority = Authority::new();
    let gateway = start(&authority, &format!("{TLS}\nhead_timeout = \"400ms\""));
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let mut stalled: Vec<_> = (0..100).map(|_| connect(gateway.address)).collect();
    for stream in &mut stalled {
        stream.write_all(hello).unwrap();
    }
    let mut honest = client(gateway.address, authority.client(&[]));
    assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
    for stream in stalled {
        assert!(Client::over(stream).is_closed());
    }
    gateway.wait_for_metric("hookgate_head_timeouts_total", &[], 100.0);
    assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
}

/// As many unfinished handshakes as one io thread has at once.
const UNFINISHED: usize = 1024;

#[test]
fn who_begins_thousands_of_handshakes_makes_room_for_those_that_go_on() {
    let authority = Authority::new();
    let gateway = start(&authority, &format!("{TLS}\nio_threads = 1\nhead_timeout = \"60s\""));
    let over = 30;
    let mut stalled = VecDeque::new();
    for _ in 0..UNFINISHED + over {
        let mut stream = connect(gateway.address);
        stream.write_all(b"\x16\x03\x01").unwrap();
        stalled.push_back(stream);
    }
    gateway.wait_for_metric("hookgate_tls_handshakes_dropped_total", &[], over as f64);
    let mut honest = client(gateway.address, authority.client(&[]));
    assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
    for stream in stalled.drain(..over) {
        assert!(Client::over(stream).is_closed(), "the oldest make room");
    }
    assert_eq!(gateway.metric("hookgate_head_timeouts_total", &[]), 0.0);
    assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
}

#[test]
fn what_is_no_tls_is_closed() {
    let authority = Authority::new();
    let gateway = start(&authority, TLS);
    let mut plain = Client::connect(gateway.address);
    plain.send(&crate::client::request("POST", "/hooks/s", &[], b"{}"));
    assert!(plain.ends_badly());
    gateway.wait_for_metric("hookgate_tls_handshakes_failed_total", &[], 1.0);
}

#[test]
fn a_certificate_that_does_not_fit_its_key_stops_the_start() {
    let authority = Authority::new();
    let remains = start(&authority, TLS).end();
    std::fs::copy(remains.path().join("a.key"), remains.path().join("old.key")).unwrap();
    authority.write(remains.path(), "a", "localhost");
    std::fs::rename(remains.path().join("old.key"), remains.path().join("a.key")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hookgate"))
        .args(["run", "--allow-root"])
        .current_dir(remains.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a.pem cannot be used with its key"), "{said}");
}
