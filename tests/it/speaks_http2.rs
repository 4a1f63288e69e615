//! HTTP/2, as honest clients speak it and as floods do.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame as Data, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::encrypted::{
    Authority, CONTINUATION, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, POST, PRIORITY, RST_STREAM,
    SETTINGS, frame,
};
use crate::gateway::Gateway;

const CONFIG: &str = r#"
[[source]]
name = "s"
auth = "none"
ack = "memory"
event_type = { json = "/type" }
[[route]]
name = "all"
from = { source = "*" }
to = "discard"
"#;

fn start(authority: &Authority, keys: &str) -> Gateway {
    let keys = format!("tls = {{ cert = \"a.pem\", key = \"a.key\" }}\n{keys}");
    Gateway::start_listening(&keys, CONFIG, |dir| authority.write(dir, "a", "localhost"))
}

/// A body that never ends, and does not even begin.
struct Silence;

impl Body for Silence {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Data<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

type Sent = Either<Full<Bytes>, Silence>;

async fn connect(gateway: &Gateway, authority: &Authority) -> SendRequest<Sent> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(authority.client(&["h2"])));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn post(path: &str, body: Sent) -> http::Request<Sent> {
    http::Request::post(format!("https://localhost{path}")).body(body).unwrap()
}

fn whole(body: &'static [u8]) -> Sent {
    Either::Left(Full::new(Bytes::from_static(body)))
}

async fn status_and_text(response: http::Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn many_requests_at_once_share_a_connection() {
    let authority = Authority::new();
    let gateway = start(&authority, "");
    run(async {
        let sender = connect(&gateway, &authority).await;
        let large: &'static [u8] = vec![b'a'; 300_000].leak();
        let answers: Vec<_> = (0..200)
            .map(|at| {
                let mut sender = sender.clone();
                tokio::spawn(async move {
                    sender.ready().await.unwrap();
                    let body = if at % 50 == 0 { large } else { br#"{"type":"a"}"# };
                    sender.send_request(post("/hooks/s", whole(body))).await.unwrap()
                })
            })
            .collect();
        for answer in answers {
            let (status, text) = status_and_text(answer.await.unwrap()).await;
            assert_eq!(status, 202, "{text}");
        }
        let mut sender = sender;
        let refused = status_and_text(sender.send_request(post("/nowhere", whole(large))).await.unwrap()).await;
        assert_eq!(refused.0, 404);
        let after = sender.send_request(post("/hooks/s", whole(b"{}"))).await.unwrap();
        assert_eq!(after.status(), 202, "a refusal ends its stream and no other");
        assert!(!after.headers().contains_key("connection"));
    });
    assert_eq!(gateway.metric("hookgate_connections_total", &[]), 1.0);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 201.0);
}

#[test]
fn a_body_that_does_not_come_is_refused_and_the_other_streams_go_on() {
    let authority = Authority::new();
    let gateway = start(&authority, "body_timeout = \"200ms\"");
    run(async {
        let mut sender = connect(&gateway, &authority).await;
        let slow = sender.send_request(post("/hooks/s", Either::Right(Silence)));
        let quick = sender.clone().send_request(post("/hooks/s", whole(b"{}"))).await.unwrap();
        assert_eq!(quick.status(), 202);
        let (status, text) = status_and_text(slow.await.unwrap()).await;
        assert_eq!(status, 408, "{text}");
        assert_eq!(sender.send_request(post("/hooks/s", whole(b"{}"))).await.unwrap().status(), 202);
    });
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let authority = Authority::new();
    let gateway = start(&authority, "");
    run(async {
        let mut sender = connect(&gateway, &authority).await;
        let mut request = post("/hooks/s", whole(b"{}"));
        request.headers_mut().insert("x-long", "a".repeat(20_000).parse().unwrap());
        if let Ok(answer) = sender.send_request(request).await {
            assert_eq!(answer.status(), 431);
        }
        let mut other = connect(&gateway, &authority).await;
        assert_eq!(other.send_request(post("/hooks/s", whole(b"{}"))).await.unwrap().status(), 202);
    });
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 1.0);
}

#[test]
fn an_idle_connection_is_told_to_go() {
    let authority = Authority::new();
    let gateway = start(&authority, "idle_timeout = \"200ms\"\nhead_timeout = \"200ms\"");
    let mut silent = Frames::connect(gateway.address, &authority);
    let mut served = Frames::connect(gateway.address, &authority);
    served.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, POST)).unwrap();
    for client in [&mut silent, &mut served] {
        let is_told = std::iter::from_fn(|| client.next()).any(|(kind, ..)| kind == GOAWAY);
        assert!(is_told);
        assert!(client.ends());
    }
    gateway.wait_for_metric("hookgate_idle_timeouts_total", &[], 1.0);
    gateway.wait_for_metric("hookgate_head_timeouts_total", &[], 1.0);
}

/// Sends the same frames over and over, and the connection ends; meanwhile an honest client is served.
fn flood(gateway: &Gateway, authority: &Authority, frames: impl Fn(u32) -> Vec<u8> + Sync, times: u32) {
    let mut honest = crate::encrypted::client(gateway.address, authority.client(&[]));
    let mut attacker = Frames::connect(gateway.address, authority);
    thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..times {
                if attacker.send(&frames(at)).is_err() {
                    break;
                }
            }
            assert!(attacker.ends());
        });
        for _ in 0..20 {
            assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
        }
    });
    assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
}

#[test]
fn a_rapid_reset_ends_its_connection_and_no_other() {
    let authority = Authority::new();
    let gateway = start(&authority, "");
    let open_and_reset = |at: u32| {
        let stream = at * 2 + 1;
        let open = frame(HEADERS, END_HEADERS, stream, POST);
        [open, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let many = |at: u32| (0..100).flat_map(|one| open_and_reset(at * 100 + one)).collect::<Vec<u8>>();
    flood(&gateway, &authority, many, 1000);
}

#[test]
fn floods_of_frames_that_belong_to_no_request_end_their_connection() {
    let authority = Authority::new();
    let gateway = start(&authority, "");
    let ping = frame(PING, 0, 0, &[0; 8]).repeat(500);
    let settings = frame(SETTINGS, 0, 0, b"\0\x04\0\x01\0\0").repeat(500);
    let priority = frame(PRIORITY, 0, 1, b"\0\0\0\0\x10").repeat(500);
    for (at, frames) in [ping, settings, priority].into_iter().enumerate() {
        flood(&gateway, &authority, |_| frames.clone(), 200);
        gateway.wait_for_metric("hookgate_http2_floods_total", &[], at as f64 + 1.0);
    }
}

#[test]
fn a_head_without_end_ends_its_connection() {
    let authority = Authority::new();
    let gateway = start(&authority, "");
    let endless = |at: u32| {
        if at == 0 { frame(HEADERS, 0, 1, POST) } else { frame(CONTINUATION, 0, 1, b"\0\x01a\x01b").repeat(100) }
    };
    flood(&gateway, &authority, endless, 1000);
}
