//! Why a route's sink cannot be made. All of these end the start of the gateway or the check of a configuration.

use std::io;
use std::path::PathBuf;

/// What is wrong with the destination of a route, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error(
        "route `{route}` delivers to a handler and none is registered; call `handler(\"{route}\", …)` on the builder"
    )]
    NoHandler { route: String },

    #[error("route `{route}`: `{url}` is no URL to deliver to: {why}")]
    Url { route: String, url: String, why: &'static str },

    #[error("route `{route}`: the header `{name}` cannot be sent: {why}")]
    Header { route: String, name: String, why: &'static str },

    #[error(
        "route `{route}`: a secret to sign with must be base64, after `whsec_` if that is there, of at least one byte"
    )]
    SigningSecret { route: String },

    #[error("route `{route}`: {what} cannot be read from {}: {source}", path.display())]
    Pem { route: String, what: &'static str, path: PathBuf, source: rustls::pki_types::pem::Error },

    #[error("route `{route}`: {} holds no certificate that can be trusted: {why}", path.display())]
    Authority { route: String, path: PathBuf, why: String },

    #[error(
        "route `{route}`: the system has no trusted certificates ({why}); install its `ca-certificates` or name a file of \
         the processor's authority in `tls.ca`"
    )]
    NoRoots { route: String, why: String },

    #[error("route `{route}`: the client certificate in {} and its key cannot be used: {source}", path.display())]
    Identity { route: String, path: PathBuf, source: rustls::Error },

    #[error("route `{route}`: TLS cannot be set up: {source}")]
    Tls { route: String, source: rustls::Error },

    #[error("route `{route}`: {} cannot be opened for appending: {source}", path.display())]
    Open { route: String, path: PathBuf, source: io::Error },

    #[error("route `{route}`: standard output cannot be used: {source}")]
    Stdout { route: String, source: io::Error },
}
