//! Where the admin listener is: an address, in the clear or with TLS, or a socket in the file system that only this user opens.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::config::{AdminAddress, AdminConfig};
use crate::listen::{Tls, TlsError};

/// The admin address could not be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("cannot serve the admin address {address}: {cause}; change `admin` or stop what has it")]
    Bind {
        address: AdminAddress,
        #[source]
        cause: io::Error,
    },
    #[error("{} is there and is no socket: choose another path for `admin`, or take it away", path.display())]
    NoSocket { path: PathBuf },
    #[error("another process answers at {}: stop it, or choose another path for `admin`", path.display())]
    InUse { path: PathBuf },
    #[error("cannot serve the admin address {address}: {cause}")]
    Tls {
        address: AdminAddress,
        #[source]
        cause: TlsError,
    },
}

/// Bound, and not yet part of a runtime.
pub(super) enum Door {
    Tcp(std::net::TcpListener, Option<Arc<Tls>>),
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// Accepts connections.
pub(super) enum OpenDoor {
    Tcp(TcpListener, Option<Arc<Tls>>),
    /// The file is there for as long as this is.
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

/// A connection that has not been read from.
pub(super) enum Visitor {
    Tcp(TcpStream, Option<Arc<Tls>>),
    Unix(UnixStream),
}

/// What requests come over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A file that is taken away when this is dropped, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 128;

impl Door {
    /// Binds the address, and says where that is if the system chose the port.
    pub(super) fn bind(config: &AdminConfig) -> Result<(Self, AdminAddress), AdminError> {
        let address = config.address.clone();
        let failed = |cause| AdminError::Bind { address: address.clone(), cause };
        match &config.address {
            AdminAddress::Tcp(asked) => {
                let tls = config.tls.as_ref().map(Tls::load).transpose();
                let tls = tls.map_err(|cause| AdminError::Tls { address: address.clone(), cause })?;
                let listener = std::net::TcpListener::bind(asked).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let bound = AdminAddress::Tcp(listener.local_addr().map_err(failed)?);
                Ok((Self::Tcp(listener, tls.map(Arc::new)), bound))
            }
            AdminAddress::Unix(path) => {
                remove_stale(path, &failed)?;
                let (listener, file) = bind_unix(path).map_err(failed)?;
                Ok((Self::Unix(listener, file), address))
            }
        }
    }

    /// Its TLS, if it has one.
    pub(super) fn tls(&self) -> Option<Arc<Tls>> {
        match self {
            Self::Tcp(_, tls) => tls.clone(),
            Self::Unix(..) => None,
        }
    }

    /// Within a runtime.
    pub(super) fn open(self) -> io::Result<OpenDoor> {
        Ok(match self {
            Self::Tcp(listener, tls) => OpenDoor::Tcp(TcpListener::from_std(listener)?, tls),
            Self::Unix(listener, file) => OpenDoor::Unix { listener: UnixListener::from_std(listener)?, _file: file },
        })
    }
}

impl OpenDoor {
    pub(super) async fn accept(&self) -> io::Result<Visitor> {
        Ok(match self {
            Self::Tcp(listener, tls) => Visitor::Tcp(listener.accept().await?.0, tls.clone()),
            Self::Unix { listener, .. } => Visitor::Unix(listener.accept().await?.0),
        })
    }
}

impl Visitor {
    /// Does the handshake, if there is one to do; `None` if that fails or takes too long.
    pub(super) async fn enter(self, patience: Duration) -> Option<Box<dyn Stream>> {
        Some(match self {
            Self::Unix(stream) => Box::new(stream),
            Self::Tcp(stream, None) => Box::new(stream),
            Self::Tcp(stream, Some(tls)) => {
                let shaken = TlsAcceptor::from(tls.for_http1()).accept(stream);
                Box::new(timeout(patience, shaken).await.ok()?.ok()?)
            }
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a process that was killed has left: a socket at which nobody answers. Nothing else is taken away.
fn remove_stale(path: &Path, failed: &dyn Fn(io::Error) -> AdminError) -> Result<(), AdminError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(AdminError::NoSocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(AdminError::InUse { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// Nobody can connect before `listen`, and then the permissions are right already.
fn bind_unix(path: &Path) -> io::Result<(std::os::unix::net::UnixListener, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile { path: path.to_owned(), inode: inode(path)? };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), file))
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn config(path: &Path) -> AdminConfig {
        AdminConfig { address: AdminAddress::Unix(path.to_owned()), tls: None, token: None, hosts: Vec::new() }
    }

    #[test]
    fn a_socket_is_for_its_user_only_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let (door, address) = Door::bind(&config(&path)).unwrap();
        assert_eq!(address, AdminAddress::Unix(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(StdUnixStream::connect(&path).is_ok());
        assert!(matches!(Door::bind(&config(&path)), Err(AdminError::InUse { .. })));
        drop(door);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_at_which_nobody_answers_is_replaced_and_any_other_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(Door::bind(&config(&path)).is_ok());
        fs::write(&path, "a letter").unwrap();
        assert!(matches!(Door::bind(&config(&path)), Err(AdminError::NoSocket { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"a letter");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(Door::bind(&config(&path)), Err(AdminError::NoSocket { .. })));
    }

    #[test]
    fn a_socket_that_took_its_place_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let (first, _) = Door::bind(&config(&path)).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = Door::bind(&config(&path)).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
