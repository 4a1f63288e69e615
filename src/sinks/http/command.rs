//! Connections of commands rather than routes: with time-outs of their own, and trusting what they are told to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use tokio::net::UnixStream;

use super::super::{SinkError, detail};
use super::connect::{self, Target};
use super::{Connection, pinned, tls};
use crate::config::{HttpSink as HttpConfig, HttpTls, Reach};

/// Who may say that a server is who it is.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// The system's authorities.
    System,
    /// The one in this file.
    Authority(PathBuf),
    /// The server itself, by one of the certificates in these files, whatever names are in them.
    Certificates(Vec<PathBuf>),
}

/// Why a command has no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The URL, or the certificates of the one or the other side.
    #[error(transparent)]
    Target(#[from] SinkError),
    /// The network.
    #[error("{0}")]
    Failed(String),
}

/// Connects to the host of a URL.
pub(crate) async fn connect(url: &Uri, trust: &Trust) -> Result<Connection, ConnectError> {
    let ca = match trust {
        Trust::Authority(file) => Some(file.clone()),
        Trust::System | Trust::Certificates(_) => None,
    };
    let config = HttpConfig {
        url: url.clone(),
        headers: Vec::new(),
        auth: None,
        tls: HttpTls { ca, ..HttpTls::default() },
        sign: Vec::new(),
        timeout: CONNECT_TIMEOUT,
        connect_timeout: CONNECT_TIMEOUT,
        reach: Reach::default(),
    };
    let target = Target::trusting(COMMAND, &config, || match trust {
        Trust::Certificates(files) => pinned::client_config(COMMAND, files),
        Trust::System | Trust::Authority(_) => tls::client_config(COMMAND, &config.tls),
    })?;
    target.connect().await.map_err(|failure| ConnectError::Failed(failure.detail))
}

/// Connects to a socket in the file system.
pub(crate) async fn connect_unix(path: &Path) -> Result<Connection, ConnectError> {
    let failed = |why: String| ConnectError::Failed(format!("could not connect to {}: {why}", path.display()));
    let stream = UnixStream::connect(path).await.map_err(|error| failed(error.to_string()))?;
    connect::http(stream).await.map_err(|error| failed(detail::of_error(&error)))
}

/// In the place of a route's name.
const COMMAND: &str = "command";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
