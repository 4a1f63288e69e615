//! HTTP/2, as honest clients speak it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame as Data, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::encrypted::{Authority, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, POST, frame};
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

/// A gateway that takes everything at `/hooks/s` and speaks TLS.
pub fn start(authority: &Authority, keys: &str) -> Gateway {
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
fn an_address_has_its_share_of_the_requests_of_a_connection() {
    let authority = Authority::new();
    let gateway = start(&authority, "max_requests_per_address = 2");
    run(async {
        let mut sender = connect(&gateway, &authority).await;
        let begun: Vec<_> = (0..2).map(|_| sender.send_request(post("/hooks/s", Either::Right(Silence)))).collect();
        let refused = sender.send_request(post("/hooks/s", whole(b"{}"))).await.unwrap();
        assert_eq!(status_and_text(refused).await.0, 429);
        // Given up, they leave their places.
        drop(begun);
        while sender.send_request(post("/hooks/s", whole(b"{}"))).await.unwrap().status() != 202 {}
    });
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 1.0);
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
