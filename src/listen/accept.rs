//! The listening sockets: one per address, shared by every io thread.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the system holds for us before they are accepted. It caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}{}", advice(.cause))]
pub(crate) struct BindError {
    address: SocketAddr,
    #[source]
    cause: io::Error,
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
    listeners: Vec<TcpListener>,
}

impl Sockets {
    /// Listens on all addresses.
    pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let listeners = addresses
            .iter()
            .map(|&address| listen(address).map_err(|cause| BindError { address, cause }))
            .collect::<Result<_, _>>()?;
        Ok(Self { listeners })
    }

    /// The addresses, with the ports that the system chose where 0 was asked for.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The same sockets for one more thread.
    pub(crate) fn share(&self) -> io::Result<Self> {
        let listeners = self.listeners.iter().map(TcpListener::try_clone).collect::<Result<_, _>>()?;
        Ok(Self { listeners })
    }

    pub(super) fn into_listeners(self) -> Vec<TcpListener> {
        self.listeners
    }
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
        let first = Sockets::bind(&["127.0.0.1:0".parse().expect("address")]).expect("bind");
        let taken = first.addresses();
        let error = Sockets::bind(&taken).expect_err("the port is taken").to_string();
        assert!(error.contains("another process"), "{error}");
    }
}
