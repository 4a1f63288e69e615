//! One keep-alive connection: a request out, its answer in, another connection when this one ends.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use super::response::{Answer, Reader};
use super::stream::{Dial, Stream};
use super::tally::is_accepted;

/// A connection to the target. It has at most one request outstanding.
pub(crate) struct Connection {
    address: SocketAddr,
    dial: Dial,
    timeout: Duration,
    stream: Option<Stream>,
    reader: Reader,
    buffer: Vec<u8>,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) outcome: Result<Answer, Failure>,
    /// Bytes received for it.
    pub(crate) received: u64,
}

impl Exchange {
    /// Whether the answer was 2xx.
    pub(crate) fn is_accepted(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|answer| is_accepted(answer.status))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// What the system or the reader said.
    pub(crate) detail: String,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureKind {
    /// No connection.
    Connect,
    /// The server closed the connection instead of answering.
    Closed,
    /// The server reset the connection.
    Reset,
    /// No whole answer within the time-out.
    Timeout,
    /// What came was not an answer.
    Malformed,
    /// Anything else the system reports.
    Io,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr, dial: Dial, timeout: Duration) -> io::Result<Self> {
        let stream = Some(Stream::connect(address, &dial).await?);
        Ok(Self { address, dial, timeout, stream, reader: Reader::default(), buffer: vec![0; READ_SIZE] })
    }

    /// Sends a request and reads its answer. After a failure the next exchange begins with another connection.
    pub(crate) async fn exchange(&mut self, head: &[u8], body: &[u8]) -> Exchange {
        let mut received = 0;
        let outcome = match tokio::time::timeout(self.timeout, self.attempt(head, body, &mut received)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure {
                kind: FailureKind::Timeout,
                detail: format!("no answer within {}", humantime::format_duration(self.timeout)),
            }),
        };
        if self.dial.fresh || !outcome.as_ref().is_ok_and(|answer| answer.keep_alive) {
            self.stream = None;
            self.reader = Reader::default();
        }
        Exchange { outcome, received }
    }

    async fn attempt(&mut self, head: &[u8], body: &[u8], received: &mut u64) -> Result<Answer, Failure> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(
                Stream::connect(self.address, &self.dial)
                    .await
                    .map_err(|error| Failure { kind: FailureKind::Connect, detail: error.to_string() })?,
            ),
        };
        // A server may refuse a request before it has read all of it, and close: its answer is read even so.
        let sent = stream.send(head, body).await;
        let answer = loop {
            match stream.read(&mut self.buffer).await {
                Ok(0) => break self.reader.end().ok_or_else(closed),
                Ok(read) => {
                    *received += read as u64;
                    match self.reader.feed(self.buffer.get(..read).unwrap_or_default()) {
                        Ok(Some(answer)) => break Ok(answer),
                        Ok(None) => {}
                        Err(error) => {
                            break Err(Failure { kind: FailureKind::Malformed, detail: error.to_string() });
                        }
                    }
                }
                Err(error) => break Err(error.into()),
            }
        };
        match (answer, sent) {
            (Ok(answer), Ok(())) => Ok(answer),
            (Ok(answer), Err(_)) => Ok(Answer { keep_alive: false, ..answer }),
            (Err(failure), Ok(())) => Err(failure),
            (Err(_), Err(error)) => Err(error.into()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => FailureKind::Reset,
            _ => FailureKind::Io,
        };
        Self { kind, detail: error.to_string() }
    }
}

impl FailureKind {
    /// The kind in words.
    pub(crate) fn label(self) -> &'static str {
        match self {
            FailureKind::Connect => "no connection",
            FailureKind::Closed => "closed",
            FailureKind::Reset => "reset",
            FailureKind::Timeout => "timed out",
            FailureKind::Malformed => "malformed",
            FailureKind::Io => "i/o",
        }
    }
}

fn closed() -> Failure {
    Failure { kind: FailureKind::Closed, detail: "the server closed the connection without an answer".into() }
}

const READ_SIZE: usize = 4096;
