//! Certificates made for a test, and clients that speak TLS and HTTP/2.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Client, Stream, connect};

/// An authority of its own.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A connection with TLS.
pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate as PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes `NAME.pem` and `NAME.key` for a server of this name.
    pub fn write(&self, dir: &Path, file: &str, name: &str) {
        let (certificate, key) = self.issue(name);
        std::fs::write(dir.join(format!("{file}.pem")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// What a client that trusts it goes by; `alpn` may be empty.
    pub fn client(&self, alpn: &[&str]) -> ClientConfig {
        self.configure(alpn, None)
    }

    /// The same with a certificate of this name from `issuer`.
    pub fn client_named(&self, issuer: &Authority, name: &str) -> ClientConfig {
        let (certificate, key) = issuer.issue(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        self.configure(&[], Some((certificate.der().clone(), key)))
    }

    fn configure(
        &self,
        alpn: &[&str],
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

/// Connects and shakes hands as one who asks for `name`.
pub fn encrypt(address: SocketAddr, config: &Arc<ClientConfig>, name: &'static str) -> io::Result<Encrypted> {
    encrypt_over(connect(address), config, name)
}

/// The same over a connection on which something was sent before.
pub fn encrypt_over(stream: TcpStream, config: &Arc<ClientConfig>, name: &'static str) -> io::Result<Encrypted> {
    let connection = ClientConnection::new(Arc::clone(config), ServerName::try_from(name).unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// A client of HTTP/1.1.
pub fn client(address: SocketAddr, config: ClientConfig) -> Client {
    Client::over(encrypt(address, &Arc::new(config), "localhost").unwrap())
}

impl Stream for Encrypted {
    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _ = self.conn.complete_io(&mut self.sock);
    }
}

/// A client of HTTP/2 that sends just the frames it is told to.
pub struct Frames(Encrypted);

/// Types of frames.
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

/// Flags of `HEADERS`.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// `POST https://a/hooks/s` in HPACK, without indexing.
pub const POST: &[u8] = b"\x83\x87\x04\x08/hooks/s\x01\x01a";

impl Frames {
    pub fn connect(address: SocketAddr, authority: &Authority) -> Self {
        let mut stream = encrypt(address, &Arc::new(authority.client(&["h2"])), "localhost").unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(b"h2".as_slice()));
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut frames = Self(stream);
        frames.send(&frame(SETTINGS, 0, 0, &[])).unwrap();
        frames
    }

    /// Sends frames as they are.
    pub fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        self.0.write_all(frames)?;
        self.0.flush()
    }

    /// The next frame: type, flags, stream and payload; `None` at the end.
    pub fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.read(&mut payload)?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Whether the other side ends the connection, whatever it sends before that.
    pub fn ends(&mut self) -> bool {
        while self.next().is_some() {}
        true
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.0.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) => {
                let in_time = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(in_time, "the connection is still open: {error}");
                None
            }
        }
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
