//! Deliveries over `https`, against certificates made for the test.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

use super::*;
use crate::config::HttpTls;

/// An authority, and a directory for the PEM files of what it issues.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key), dir: TempDir::new().unwrap() }
    }

    fn ca_file(&self) -> PathBuf {
        self.file("ca.pem", &self.certificate.pem())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// A server of this name that, if `client_ca` is there, wants a certificate from it.
    fn server(&self, name: &str, client_ca: Option<&Authority>) -> Server {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (certificate, key) = self.issue(name);
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = match client_ca {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.der().clone()).unwrap();
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
                )
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Server::start_tls(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap(), |_| ok())
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn https(server: &Server, ca: &Path) -> HttpConfig {
    let mut config = http(&format!("https://localhost:{}/", server.address.port()));
    config.tls = HttpTls { ca: Some(ca.to_owned()), cert: None, key: None };
    config
}

#[test]
fn a_processor_of_a_trusted_authority_is_delivered_to_over_one_connection() {
    let authority = Authority::new();
    let server = authority.server("localhost", None);
    let sink = http_sink(https(&server, &authority.ca_file()));
    let body: Vec<u8> = (0..200_000_u32).map(|place| (place % 253) as u8).collect();
    on_a_worker(async {
        for _ in 0..3 {
            assert_eq!(deliver(&*sink, delivery(&body)).await, Outcome::Delivered);
        }
    });
    for nth in 0..3 {
        let seen = server.next();
        assert_eq!((seen.connection, seen.nth), (0, nth));
        assert!(seen.body == body);
    }
}

#[test]
fn a_processor_that_nobody_vouches_for_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = stranger.server("localhost", None);
    let sink = http_sink(https(&server, &authority.ca_file()));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::Tls, "{}", failed.detail);
    assert!(server.requests.try_recv().is_err());
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let server = authority.server("elsewhere.example", None);
    let sink = http_sink(https(&server, &authority.ca_file()));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::Tls);
    assert!(failed.detail.contains("localhost"), "{}", failed.detail);
}

#[test]
fn an_address_is_checked_against_the_certificate_too() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", None);
    let mut config = https(&server, &authority.ca_file());
    config.url = format!("https://{}/", server.address).parse().unwrap();
    assert_eq!(on_a_worker(deliver(&*http_sink(config), delivery(b"{}"))), Outcome::Delivered);
}

#[test]
fn a_processor_that_asks_for_a_certificate_gets_the_routes() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.server("localhost", Some(&clients));
    let (certificate, key) = clients.issue("hookgate");
    let mut config = https(&server, &authority.ca_file());
    config.tls.cert = Some(clients.file("client.pem", &certificate.pem()));
    config.tls.key = Some(clients.file("client.key", &key.serialize_pem()));
    assert_eq!(on_a_worker(deliver(&*http_sink(config), delivery(b"{}"))), Outcome::Delivered);
}

#[test]
fn a_missing_client_certificate_is_a_tls_failure() {
    let authority = Authority::new();
    let server = authority.server("localhost", Some(&authority));
    let sink = http_sink(https(&server, &authority.ca_file()));
    let failed = failure(on_a_worker(deliver(&*sink, delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::Tls, "{}", failed.detail);
}

#[test]
fn plain_http_at_the_port_is_a_tls_failure() {
    let authority = Authority::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut socket, _) = server.accept().unwrap();
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let mut config = http(&format!("https://localhost:{}/", address.port()));
    config.tls.ca = Some(authority.ca_file());
    let failed = failure(on_a_worker(deliver(&*http_sink(config), delivery(b"{}"))));
    assert_eq!(failed.kind, FailureKind::Tls, "{}", failed.detail);
}

#[test]
fn files_that_hold_no_certificate_are_found_before_the_first_delivery() {
    let authority = Authority::new();
    let refused = |tls: HttpTls| {
        let mut config = http("https://localhost/");
        config.tls = tls;
        factory(&testing::route(SinkConfig::Http(Box::new(config))), None).err().unwrap().to_string()
    };
    let missing = authority.dir.path().join("missing.pem");
    let empty = authority.file("empty.pem", "");
    let error = refused(HttpTls { ca: Some(missing.clone()), ..HttpTls::default() });
    assert!(error.contains("missing.pem"), "{error}");
    let error = refused(HttpTls { ca: Some(empty.clone()), ..HttpTls::default() });
    assert!(error.contains("empty.pem"), "{error}");

    let ca = Some(authority.ca_file());
    let (certificate, _) = authority.issue("hookgate");
    let (_, strange_key) = authority.issue("other");
    let cert = authority.file("client.pem", &certificate.pem());
    let key = authority.file("client.key", &strange_key.serialize_pem());
    let error = refused(HttpTls { ca: ca.clone(), cert: Some(cert.clone()), key: Some(key) });
    assert!(error.contains("client.pem"), "{error}");
    let error = refused(HttpTls { ca, cert: Some(cert), key: Some(empty) });
    assert!(error.contains("empty.pem"), "{error}");
}
