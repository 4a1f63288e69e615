//! The listening sockets: one per address, shared by every io thread.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::tls::{Tls, TlsError};
use crate::config::ListenConfig;

/// Connections the system holds for us before they are accepted. It caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("cannot listen on {address}: {cause}{}", advice(.cause))]
    Socket {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    #[error("cannot listen on {address}: {cause}")]
    Tls {
        address: SocketAddr,
        #[source]
        cause: TlsError,
    },
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process, perhaps another hookgate, has this port: stop it or change `listen`"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need the capability CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has this address",
        _ => "",
    }
}

/// Listening sockets. No `SO_REUSEPORT`: a second gateway on the port must fail, and a connection waits for whichever
/// thread is free rather than for the one its hash chose.
#[derive(Debug)]
pub(crate) struct Sockets {
    listeners: Vec<(TcpListener, Door)>,
}

/// What a connection passes before it carries requests.
#[derive(Debug, Clone)]
pub(super) struct Door {
    /// A header of the PROXY protocol.
    pub(super) proxy_protocol: bool,
    pub(super) tls: Option<Arc<Tls>>,
}

impl Sockets {
    /// Listens on all addresses.
    pub(crate) fn bind(listeners: &[ListenConfig]) -> Result<Self, BindError> {
        let listeners = listeners.iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Self { listeners })
    }

    /// The addresses, with the ports that the system chose where 0 was asked for.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// The TLS of those that have it.
    pub(crate) fn tls(&self) -> Vec<Arc<Tls>> {
        self.listeners.iter().filter_map(|(_, door)| door.tls.clone()).collect()
    }

    /// The same sockets for one more thread.
    pub(crate) fn share(&self) -> io::Result<Self> {
        let share = |(listener, door): &(TcpListener, Door)| Ok((listener.try_clone()?, door.clone()));
        Ok(Self { listeners: self.listeners.iter().map(share).collect::<io::Result<_>>()? })
    }

    pub(super) fn into_listeners(self) -> Vec<(TcpListener, Door)> {
        self.listeners
    }
}

fn bind(config: &ListenConfig) -> Result<(TcpListener, Door), BindError> {
    let address = config.address;
    let tls = config.tls.as_ref().map(Tls::load).transpose().map_err(|cause| BindError::Tls { address, cause })?;
    let listener = listen(address).map_err(|cause| BindError::Socket { address, cause })?;
    Ok((listener, Door { proxy_protocol: config.proxy_protocol, tls: tls.map(Arc::new) }))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the last life's connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_gateway_on_the_port_is_told_so() {
        let free: SocketAddr = "127.0.0.1:0".parse().expect("address");
        let first = Sockets::bind(&[free.into()]).expect("bind");
        let taken: Vec<_> = first.addresses().into_iter().map(ListenConfig::from).collect();
        let error = Sockets::bind(&taken).expect_err("the port is taken").to_string();
        assert!(error.contains("another process"), "{error}");
    }
}
