//! A client that sends just the bytes it is told to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use crate::gateway::PATIENCE;

/// One connection.
pub struct Client {
    stream: Box<dyn Stream>,
    /// Read and not yet part of an answer.
    buffered: Vec<u8>,
}

/// What a client talks through.
pub trait Stream: Read + Write {
    /// Says that no more is coming.
    fn finish(&mut self);
}

impl Stream for TcpStream {
    fn finish(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn finish(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap()
    }

    /// `None` if nobody listens there.
    pub fn try_connect(address: SocketAddr) -> Option<Self> {
        try_connect(address).map(Self::over)
    }

    /// Through something that is connected.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffered: Vec::new() }
    }

    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", path, headers, body)
    }

    /// Sends a request with `Host` and `Content-Length`, and reads its answer.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(&request(method, path, headers, body));
        self.answer().expect("the connection ended without an answer")
    }

    /// Sends bytes as they are. A connection that was closed meanwhile shows when reading.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes, all of which the other side takes.
    pub fn send_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that no more is coming.
    pub fn finish_sending(&mut self) {
        self.stream.finish();
    }

    /// The next answer, or `None` at the end of the connection.
    pub fn answer(&mut self) -> Option<Answer> {
        self.answer_to("POST")
    }

    /// The next answer, to a request of this method: an answer to `HEAD` has no body.
    pub fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let head_end = self.fill_until(|bytes| bytes.windows(4).position(|four| four == b"\r\n\r\n"))?;
        let head = String::from_utf8(self.buffered.drain(..head_end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        if status == 100 {
            return Some(Answer { status, headers, body: Vec::new() });
        }
        let length =
            headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, text)| text.parse().unwrap());
        let length = if method == "HEAD" { 0 } else { length };
        self.fill_until(|bytes| (bytes.len() >= length).then_some(0))?;
        let body = self.buffered.drain(..length).collect();
        Some(Answer { status, headers, body })
    }

    /// Whether the other side has closed, nothing more having come.
    pub fn is_closed(&mut self) -> bool {
        self.answer().is_none()
    }

    /// Whether the other side ends the connection before any answer, be it with bytes that are no HTTP.
    pub fn ends_badly(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            _ => !rest.starts_with(b"HTTP"),
        }
    }

    fn fill_until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(at) = found(&self.buffered) {
                return Some(at);
            }
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffered.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                    return None;
                }
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The `reason` of hookgate's own refusals.
    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}

/// A socket that does not wait for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    try_connect(address).unwrap()
}

fn try_connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Some(stream)
}

/// The bytes of a request with `Host` and `Content-Length`.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}
