//! Whom a route trusts, and who it says it is, when its processor is behind `https`.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::super::{SinkError, detail};
use crate::config::HttpTls;

/// The TLS side of a route, with its files read.
pub(super) fn client_config(route: &str, tls: &HttpTls) -> Result<Arc<ClientConfig>, SinkError> {
    let roots = match &tls.ca {
        Some(path) => authorities(route, path)?,
        None => system_roots(route)?,
    };
    // The provider is passed, not the process's default: a library must not depend on what its program has installed.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| SinkError::Tls { route: route.to_owned(), source })?
        .with_root_certificates(roots);
    let mut config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates(route, "the client certificate", cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(pem(route, "the client key", key))?;
            builder.with_client_auth_cert(chain, key).map_err(|source| SinkError::Identity {
                route: route.to_owned(),
                path: cert.clone(),
                source,
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn authorities(route: &str, path: &Path) -> Result<RootCertStore, SinkError> {
    let unusable = |why| SinkError::Authority { route: route.to_owned(), path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(route, "the authority", path)? {
        roots.add(certificate).map_err(|error| unusable(detail::of_error(&error)))?;
    }
    if roots.is_empty() { Err(unusable("no PEM certificate is in it".to_owned())) } else { Ok(roots) }
}

/// One unreadable certificate of the system does not matter as long as there are others.
fn system_roots(route: &str) -> Result<RootCertStore, SinkError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), |error| detail::of_error(error));
        return Err(SinkError::NoRoots { route: route.to_owned(), why });
    }
    Ok(roots)
}

pub(super) fn certificates(
    route: &str,
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, SinkError> {
    CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(pem(route, what, path))
}

fn pem(route: &str, what: &'static str, path: &Path) -> impl Fn(rustls::pki_types::pem::Error) -> SinkError {
    move |source| SinkError::Pem { route: route.to_owned(), what, path: path.to_owned(), source }
}
