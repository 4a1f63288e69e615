//! Sockets, io threads, connections and their limits.
//!
//! ```text
//! one socket ─▶ io-0 ─▶ (PROXY header, TLS) ─▶ connection ─▶ Request { head, body } ─▶ Answerer
//!            └▶ io-1                             (Watched: every byte passes it)        (gateway)
//!                                                   ▲ closed by the sweep, every 50 ms
//! ```
//!
//! Each io thread has a runtime of its own and never hands a connection to another. hyper parses HTTP/1.1 and HTTP/2; what it lets
//! through that a gateway must not is refused by [`Request::check_head`]. Time limits are kept by one sweep per thread over
//! the state of its connections, not by a timer per request.

mod accept;

mod body;

mod certificate;

mod clients;

mod connection;

mod exchange;

mod forwarded;

mod handshake;

mod head;

mod http2;

mod io_thread;

mod limits;

mod per_address;

mod phase;

mod proxy;

mod request;

mod serve;

mod stage;

mod streams;

mod tls;

mod turns;

mod watched;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

pub(crate) use accept::Sockets;
pub(crate) use clients::{Clients, SourceShare};
pub(crate) use io_thread::IoThread;
pub(crate) use limits::Limits;
pub(crate) use per_address::{AddressSlots, SLOTS};
pub(crate) use request::{Answerer, PendingBody, Request};
pub(crate) use stage::{SharedStage, Stage};
pub(crate) use tls::{Tls, TlsError};
pub(crate) use turns::go_behind;
