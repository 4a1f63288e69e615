//! The TLS of one listener: certificates by name, client certificates, session tickets; read again when its files change.
//!
//! A connection keeps what it began with. The next one takes what is current, which is whatever was read last without a
//! mistake.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::config::{CertificateFiles, TlsConfig};

/// What the handshakes of a listener go by.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsConfig,
    provider: Arc<CryptoProvider>,
    /// Keys of session tickets, replaced every six hours and forgotten after twelve; they outlive a reload.
    tickets: Arc<dyn ProducesTickets>,
    current: RwLock<Arc<ServerConfig>>,
    /// The files as they were before they were read last.
    read: Mutex<Vec<Option<Stamp>>>,
}

/// Why a listener has no TLS, or no newer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{} cannot be read as {what}: {cause}", path.display())]
    Unreadable {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: pem::Error,
    },
    #[error("no PEM certificate is in {}", path.display())]
    Empty { path: PathBuf },
    #[error(
        "the certificate in {} cannot be used with its key: {cause}; see that both are of the same issue",
        path.display()
    )]
    Certificate {
        path: PathBuf,
        #[source]
        cause: rustls::Error,
    },
    #[error("the authority in {} cannot be used: {why}", path.display())]
    Authority { path: PathBuf, why: String },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// What tells a file from what it was: renamed over, or written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    inode: u64,
    length: u64,
}

/// What is spoken inside, the better first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, HTTP_1];

const HTTP_1: &[u8] = b"http/1.1";

pub(super) const HTTP_2: &[u8] = b"h2";

impl Tls {
    /// Reads the files.
    pub(crate) fn load(files: &TlsConfig) -> Result<Self, TlsError> {
        // The provider is passed, not the process's default: a library must not depend on what its program has installed.
        let provider = Arc::new(default_provider());
        let tickets = Ticketer::new()?;
        let read = stamps(files);
        let current = server_config(files, &provider, &tickets)?;
        Ok(Self {
            files: files.clone(),
            provider,
            tickets,
            current: RwLock::new(Arc::new(current)),
            read: Mutex::new(read),
        })
    }

    /// What a new connection goes by.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same for a listener that speaks no HTTP/2.
    pub(crate) fn for_http1(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.current());
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Arc::new(config)
    }

    /// Reads the files again. With a mistake in them nothing changes.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        // Taken before the files are read: what is written meanwhile shows as a change.
        let stamps = stamps(&self.files);
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
        let config = Arc::new(server_config(&self.files, &self.provider, &self.tickets)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Reads the files again if one of them is not as it was read last; `None` if all are. Two files are hardly ever replaced
    /// at once: the first may not fit until the second is there.
    pub(crate) fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let has_changed = *self.read.lock().unwrap_or_else(PoisonError::into_inner) != stamps(&self.files);
        has_changed.then(|| self.reload())
    }

    /// The file that stands for all of them in messages.
    pub(crate) fn name(&self) -> &Path {
        self.files.certificates.first().map_or(Path::new(""), |files| &files.cert)
    }
}

fn server_config(
    files: &TlsConfig,
    provider: &Arc<CryptoProvider>,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, TlsError> {
    let certificates = files.certificates.iter().map(|files| certificate(files, provider)).collect::<Result<_, _>>()?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Certificates(certificates)));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if files.client_ca.is_none() {
        config.ticketer = Arc::clone(tickets);
        config.send_tls13_tickets = 1;
    } else {
        // A resumed session would carry a client's certificate past its end and past a change of authorities.
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn certificate(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = chain(&files.cert, "a certificate")?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable("a private key", &files.key))?;
    let certified = CertifiedKey::from_der(chain, key, provider);
    certified.map(Arc::new).map_err(|cause| TlsError::Certificate { path: files.cert.clone(), cause })
}

fn client_verifier(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |why: String| TlsError::Authority { path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in chain(path, "an authority")? {
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    // Sources that ask for no certificate may share the listener; those that do refuse who has shown none.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(error.to_string()))
}

fn chain(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(unreadable(what, path))?;
    if certificates.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(certificates) }
}

fn unreadable(what: &'static str, path: &Path) -> impl Fn(pem::Error) -> TlsError {
    move |cause| TlsError::Unreadable { what, path: path.to_owned(), cause }
}

fn stamps(files: &TlsConfig) -> Vec<Option<Stamp>> {
    let pairs = files.certificates.iter().flat_map(|files| [&files.cert, &files.key]);
    pairs.chain(&files.client_ca).map(|path| stamp(path)).collect()
}

/// Follows links: a mounted secret is replaced by turning one round.
fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), inode: metadata.ino(), length: metadata.len() })
}

/// The certificates of a listener, the first being for whoever asks for none of the names.
#[derive(Debug)]
struct Certificates(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = match (self.0.as_slice(), hello.server_name()) {
            ([_, _, ..], Some(name)) => self.named(name),
            _ => None,
        };
        named.or_else(|| self.0.first()).cloned()
    }
}

impl Certificates {
    fn named(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = ServerName::try_from(name).ok()?;
        self.0.iter().find(|key| {
            let certificate = key.end_entity_cert().and_then(ParsedCertificate::try_from);
            certificate.is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
        })
    }
}
