//! Clients that send requests and never read what they are answered: when the system's buffers are full of answers no more is
//! read of them, and they are closed when they have taken none for ten seconds.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use socket2::{Domain, Socket, Type};

use crate::client::request;
use crate::gateway::{Gateway, PATIENCE};

const SOURCE: &str = "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n";

const READERS: usize = 6;

/// More than the system's buffers hold of requests that nobody reads.
const SENT_MAX: usize = 64 << 20;

#[test]
fn who_takes_no_answers_is_read_no_further_and_then_closed() {
    let gateway = Gateway::start(SOURCE);
    // Events, what is refused, and answers without a body.
    let requests = [
        request("POST", "/hooks/s", &[], b"{}"),
        request("GET", "/nowhere", &[], b""),
        request("HEAD", "/nowhere", &[], b""),
    ];
    let many: Vec<_> = requests.iter().map(|request| request.repeat(100)).collect();
    let all_closed = AtomicBool::new(false);
    thread::scope(|scope| {
        let honest = scope.spawn(|| {
            let mut client = gateway.client();
            let mut sent = 0;
            while !all_closed.load(SeqCst) || sent == 0 {
                assert_eq!(client.post("/hooks/s", &[], b"{}").status, 202);
                sent += 1;
            }
        });
        let readers: Vec<_> = (0..READERS)
            .map(|reader| &many[reader % many.len()])
            .map(|many| scope.spawn(|| sent_until_closed(gateway.address, many)))
            .collect();
        let ended: Vec<_> = readers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        all_closed.store(true, SeqCst);
        let sent: Vec<_> = ended.into_iter().map(Result::unwrap).collect();
        honest.join().unwrap();
        assert!(sent.iter().all(|sent| *sent < SENT_MAX), "they are read on and on: {sent:?}");
    });
    gateway.wait_for_metric("hookgate_write_timeouts_total", &[], READERS as f64);
    gateway.wait_for_metric("hookgate_connections_open", &[], 0.0);
}

/// How many bytes the gateway and the system have taken.
fn sent_until_closed(address: SocketAddr, bytes: &[u8]) -> usize {
    let mut stream = with_little_room(address);
    let mut sent = 0;
    while sent < SENT_MAX {
        match stream.write(bytes) {
            Ok(count) => sent += count,
            Err(error) => {
                assert!(error.kind() != ErrorKind::WouldBlock, "it is not closed after {sent} bytes");
                break;
            }
        }
    }
    sent
}

/// A connection whose answers have little room in the system.
fn with_little_room(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}
