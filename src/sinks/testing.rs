//! What the tests of the sinks share: deliveries, routes, a worker's runtime, and a processor made of plain blocking
//! sockets, so that no code under test stands on both ends of a connection.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::config::{
    BreakerConfig, HttpSink as HttpConfig, HttpTls, QueueConfig, Reach, RetryConfig, RouteConfig, SinkConfig, WhenFull,
};
use crate::event::Event;
use crate::routes::{Delivery, Failure, Outcome, Outcomes, Sink};
use crate::sinks::factory;

pub(super) fn delivery(body: &[u8]) -> Delivery {
    let headers: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
    delivery_of(Event::for_test("stripe", Some("invoice.paid"), "evt_1", &headers, body))
}

pub(super) fn delivery_of(event: Event) -> Delivery {
    Delivery::new(event, Arc::from("billing"), 1)
}

pub(super) fn route(to: SinkConfig) -> RouteConfig {
    RouteConfig {
        name: "billing".to_owned(),
        from: Vec::new(),
        signed_type: false,
        conditions: Vec::new(),
        pool: 0,
        in_flight: 64,
        batch: None,
        max_rate: None,
        queue: QueueConfig { events: 1000, bytes: 1 << 20 },
        when_full: WhenFull::Refuse,
        from_start: crate::config::FromStart::Now,
        backlog: crate::config::BacklogConfig { size: 1 << 30, when_full: crate::config::BacklogFull::RefuseSource },
        retry: RetryConfig {
            attempts: 1,
            first: Duration::from_secs(1),
            max: Duration::from_secs(1),
            age: Duration::from_secs(1),
            final_statuses: Vec::new(),
        },
        max_parked: 100_000,
        breaker: BreakerConfig { failures: 1, probe_every: Duration::from_secs(1), pause_after_dead: 1 },
        to,
    }
}

pub(super) fn http(url: &str) -> HttpConfig {
    HttpConfig {
        url: url.parse().unwrap(),
        headers: Vec::new(),
        auth: None,
        tls: HttpTls::default(),
        sign: Vec::new(),
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        reach: Reach::default(),
    }
}

pub(super) fn sink(to: SinkConfig) -> Box<dyn Sink> {
    factory(&route(to), None).unwrap()()
}

pub(super) fn http_sink(config: HttpConfig) -> Box<dyn Sink> {
    sink(SinkConfig::Http(Box::new(config)))
}

/// A worker's thread, as far as sinks see it.
pub(super) fn on_a_worker<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

pub(super) async fn deliver(sink: &dyn Sink, delivery: Delivery) -> Outcome {
    match sink.deliver(&[delivery]).await {
        Outcomes::All(outcome) => outcome,
        other => panic!("one delivery: {other:?}"),
    }
}

pub(super) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Delivered => panic!("delivered"),
    }
}

/// What a processor received, and where.
#[derive(Debug)]
pub(super) struct Received {
    /// Counted from 0 over the processor.
    pub(super) connection: usize,
    /// Counted from 0 on the connection.
    pub(super) nth: usize,
    pub(super) line: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} came {} times", all.len());
        all.first().copied()
    }
}

/// What a processor does about a request.
pub(super) enum Step {
    /// Writes this and reads the next request.
    Answer(Vec<u8>),
    /// Writes this and closes the connection.
    Close(Vec<u8>),
    /// Writes this and then waits for the other side to close.
    Hold(Vec<u8>),
}

/// An answer with this status line and these headers, each ended by a line break.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(super) fn ok() -> Step {
    Step::Answer(answer("200 OK", "", "fine"))
}

pub(super) struct Processor {
    pub(super) address: SocketAddr,
    pub(super) requests: Receiver<Received>,
    /// The number of each connection that the other side has closed while it was held.
    pub(super) left: Receiver<usize>,
}

impl Processor {
    pub(super) fn start(script: impl Fn(&Received) -> Step + Send + Sync + 'static) -> Self {
        Self::start_with(|socket| socket, script)
    }

    pub(super) fn start_tls(
        config: rustls::ServerConfig,
        script: impl Fn(&Received) -> Step + Send + Sync + 'static,
    ) -> Self {
        let config = Arc::new(config);
        let wrap =
            move |socket| rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        Self::start_with(wrap, script)
    }

    fn start_with<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        script: impl Fn(&Received) -> Step + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        let (leaving, left) = channel();
        let (wrap, script) = (Arc::new(wrap), Arc::new(script));
        thread::spawn(move || {
            for (connection, socket) in listener.incoming().enumerate() {
                let (wrap, script, sender) = (Arc::clone(&wrap), Arc::clone(&script), sender.clone());
                let leaving = leaving.clone();
                thread::spawn(move || {
                    let mut socket = socket.unwrap();
                    let mut raw = socket.try_clone().unwrap();
                    serve(&mut wrap(socket.try_clone().unwrap()), connection, &*script, &sender, &leaving);
                    // Whatever has not been read would turn the end of the connection into a reset, which may overtake
                    // an answer or an alert.
                    let _ = socket.shutdown(std::net::Shutdown::Write);
                    let _ = raw.set_read_timeout(Some(Duration::from_secs(5)));
                    let _ = std::io::copy(&mut raw, &mut std::io::sink());
                    let _ = socket.flush();
                });
            }
        });
        Self { address, requests, left }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?from=gateway", self.address)
    }

    pub(super) fn next(&self) -> Received {
        self.requests.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

fn serve<S: Read + Write>(
    stream: &mut S,
    connection: usize,
    script: &dyn Fn(&Received) -> Step,
    sender: &Sender<Received>,
    leaving: &Sender<usize>,
) {
    for nth in 0.. {
        let Some(received) = receive(stream, connection, nth) else { return };
        let step = script(&received);
        let _ = sender.send(received);
        let (Step::Answer(bytes) | Step::Close(bytes) | Step::Hold(bytes)) = &step;
        if stream.write_all(bytes).and_then(|()| stream.flush()).is_err() {
            return;
        }
        match step {
            Step::Answer(_) => {}
            Step::Close(_) => return,
            Step::Hold(_) => {
                let _ = std::io::copy(stream, &mut std::io::sink());
                let _ = leaving.send(connection);
                return;
            }
        }
    }
}

fn receive(stream: &mut impl Read, connection: usize, nth: usize) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = String::from_utf8(lines.next()?.to_vec()).unwrap();
    let headers: Vec<(String, Vec<u8>)> = lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let colon = line.iter().position(|&byte| byte == b':').unwrap();
            let name = String::from_utf8(line[..colon].to_ascii_lowercase()).unwrap();
            (name, line[colon + 1..].trim_ascii().to_vec())
        })
        .collect();
    let mut received = Received { connection, nth, line, headers, body: Vec::new() };
    received.body = vec![0; received.header("content-length").unwrap().parse().unwrap()];
    stream.read_exact(&mut received.body).ok()?;
    Some(received)
}
