//! Connections that send prepared requests, all at once and then again when all are answered. Nothing is allocated meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The secret of the gateway under test.
pub(crate) const SECRET: &str = "budgets-secret-of-thirty-two-bytes";

pub(crate) struct Client {
    connections: Vec<TcpStream>,
    answer: [u8; 4096],
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, connections: usize) -> Self {
        let connect = |_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        };
        Self { connections: (0..connections).map(connect).collect(), answer: [0; 4096] }
    }

    /// Sends a request on every connection and reads the answers, which must all be a 202.
    pub(crate) fn send(&mut self, request: &[u8]) {
        for connection in &mut self.connections {
            connection.write_all(request).unwrap();
        }
        for connection in &mut self.connections {
            let mut filled = 0;
            while !is_whole(&self.answer[..filled]) {
                let read = connection.read(&mut self.answer[filled..]).unwrap();
                assert!(read > 0, "the connection was closed");
                filled += read;
            }
            assert!(self.answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&self.answer[..filled]));
        }
    }
}

/// Whether head and body are there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let (head, body) = answer.split_at(end + 4);
    let length = head
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split_at_checked(15))
        .find(|(name, _)| name.eq_ignore_ascii_case(b"content-length:"))
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

/// A signed request as GitHub sends it, whose body is about `size` bytes with the type's second half at the end.
pub(crate) fn github_request(size: usize) -> Vec<u8> {
    let opening = r#"{"issue":{"title":""#;
    let closing = r#""},"action":"opened"}"#;
    let filling = "Spelling error in the README file. ".repeat(size / 35 + 1);
    let body = format!("{opening}{}{closing}", &filling[..size.saturating_sub(opening.len() + closing.len())]);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
    format!(
        "POST /hooks/github HTTP/1.1\r\nhost: hooks.example.com\r\nuser-agent: GitHub-Hookshot/044aadd\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nx-github-event: issues\r\n\
         x-github-delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\r\nx-hub-signature-256: sha256={signature}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
