//! HTTP sinks against real servers: what is sent, what counts as delivered, and which connections are used again.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use http::HeaderName;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::*;
use crate::config::{Fill, HttpAuth, Reach, Secret, SinkConfig};
use crate::event::Event;
use crate::sinks::factory;
use crate::sinks::testing::{
    self as testing, Processor as Server, Step, answer, deliver, delivery, delivery_of, failure, http, http_sink, ok,
    on_a_worker,
};

mod tls;

#[test]
fn the_body_arrives_byte_for_byte_with_all_that_is_known_of_the_event() {
    let server = Server::start(|_| ok());
    let sink = http_sink(http(&server.url()));
    let event = Event::for_test(
        "größe",
        Some("invoice paid"),
        "evt.1",
        &[
            ("content-type", b"text/plain; charset=latin1"),
            ("x-github-event", b"push"),
            ("x-two", b"1"),
            ("x-two", b"2"),
        ],
        b" {\"a\":\n1}\r\n\xff\0",
    );
    let outcome = on_a_worker(deliver(&*sink, Delivery::new(event, Arc::from("billing"), 7)));
    assert_eq!(outcome, Outcome::Delivered);

    let seen = server.next();
    assert_eq!(seen.line, "POST /hook?from=gateway HTTP/1.1");
    assert_eq!(seen.body, b" {\"a\":\n1}\r\n\xff\0");
    assert_eq!(seen.header("host"), Some(server.address.to_string().as_str()));
    assert_eq!(seen.header("content-type"), Some("text/plain; charset=latin1"));
    assert_eq!(seen.header("content-length"), Some("13"));
    assert_eq!(seen.header("user-agent"), Some(concat!("hookgate/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(seen.header("x-github-event"), Some("push"));
    assert_eq!(seen.all("x-two"), ["1", "2"]);
    assert_eq!(seen.header("webhook-id"), Some("gr%C3%B6%C3%9Fe:evt%2E1"));
    assert_eq!(seen.header("hookgate-source"), Some("gr%C3%B6%C3%9Fe"));
    assert_eq!(seen.header("hookgate-type"), Some("invoice%20paid"));
    assert_eq!(seen.header("hookgate-attempt"), Some("7"));
    assert_eq!(seen.header("webhook-signature"), None);
    let sent: u64 = seen.header("webhook-timestamp").unwrap().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(sent <= now && now - sent < 3600, "{sent} is in seconds of now, {now}");
    assert_eq!(seen.headers.len(), 12, "nothing else is sent: {:?}", seen.headers);
}

#[test]
fn what_is_not_known_is_not_sent() {
    let server = Server::start(|_| ok());
    let sink = http_sink(http(&format!("http://{}", server.address)));
    let event = Event::for_test("erp", None, "1", &[], b"");
    assert_eq!(on_a_worker(deliver(&*sink, delivery_of(event))), Outcome::Delivered);
    let seen = server.next();
    assert_eq!(seen.line, "POST / HTTP/1.1");
    assert_eq!(seen.header("content-length"), Some("0"));
    assert_eq!((seen.header("content-type"), seen.header("hookgate-type")), (None, None));
}

#[test]
fn a_large_body_arrives_whole() {
    let server = Server::start(|_| ok());
    let sink = http_sink(http(&server.url()));
    let body: Vec<u8> = (0..3_000_000_u32).map(|place| (place % 251) as u8).collect();
    assert_eq!(on_a_worker(deliver(&*sink, delivery(&body))), Outcome::Delivered);
    assert!(server.next().body == body);
}

#[test]
fn each_secret_signs_id_time_and_body() {
    let server = Server::start(|_| ok());
    let mut config = http(&server.url());
    config.sign = vec![Secret::new("whsec_Zmlyc3Qgc2VjcmV0"), Secret::new("c2Vjb25kIHNlY3JldA==")];
    let sink = http_sink(config);
    assert_eq!(on_a_worker(deliver(&*sink, delivery(b"{\"a\":1}"))), Outcome::Delivered);

    let seen = server.next();
    let content =
        format!("{}.{}.{{\"a\":1}}", seen.header("webhook-id").unwrap(), seen.header("webhook-timestamp").unwrap());
    let expected = [b"first secret".as_slice(), b"second secret"]
        .map(|key| format!("v1,{}", BASE64.encode(&hmac_sha256(key, content.as_bytes()))));
    assert_eq!(seen.header("webhook-signature"), Some(expected.join(" ").as_str()));
}

/// RFC 2104, from the hash alone, for keys that are shorter than a block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |byte: u8| -> Vec<u8> { (0..64).map(|place| key.get(place).unwrap_or(&0) ^ byte).collect() };
    let inner = Sha256::digest([padded(0x36).as_slice(), message].concat());
    Sha256::digest([padded(0x5c).as_slice(), &inner].concat()).to_vec()
}

#[test]
fn a_sender_cannot_set_what_the_delivery_says() {
    let server = Server::start(|_| ok());
    let mut config = http(&server.url());
    config.headers = vec![
        (HeaderName::from_static("x-tenant"), Fill::Text("ours".to_owned())),
        (HeaderName::from_static("x-key"), Fill::Secret(Secret::new("k"))),
    ];
    config.auth = Some(HttpAuth::Basic { user: "me".to_owned(), password: Secret::new("pass:word") });
    let sink = http_sink(config);
    let forged: [(&str, &[u8]); 13] = [
        ("authorization", b"Basic forged"),
        ("connection", b"close"),
        ("content-length", b"99"),
        ("expect", b"100-continue"),
        ("hookgate-anything", b"forged"),
        ("hookgate-type", b"forged"),
        ("host", b"forged"),
        ("transfer-encoding", b"chunked"),
        ("user-agent", b"forged"),
        ("webhook-id", b"forged"),
        ("webhook-signature", b"forged"),
        ("x-tenant", b"forged"),
        ("x-kept", b"kept"),
    ];
    let event = Event::for_test("erp", None, "1", &forged, b"{}");
    assert_eq!(on_a_worker(deliver(&*sink, delivery_of(event))), Outcome::Delivered);

    let seen = server.next();
    assert_eq!(seen.header("x-kept"), Some("kept"));
    assert_eq!(seen.header("x-tenant"), Some("ours"));
    assert_eq!(seen.header("x-key"), Some("k"));
    assert_eq!(seen.header("authorization"), Some("Basic bWU6cGFzczp3b3Jk"));
    assert_eq!(seen.header("content-length"), Some("2"));
    assert_eq!(seen.header("webhook-id"), Some("erp:1"));
    for (name, value) in &seen.headers {
        assert!(!value.windows(6).any(|part| part == b"forged"), "{name} is the sender's");
    }
    for gone in ["connection", "expect", "hookgate-anything", "transfer-encoding", "webhook-signature"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
}

#[test]
fn a_bearer_token_and_a_host_of_ones_own_are_sent() {
    let server = Server::start(|_| ok());
    let mut config = http(&server.url());
    config.auth = Some(HttpAuth::Bearer(Secret::new("token")));
    config.headers = vec![(HeaderName::from_static("host"), Fill::Text("inside.example".to_owned()))];
    let sink = http_sink(config);
    assert_eq!(on_a_worker(deliver(&*sink, delivery(b"{}"))), Outcome::Delivered);
    let seen = server.next();
    assert_eq!(seen.header("authorization"), Some("Bearer token"));
    assert_eq!(seen.header("host"), Some("inside.example"));
}

#[test]
fn a_hundred_deliveries_need_one_connection() {
    let server = Server::start(|_| ok());
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        for number in 0..100 {
            assert_eq!(deliver(&*sink, delivery(format!("{number}").as_bytes())).await, Outcome::Delivered);
        }
    });
    for number in 0..100 {
        let seen = server.next();
        assert_eq!((seen.connection, seen.nth, seen.body), (0, number, format!("{number}").into_bytes()));
    }
}

#[test]
fn one_sink_delivers_64_at_once_and_reuses_their_connections() {
    // No request is answered before all have come.
    let all = Barrier::new(64);
    let server = Server::start(move |_| {
        all.wait();
        ok()
    });
    let sink: Rc<dyn Sink> = Rc::from(http_sink(http(&server.url())));
    on_a_worker(async {
        for _ in 0..2 {
            let mut at_once = JoinSet::new();
            for _ in 0..64 {
                let sink = Rc::clone(&sink);
                at_once.spawn_local(async move { deliver(&*sink, delivery(b"{}")).await });
            }
            while let Some(outcome) = at_once.join_next().await {
                assert_eq!(outcome.unwrap(), Outcome::Delivered);
            }
        }
    });
    let connections: HashSet<_> = (0..128).map(|_| server.next().connection).collect();
    assert_eq!(connections.len(), 64);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used() {
    let server = Server::start(|_| Step::Close(answer("200 OK", "", "")));
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        for _ in 0..5 {
            assert_eq!(deliver(&*sink, delivery(b"{}")).await, Outcome::Delivered);
        }
    });
}

#[test]
fn a_connection_that_the_answer_closes_is_not_used_again() {
    let server = Server::start(|_| Step::Answer(answer("200 OK", "connection: close\r\n", "bye")));
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        for number in 0..3 {
            assert_eq!(deliver(&*sink, delivery(b"{}")).await, Outcome::Delivered);
            let seen = server.next();
            assert_eq!((seen.connection, seen.nth), (number, 0));
        }
    });
}

#[test]
fn a_request_that_meets_the_end_of_a_reused_connection_goes_out_once_more() {
    let server = Server::start(|request| match (request.connection, request.nth) {
        (0, 1) => Step::Close(Vec::new()),
        _ => ok(),
    });
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        assert_eq!(deliver(&*sink, delivery(b"first")).await, Outcome::Delivered);
        assert_eq!(deliver(&*sink, delivery(b"second")).await, Outcome::Delivered);
    });
    let seen: Vec<_> = (0..3).map(|_| server.next()).map(|seen| (seen.connection, seen.body)).collect();
    assert_eq!(seen, [(0, b"first".to_vec()), (0, b"second".to_vec()), (1, b"second".to_vec())]);
}

#[test]
fn a_new_connection_that_ends_without_an_answer_is_a_failure() {
    let server = Server::start(|_| Step::Close(Vec::new()));
    let sink = http_sink(http(&server.url()));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::BrokenAnswer);
    server.next();
    assert!(server.requests.try_recv().is_err(), "it was tried once");
}

#[test]
fn what_is_no_http_is_a_broken_answer() {
    for garbage in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 9999 ?\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let server = Server::start(|_| Step::Close(garbage.as_bytes().to_vec()));
        let sink = http_sink(http(&server.url()));
        let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
        assert_eq!(failed.kind, FailureKind::BrokenAnswer, "{garbage:?}: {}", failed.detail);
        assert!(!failed.detail.is_empty());
    }
}

#[test]
fn a_success_that_is_cut_short_is_a_broken_answer() {
    let server = Server::start(|_| Step::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()));
    let sink = http_sink(http(&server.url()));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::BrokenAnswer);
}

#[test]
fn a_failure_that_is_cut_short_keeps_its_status() {
    let server = Server::start(|_| Step::Close(b"HTTP/1.1 410 Gone\r\ncontent-length: 10\r\n\r\nhalf".to_vec()));
    let sink = http_sink(http(&server.url()));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!((failed.kind, failed.detail.as_str()), (FailureKind::Status(410), "half"));
}

#[test]
fn no_answer_in_time_is_a_timeout() {
    for start in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let server = Server::start(|_| Step::Hold(start.as_bytes().to_vec()));
        let mut config = http(&server.url());
        config.timeout = Duration::from_millis(200);
        let sink = http_sink(config);
        on_a_worker(async {
            let failed = failure(deliver(&*sink, delivery(b"{}")).await);
            assert_eq!(failed.kind, FailureKind::Timeout, "after {start:?}");
            // The connection is given up with the attempt.
            tokio::task::spawn_blocking(move || server.left.recv_timeout(Duration::from_secs(20)).unwrap())
                .await
                .unwrap();
        });
    }
}

#[test]
fn an_attempt_that_is_dropped_takes_its_connection_with_it() {
    let server = Server::start(|request| if request.body == b"wait" { Step::Hold(Vec::new()) } else { ok() });
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        assert_eq!(deliver(&*sink, delivery(b"first")).await, Outcome::Delivered);
        let batch = [delivery(b"wait")];
        let mut given_up = sink.deliver(&batch);
        let server = tokio::select! {
            outcome = &mut given_up => panic!("there was no answer: {outcome:?}"),
            server = tokio::task::spawn_blocking(move || {
                assert_eq!(server.next().connection, 0);
                assert_eq!(server.next().body, b"wait");
                server
            }) => server.unwrap(),
        };
        drop(given_up);
        let server = tokio::task::spawn_blocking(move || {
            assert_eq!(server.left.recv_timeout(Duration::from_secs(20)).unwrap(), 0);
            server
        });
        let server = server.await.unwrap();
        assert_eq!(deliver(&*sink, delivery(b"next")).await, Outcome::Delivered);
        assert_eq!(server.next().connection, 1);
    });
}

#[test]
fn a_refusal_is_told_with_its_status_its_text_and_its_wish() {
    let long = "ü".repeat(1000);
    let server = Server::start(move |request| {
        Step::Answer(match request.body.as_slice() {
            b"busy" => answer("503 Service Unavailable", "retry-after: 17\r\n", "come back later"),
            b"bad" => answer("422 Unprocessable Content", "", &long),
            _ => answer("500 Internal Server Error", "retry-after: soon\r\n", ""),
        })
    });
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        let busy = failure(deliver(&*sink, delivery(b"busy")).await);
        assert_eq!((busy.kind, busy.detail.as_str()), (FailureKind::Status(503), "come back later"));
        assert_eq!(busy.retry_after, Some(Duration::from_secs(17)));
        let bad = failure(deliver(&*sink, delivery(b"bad")).await);
        assert_eq!((bad.kind, bad.detail), (FailureKind::Status(422), "ü".repeat(256)));
        let other = failure(deliver(&*sink, delivery(b"other")).await);
        assert_eq!((other.kind, other.detail.as_str(), other.retry_after), (FailureKind::Status(500), "", None));
    });
    let connections: Vec<_> = (0..3).map(|_| server.next().connection).collect();
    assert_eq!(connections, [0, 0, 0], "a refusal does not cost the connection");
}

#[test]
fn a_private_address_is_refused_however_it_is_written_and_reached_if_allowed() {
    let server = Server::start(|_| ok());
    let port = server.address.port();
    let denying = Reach { deny_private: true, allow: Vec::new() };
    for host in ["127.0.0.1", "127.1", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "localhost"] {
        let sink = http_sink(HttpConfig { reach: denying.clone(), ..http(&format!("http://{host}:{port}/")) });
        let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
        assert_eq!(failed.kind, FailureKind::Connect);
        assert!(failed.detail.contains("`deny_private` refuses"), "{host}: {}", failed.detail);
    }
    let reach = Reach { allow: vec!["127.0.0.0/8".parse().unwrap()], ..denying };
    let sink = http_sink(HttpConfig { reach, ..http(&server.url()) });
    assert_eq!(on_a_worker(deliver(&*sink, delivery(b"{}"))), Outcome::Delivered);
    assert_eq!(server.next().connection, 0, "those that were refused have not come as far as a connection");
}

#[test]
fn a_redirect_is_a_failure_and_not_followed() {
    let elsewhere = Server::start(|_| ok());
    let location = format!("location: {}\r\n", elsewhere.url());
    let server = Server::start(move |_| Step::Answer(answer("307 Temporary Redirect", &location, "")));
    let sink = http_sink(http(&server.url()));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::Status(307));
    assert!(failed.detail.contains(&elsewhere.url()), "{}", failed.detail);
    assert!(elsewhere.requests.try_recv().is_err());
}

#[test]
fn a_long_answer_to_a_success_is_not_read_to_its_end() {
    let body = "x".repeat(1 << 20);
    let server = Server::start(move |_| Step::Answer(answer("200 OK", "", &body)));
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        assert_eq!(deliver(&*sink, delivery(b"1")).await, Outcome::Delivered);
        assert_eq!(deliver(&*sink, delivery(b"2")).await, Outcome::Delivered);
    });
    assert_eq!([server.next().connection, server.next().connection], [0, 1]);
}

#[test]
fn a_chunked_answer_leaves_the_connection_usable() {
    let chunked = b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n";
    let server = Server::start(|_| Step::Answer(chunked.to_vec()));
    let sink = http_sink(http(&server.url()));
    on_a_worker(async {
        assert_eq!(deliver(&*sink, delivery(b"1")).await, Outcome::Delivered);
        assert_eq!(deliver(&*sink, delivery(b"2")).await, Outcome::Delivered);
    });
    assert_eq!([server.next().connection, server.next().connection], [0, 0]);
}

#[test]
fn nobody_at_the_port_is_no_connection() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sink = http_sink(http(&format!("http://{free}/")));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::Connect);
    assert!(failed.detail.contains(&free.port().to_string()), "{}", failed.detail);
}

#[test]
fn a_connection_that_has_been_idle_too_long_is_given_up() {
    let server = Server::start(|_| ok());
    let sink = HttpSink::new(Arc::new(Processor::new("billing", &http(&server.url())).unwrap()));
    on_a_worker(async {
        let now = Instant::now();
        for kept in 1..=2 {
            let connection = sink.processor.target.connect().await.unwrap();
            sink.idle.put(connection, now).await;
            assert_eq!(sink.idle.len(), kept);
        }
        assert!(sink.idle.take(now + idle::IDLE_MAX).is_some());
        assert!(sink.idle.take(now + idle::IDLE_MAX + Duration::from_millis(1)).is_none());
        assert_eq!(sink.idle.len(), 0);
    });
}

#[test]
fn what_cannot_be_sent_is_found_before_the_first_delivery() {
    let refused = |change: &dyn Fn(&mut HttpConfig)| {
        let mut config = http("http://127.0.0.1:1/");
        change(&mut config);
        factory(&testing::route(SinkConfig::Http(Box::new(config))), None).err().unwrap().to_string()
    };
    let text = |name: &'static str, value: &str| {
        let header = (HeaderName::from_static(name), Fill::Text(value.to_owned()));
        refused(&move |config| config.headers = vec![header.clone()])
    };
    assert!(text("webhook-id", "1").contains("`webhook-id`"));
    assert!(text("transfer-encoding", "chunked").contains("`transfer-encoding`"));
    assert!(text("x-a", "a\r\nx-b: b").contains("line break"));
    let secret = refused(&|config| config.auth = Some(HttpAuth::Bearer(Secret::new("hush\n"))));
    assert!(secret.contains("`authorization`") && !secret.contains("hush"), "{secret}");
    assert!(refused(&|config| config.sign = vec![Secret::new("whsec_***")]).contains("base64"));
    assert!(refused(&|config| config.url = "ftp://host/".parse().unwrap()).contains("http://"));
    let user = refused(&|config| config.url = "http://me:hush@host/".parse().unwrap());
    assert!(user.contains("`auth`") && !user.contains("hush"), "{user}");
    assert!(refused(&|config| config.url = "/path".parse().unwrap()).contains("no host"));
}
