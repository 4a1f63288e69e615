//! One client that reads nothing: it writes while it is let, and then waits to be closed.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout_at;

/// What became of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    /// Bytes that were taken from it, by the server and the systems between.
    pub(super) taken: u64,
    /// From the last of them to the end.
    pub(super) waited: Duration,
    /// Whether the server closed it.
    pub(super) is_closed: bool,
}

/// A connection with little room for what comes and goes.
pub(super) async fn open(address: SocketAddr, buffer: u32) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(buffer)?;
    socket.set_send_buffer_size(buffer)?;
    socket.connect(address).await
}

/// Writes requests, each a whole one behind the other, and reads nothing.
pub(super) async fn read_nothing(stream: &TcpStream, requests: &[u8], until: Instant) -> Fate {
    let (mut taken, mut at, mut last) = (0, 0, Instant::now());
    let fate = |taken, last: Instant, is_closed| Fate { taken, waited: last.elapsed(), is_closed };
    loop {
        // An end that comes without a reset is not seen: seeing it would be reading. None comes to whom the server still has something to say.
        match timeout_at(until.into(), stream.writable()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return fate(taken, last, true),
            Err(_) => return fate(taken, last, false),
        }
        match stream.try_write(requests.get(at..).unwrap_or_default()) {
            Ok(count) => {
                taken += count as u64;
                at = (at + count).checked_rem(requests.len()).unwrap_or_default();
                last = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return fate(taken, last, true),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read as _;
    use std::net::{Shutdown, TcpListener};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    async fn fate_at(listener: &TcpListener, until: Instant) -> Fate {
        let stream = open(listener.local_addr().unwrap(), 4096).await.unwrap();
        read_nothing(&stream, &REQUEST.repeat(10), until).await
    }

    #[tokio::test]
    async fn it_writes_until_nothing_is_taken_and_sees_that_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; REQUEST.len() * 25];
            stream.read_exact(&mut head).unwrap();
            assert_eq!(head, *REQUEST.repeat(25), "requests that are whole, one behind the other");
            // What is left unread makes this a reset.
            drop(stream);
        });
        let stream = open(address, 4096).await.unwrap();
        let fate = read_nothing(&stream, &REQUEST.repeat(10), Instant::now() + Duration::from_secs(60)).await;
        server.join().unwrap();
        assert!(fate.is_closed && fate.taken >= REQUEST.len() as u64 * 25, "{fate:?}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_close_it_is_told_of() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fate = fate_at(&listener, Instant::now() + Duration::from_millis(100)).await;
        let (held, _) = listener.accept().unwrap();
        assert!(!fate.is_closed && fate.taken > 0, "{fate:?}");
        let _ = held.shutdown(Shutdown::Both);
    }
}
