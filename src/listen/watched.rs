//! The stream that every byte of a connection passes: it tells the connection what happens and keeps its verdict.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::connection::Connection;
use super::phase::Verdict;

/// What a connection is carried by: a socket, with or without TLS on it.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// The socket itself.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for Box<TlsStream<TcpStream>> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A client's socket with its state.
#[derive(Debug)]
pub(super) struct Watched<S = TcpStream> {
    stream: S,
    connection: Rc<Connection>,
}

impl<S: Socket> Watched<S> {
    pub(super) fn new(stream: S, connection: Rc<Connection>) -> Self {
        Self { stream, connection }
    }

    /// Whether reads are to see the end of the stream. A request that came before the client could know of it is still taken:
    /// many clients do not dare to send a `POST` a second time.
    fn is_at_its_end(&self) -> bool {
        match self.connection.verdict() {
            Verdict::Live | Verdict::BodyExpired => false,
            Verdict::Closed => true,
            // It says goodbye in a frame, and listens until that is understood.
            Verdict::Retired if self.connection.has_streams() => false,
            Verdict::Retired => {
                // Asked of the system: the runtime may not have heard of it yet.
                let mut byte = [MaybeUninit::uninit()];
                let has_come = socket2::SockRef::from(self.stream.tcp()).peek(&mut byte).is_ok_and(|count| count > 0);
                if has_come {
                    self.connection.revive();
                }
                !has_come
            }
        }
    }

    /// Throws away what comes, until the client closes or the sweep has seen enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        while self.connection.verdict() != Verdict::Closed {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => break,
                Poll::Pending => {
                    self.connection.wake_me(cx);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }
}

impl<S: Socket> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_at_its_end() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending => {
                self.connection.wake_me(cx);
                Poll::Pending
            }
            Poll::Ready(result) => {
                let read = buffer.filled().get(before..).unwrap_or_default();
                if !read.is_empty() {
                    self.connection.bytes_were_read(read);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<S: Socket> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.connection.verdict() == Verdict::Closed {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if result.is_pending() {
            self.connection.wake_me(cx);
        }
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.verdict() == Verdict::Closed {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        if result.is_pending() {
            self.connection.wake_me(cx);
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.connection.was_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.connection.is_lingering() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            // Of a connection that was idle, hyper has skipped what the last request left unread.
            if self.connection.request_is_whole() || self.connection.verdict() == Verdict::Retired {
                return Poll::Ready(Ok(()));
            }
            self.connection.begin_lingering(Instant::now());
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::listen::{Limits, Stage};

    async fn read(watched: &mut Watched) -> usize {
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        std::future::poll_fn(|cx| Pin::new(&mut *watched).poll_read(cx, &mut buffer)).await.expect("a read");
        buffer.filled().len()
    }

    #[tokio::test]
    async fn a_request_that_came_before_the_end_is_taken() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let mut client = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
        let (stream, peer) = listener.accept().await.expect("a connection");
        let second = Duration::from_secs(1);
        let limits = Limits { head: second, body: second, idle: second, write: second, linger: second };
        let connection = Rc::new(Connection::new(peer, Instant::now()));
        let mut watched = Watched::new(stream, Rc::clone(&connection));

        std::io::Write::write_all(&mut client, b"POST").expect("a request");
        assert!(connection.sweep(Instant::now(), &limits, Stage::Closing).is_some());
        assert_eq!(read(&mut watched).await, 4);
        assert_eq!(
            connection.sweep(Instant::now(), &limits, Stage::Closing),
            None,
            "it is a request now, and finished"
        );

        connection.begin_receiving(false);
        connection.begin_writing(Instant::now());
        connection.was_flushed();
        assert!(connection.sweep(Instant::now(), &limits, Stage::Closing).is_some());
        assert_eq!(read(&mut watched).await, 0);
    }
}
