//! A new connection to a processor: name, TCP, TLS, within the route's `connect_timeout`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::super::{SinkError, detail};
use super::{Connection, tls};
use crate::config::{HttpSink as HttpConfig, Reach};
use crate::routes::{Failure, FailureKind};

/// Where a route connects to.
pub(super) struct Target {
    /// A name, or an address without brackets.
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    reach: Reach,
}

impl Target {
    /// Reads the route's certificates if it needs any.
    pub(super) fn new(route: &str, config: &HttpConfig) -> Result<Self, SinkError> {
        Self::trusting(route, config, || tls::client_config(route, &config.tls))
    }

    /// The same with another idea of whom to trust, if TLS is spoken.
    pub(super) fn trusting(
        route: &str,
        config: &HttpConfig,
        trust: impl FnOnce() -> Result<Arc<ClientConfig>, SinkError>,
    ) -> Result<Self, SinkError> {
        let wrong = |why| SinkError::Url { route: route.to_owned(), url: shown(&config.url), why };
        let host = config.url.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        if config.url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("a user or password in it would not be sent; write them under `auth`"));
        }
        let (tls, default_port) = match config.url.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| wrong("its host is no name that a certificate can hold"))?;
                (Some((TlsConnector::from(trust()?), name)), 443)
            }
            _ => return Err(wrong("it must begin with `http://` or `https://`")),
        };
        let port = config.url.port_u16().unwrap_or(default_port);
        Ok(Self { host, port, tls, timeout: config.connect_timeout, reach: config.reach.clone() })
    }

    /// Connects. The name is looked up each time, so that a processor may move.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let deadline = Instant::now() + self.timeout;
        let addresses = match timeout_at(deadline, lookup_host((self.host.as_str(), self.port))).await {
            Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
            Ok(Err(error)) => return Err(self.failed(FailureKind::Connect, "look up", &error.to_string())),
            Err(_) => return Err(self.failed(FailureKind::Connect, "look up", TIMED_OUT)),
        };
        self.refuse_private(&addresses)?;
        let socket = self.tcp(&addresses, deadline).await?;
        let Some((connector, name)) = &self.tls else {
            return self.http(socket).await;
        };
        match timeout_at(deadline, connector.connect(name.clone(), socket)).await {
            Ok(Ok(stream)) => self.http(stream).await,
            Ok(Err(error)) => Err(self.failed(FailureKind::Tls, "agree on TLS with", &detail::of_error(&error))),
            Err(_) => Err(self.failed(FailureKind::Tls, "agree on TLS with", TIMED_OUT)),
        }
    }

    /// One such address among several refuses them all: whoever answers for the name is not to be trusted with the others.
    /// What is connected to afterwards are the very addresses that were looked at.
    fn refuse_private(&self, addresses: &[SocketAddr]) -> Result<(), Failure> {
        let mut ips = addresses.iter().map(|address| address.ip().to_canonical());
        let Some(ip) = ips.find(|ip| self.reach.refuses(*ip)) else { return Ok(()) };
        let why = format!(
            "{ip} is a private address, which `deny_private` refuses; `allow = [\"{ip}\"]` would let it through"
        );
        Err(self.failed(FailureKind::Connect, "connect to", &why))
    }

    /// The first address that answers. Each has an equal share of the time that is left, so that one that swallows packets
    /// does not keep the next from being tried.
    async fn tcp(&self, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
        let mut last = "the name has no address".to_owned();
        for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / left as u32;
            match timeout_at(now + share, TcpStream::connect(address)).await {
                Ok(Ok(socket)) => {
                    // A request is written whole: there is nothing to wait for.
                    let _ = socket.set_nodelay(true);
                    return Ok(socket);
                }
                Ok(Err(error)) => last = format!("{address}: {error}"),
                Err(_) => last = format!("{address}: {TIMED_OUT}"),
            }
        }
        Err(self.failed(FailureKind::Connect, "connect to", &last))
    }

    /// HTTP on a connected stream.
    async fn http<S>(&self, stream: S) -> Result<Connection, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    {
        http(stream)
            .await
            .map_err(|error| self.failed(FailureKind::Connect, "speak HTTP with", &detail::of_error(&error)))
    }

    fn failed(&self, kind: FailureKind, doing: &str, why: &str) -> Failure {
        detail::failure(kind, format!("could not {doing} {}:{}: {why}", self.host, self.port))
    }
}

/// HTTP on a connected stream, read and written by a task of its own on this thread.
pub(super) async fn http<S>(stream: S) -> Result<Connection, hyper::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let builder = http1::Builder::new().max_buf_size(ANSWER_BUFFER_BYTES).handshake(TokioIo::new(stream));
    let (sender, connection) = builder.await?;
    tokio::task::spawn_local(async move {
        // What goes wrong is told to the request that it happens to; between requests it only ends the connection.
        let _ = connection.await;
    });
    Ok(sender)
}

const TIMED_OUT: &str = "timed out";

/// The head of an answer must fit.
const ANSWER_BUFFER_BYTES: usize = 64 << 10;

/// A URL without what may be a credential in it.
fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    format!("{scheme}://{}{}", url.host().unwrap_or_default(), url.path())
}
