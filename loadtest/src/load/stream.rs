//! The bytes of a connection, in the clear or through TLS.

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::target::Target;

/// How to speak TLS with a server.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// How connections are made.
#[derive(Clone, Default)]
pub(crate) struct Dial {
    /// In the clear if there is none.
    pub(crate) tls: Option<Tls>,
    /// A new one for each request.
    pub(crate) fresh: bool,
}

/// A connection's bytes.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Tls {
    /// As the target's URL asks for it: trusting what is in that file.
    pub(crate) fn asked_for(target: &Target, ca: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let Some(host) = &target.tls_host else { return Ok(None) };
        let file = ca.context("whom to trust? Give --ca the file with the gateway's certificate")?;
        let ca = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let tls = Self::trusting(&ca, host).with_context(|| format!("cannot use {}", file.display()))?;
        Ok(Some(tls))
    }

    /// Trusts the certificates in this PEM text, and those that they have signed.
    pub(crate) fn trusting(ca: &[u8], host: &str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate.context("it is no PEM")?).context("a certificate cannot be trusted")?;
        }
        anyhow::ensure!(!roots.is_empty(), "there is no PEM certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned()).with_context(|| format!("{host:?} is no name of a server"))?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// The same, without ever resuming a session.
    pub(crate) fn without_tickets(self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::disabled();
        Self { config: Arc::new(config), ..self }
    }
}

impl Stream {
    pub(super) async fn connect(address: SocketAddr, dial: &Dial) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(match &dial.tls {
            None => Self::Plain(stream),
            Some(Tls { config, name }) => {
                let stream = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await?;
                Self::Tls(Box::new(stream))
            }
        })
    }

    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
        }
    }

    /// Writes a whole request.
    pub(super) async fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut slices = [IoSlice::new(head), IoSlice::new(body)];
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let written = match self {
                Self::Plain(stream) => stream.write_vectored(left).await?,
                Self::Tls(stream) => stream.write_vectored(left).await?,
            };
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut left, written);
        }
        if let Self::Tls(stream) = self {
            stream.flush().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustls::crypto::aws_lc_rs::Ticketer;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{HandshakeKind, ServerConfig};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// How the handshakes of three connections ended, one after the other, with an answer on each.
    fn handshakes(change: impl FnOnce(Tls) -> Tls) -> Vec<HandshakeKind> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        server.ticketer = Ticketer::new().unwrap();
        let dial =
            Dial { tls: Some(change(Tls::trusting(made.cert.pem().as_bytes(), "localhost").unwrap())), fresh: true };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(server));
            let task = tokio::spawn(async move {
                for _ in 0..3 {
                    let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                    let mut request = [0; 11];
                    stream.read_exact(&mut request).await.unwrap();
                    assert_eq!(&request, b"head + body");
                    stream.write_all(b"answer").await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
            let mut kinds = Vec::new();
            for _ in 0..3 {
                let mut stream = Stream::connect(address, &dial).await.unwrap();
                stream.send(b"head + ", b"body").await.unwrap();
                let mut answer = [0; 16];
                assert_eq!(stream.read(&mut answer).await.unwrap(), 6);
                let Stream::Tls(stream) = stream else { panic!("it has TLS") };
                kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            }
            task.await.unwrap();
            kinds
        })
    }

    #[test]
    fn a_session_is_resumed_unless_that_is_not_wanted() {
        assert_eq!(handshakes(|tls| tls), [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]);
        assert_eq!(handshakes(Tls::without_tickets), [HandshakeKind::Full; 3]);
    }

    #[test]
    fn what_is_no_certificate_is_not_trusted() {
        assert!(Tls::trusting(b"no PEM", "localhost").is_err());
    }
}
