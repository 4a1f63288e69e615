//! What must hold of whatever comes on a connection: each request is answered as a model of it says, and becomes an event if
//! the model says so, with its bytes and no others.
//!
//! One gateway is started for all inputs, and each input has a connection of its own to it.

mod asked;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use self::asked::{Asked, BODY_MAX, Choices, OPEN, SIGNED, Then};
use crate::config::Config;
use crate::gateway::Gateway;

/// How long anything may take that must come. Nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent at once and is no longer is read at once.
const AT_ONCE_MAX: usize = 4096;

/// An event: its source and its body.
type Seen = (String, Vec<u8>);

/// Up to eight requests on a connection, at once or in pieces.
pub(super) fn on_a_connection(data: &[u8]) {
    let mut choices = Choices(data);
    let piece = usize::from(choices.of(64));
    let mut requests = vec![asked::request(&mut choices)];
    while !choices.0.is_empty() && requests.len() < 8 {
        requests.push(asked::request(&mut choices));
    }
    let bytes: Vec<u8> = requests.iter().flat_map(|asked| asked.bytes.iter().copied()).collect();
    let is_at_once = piece == 0 && bytes.len() <= AT_ONCE_MAX;
    let piece = if piece == 0 { bytes.len() } else { piece };
    let came = FRONT.lock().unwrap_or_else(PoisonError::into_inner).send(&bytes, piece);
    let possible = possible(&requests, is_at_once);
    assert!(
        possible.contains(&came),
        "in pieces of {piece}:\n{}\nanswers and events: {came:?}\none of: {possible:?}",
        bytes.escape_ascii()
    );
}

/// The answers and the events that may come of requests behind one another.
fn possible(requests: &[Asked], is_at_once: bool) -> Vec<(Vec<u16>, Vec<Seen>)> {
    let mut all = Vec::new();
    let (mut answers, mut events) = (Vec::new(), Vec::new());
    for asked in requests {
        answers.extend(&asked.answers);
        events.extend(asked.event.iter().map(|(source, body)| ((*source).to_owned(), body.clone())));
        match asked.then {
            Then::Closes => {
                all.push((answers, events));
                return all;
            }
            Then::GoesOnIfItHasCome if !is_at_once => all.push((answers.clone(), events.clone())),
            Then::GoesOnIfItHasCome | Then::GoesOn => {}
        }
    }
    all.push((answers, events));
    all
}

/// The gateway, and a connection on which an event is posted that tells that no other comes.
struct Front {
    _gateway: Gateway,
    address: SocketAddr,
    last: TcpStream,
    events: Receiver<Seen>,
}

static FRONT: LazyLock<Mutex<Front>> = LazyLock::new(|| Mutex::new(Front::start()));

const LAST: &[u8] = b"POST /hooks/open HTTP/1.1\r\nHost: a\r\nContent-Length: 72\r\n\r\n\
    No other body has as many bytes as this one, so that it is the last one.";

/// More than a body of [`asked`] has.
const LAST_BYTES: usize = 72;

impl Front {
    fn start() -> Self {
        let text = format!(
            r#"
[gateway]
listen = "127.0.0.1:0"
admin = false
io_threads = 1
idle_timeout = "1h"
max_body = "{BODY_MAX}B"
[journal]
dir = "../target/requests"
[[source]]
name = "{SIGNED}"
preset = "github"
secret = {{ file = "demo-secret" }}
ack = "memory"
[[source]]
name = "{OPEN}"
auth = "none"
ack = "memory"
[[pool]]
name = "one"
workers = 1
[[route]]
name = "all"
from = {{ source = "*" }}
pool = "one"
to = "handler"
"#
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/nowhere.toml");
        let config = Config::parse(&text, &path).expect("a configuration");
        let (sender, events) = channel();
        let gateway = Gateway::builder().config(config).handler("all", move |deliveries| {
            for delivery in deliveries {
                let event = delivery.event();
                // Nobody listens when the process ends.
                let _ = sender.send((event.source().to_owned(), event.body().to_vec()));
            }
            Ok(())
        });
        let gateway = gateway.start().expect("a gateway");
        let address = gateway.addresses().first().copied().expect("an address");
        Self { _gateway: gateway, address, last: connect(address), events }
    }

    /// Sends the bytes in pieces on a connection of their own: the statuses of all answers, and the events.
    fn send(&mut self, bytes: &[u8], piece: usize) -> (Vec<u16>, Vec<Seen>) {
        let mut stream = connect(self.address);
        for piece in bytes.chunks(piece) {
            // The gateway may have closed it.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let mut came = Vec::new();
        match stream.read_to_end(&mut came) {
            Ok(_) => {}
            Err(error) => assert!(error.kind() == ErrorKind::ConnectionReset, "it is not closed: {error}"),
        }
        let mut rest = came.as_slice();
        let answers = std::iter::from_fn(|| take_answer(&mut rest)).collect();
        assert!(rest.is_empty(), "no answer: {}", rest.escape_ascii());
        (answers, self.events_until_now())
    }

    fn events_until_now(&mut self) -> Vec<Seen> {
        self.last.write_all(LAST).expect("the gateway is there");
        let mut came = Vec::new();
        while take_answer(&mut came.as_slice()).is_none() {
            let mut part = [0; 512];
            let count = match self.last.read(&mut part) {
                // By the timer of libFuzzer.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.expect("the gateway answers"),
            };
            assert!(count > 0, "the gateway closes an honest connection");
            came.extend(part.iter().take(count));
        }
        let is_last = |event: &Seen| event.1.len() == LAST_BYTES;
        let next = || self.events.recv_timeout(PATIENCE).expect("an event that was accepted is delivered");
        std::iter::repeat_with(next).take_while(|event| !is_last(event)).collect()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// The status of the first answer.
fn take_answer(bytes: &mut &[u8]) -> Option<u16> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("content-length") { value.parse::<usize>().ok() } else { None }
    });
    let (_, rest) = bytes.split_at_checked(end + 4 + length.unwrap_or_default())?;
    *bytes = rest;
    Some(status)
}
