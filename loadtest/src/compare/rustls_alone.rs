//! What rustls takes by itself for a server's part, in memory: the floor under a gateway's TLS.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use serde::Serialize;

use super::certificate::Certificate;

/// Microseconds of a server.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(clippy::struct_field_names, reason = "the unit belongs into the names of the JSON")]
pub(super) struct RustlsAlone {
    /// To decrypt a request of the median size and encrypt an answer.
    pub(super) request_us: f64,
    pub(super) full_handshake_us: f64,
    pub(super) resumed_handshake_us: f64,
}

/// Both ends, as hookgate and the client have them.
struct Ends {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    full: Arc<ClientConfig>,
}

impl RustlsAlone {
    /// Measures each for a while.
    pub(super) fn measure(certificate: &Certificate, request: usize) -> anyhow::Result<Self> {
        let ends = Ends::new(certificate)?;
        // The first one brings the ticket for those that are resumed.
        ends.shake_hands(&ends.client)?;
        let median = |config: &Arc<ClientConfig>| -> anyhow::Result<f64> {
            let (mut times, begun) = (Vec::new(), Instant::now());
            while begun.elapsed() < LASTING {
                times.push(ends.shake_hands(config)?.2);
            }
            times.sort_unstable();
            Ok(times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6)
        };
        Ok(Self {
            request_us: ends.exchange(request)?,
            full_handshake_us: median(&ends.full)?,
            resumed_handshake_us: median(&ends.client)?,
        })
    }
}

impl Ends {
    fn new(certificate: &Certificate) -> anyhow::Result<Self> {
        let provider = Arc::new(default_provider());
        let chain = vec![CertificateDer::from_pem_slice(certificate.cert.as_bytes()).context("a certificate")?];
        let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).context("a key")?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key)?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = Ticketer::new()?;
        server.send_tls13_tickets = 1;
        let mut roots = RootCertStore::empty();
        roots.add(chain.into_iter().next().context("a certificate")?)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut full = client.clone();
        full.resumption = Resumption::disabled();
        Ok(Self { server: Arc::new(server), client: Arc::new(client), full: Arc::new(full) })
    }

    /// A connection, and what its handshake took at the server's end.
    fn shake_hands(
        &self,
        config: &Arc<ClientConfig>,
    ) -> anyhow::Result<(ClientConnection, ServerConnection, Duration)> {
        let name = ServerName::try_from(Certificate::HOST)?;
        let mut client = ClientConnection::new(Arc::clone(config), name)?;
        let mut took = Duration::ZERO;
        let begun = Instant::now();
        let mut server = ServerConnection::new(Arc::clone(&self.server))?;
        took += begun.elapsed();
        let mut bytes = Vec::new();
        // To the client at the end, the ticket.
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            bytes.clear();
            while client.wants_write() {
                client.write_tls(&mut bytes)?;
            }
            let begun = Instant::now();
            let mut left = &bytes[..];
            while !left.is_empty() {
                server.read_tls(&mut left)?;
                server.process_new_packets()?;
            }
            let mut answer = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answer)?;
            }
            took += begun.elapsed();
            let mut left = &answer[..];
            while !left.is_empty() {
                client.read_tls(&mut left)?;
                client.process_new_packets()?;
            }
        }
        Ok((client, server, took))
    }

    /// Microseconds of the server for a request and its answer: the median.
    fn exchange(&self, size: usize) -> anyhow::Result<f64> {
        let (mut client, mut server, _) = self.shake_hands(&self.client)?;
        let (request, mut read) = (vec![b'x'; size], vec![0; 16 << 10]);
        let (mut times, mut bytes, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < LASTING {
            bytes.clear();
            let mut left = &request[..];
            while !left.is_empty() || client.wants_write() {
                let taken = client.writer().write(left)?;
                left = &left[taken..];
                client.write_tls(&mut bytes)?;
            }
            let one = Instant::now();
            let (mut left, mut got) = (&bytes[..], 0);
            while !left.is_empty() {
                server.read_tls(&mut left)?;
                let state = server.process_new_packets()?;
                for _ in 0..state.plaintext_bytes_to_read().div_ceil(read.len()) {
                    got += server.reader().read(&mut read)?;
                }
            }
            server.writer().write_all(&ANSWER)?;
            answer.clear();
            while server.wants_write() {
                server.write_tls(&mut answer)?;
            }
            times.push(one.elapsed());
            ensure!(got == size, "{got} bytes of {size} have come");
            let mut left = &answer[..];
            while !left.is_empty() {
                client.read_tls(&mut left)?;
                client.process_new_packets()?;
            }
            let got = client.reader().read(&mut read)?;
            ensure!(got == ANSWER.len(), "{got} bytes of an answer have come");
        }
        times.sort_unstable();
        Ok(times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6)
    }
}

const LASTING: Duration = Duration::from_millis(300);

/// About as long as hookgate's.
const ANSWER: [u8; 90] = [b'x'; 90];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustls::HandshakeKind;

    use super::*;

    #[test]
    fn a_handshake_is_full_or_resumed_as_it_is_said_to_be() {
        let ends = Ends::new(&Certificate::new().unwrap()).unwrap();
        ends.shake_hands(&ends.client).unwrap();
        let kind = |config| ends.shake_hands(config).unwrap().1.handshake_kind();
        assert_eq!(kind(&ends.full), Some(HandshakeKind::Full));
        assert_eq!(kind(&ends.client), Some(HandshakeKind::Resumed));
        assert_eq!(kind(&ends.client), Some(HandshakeKind::Resumed), "each brings the next one's ticket");
    }

    #[test]
    fn requests_of_several_records_are_read_whole() {
        let ends = Ends::new(&Certificate::new().unwrap()).unwrap();
        for size in [1, 16 << 10, 100_000] {
            assert!(ends.exchange(size).unwrap() > 0.0);
        }
    }
}
