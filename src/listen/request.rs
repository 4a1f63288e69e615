//! A request as the gateway meets it: the head, and a body that has not been read.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use http::Method;
use http::header::EXPECT;
use http::request::Parts;
use hyper::body::{Body, Incoming};

use super::body;
use super::clients::{Clients, SourceShare};
use super::connection::Connection;
use super::head;
use super::per_address::Held;
use crate::event::Draft;
use crate::refusal::Refusal;

/// Answers the requests of one io thread.
pub(crate) trait Answerer: 'static {
    /// The body of its answers.
    type Body: Body<Error = std::convert::Infallible> + Unpin + 'static;

    /// Answers one request, and says when the answer was ready, so that the clock is read once for all who want to know.
    /// The future is dropped if the client goes away.
    fn answer(&self, request: &mut Request) -> impl Future<Output = (http::Response<Self::Body>, Instant)>;

    /// Called with every sweep, so that what answers are waiting for can be given up in time without a timer for each.
    fn sweep(&self, now: Instant);
}

/// A request whose head is complete.
#[derive(Debug)]
pub(crate) struct Request {
    head: Parts,
    body: Incoming,
    connection: Rc<Connection>,
    client: IpAddr,
    /// Its client has no place left for it.
    is_too_many: bool,
}

/// The body of a request, which nobody has asked for yet.
#[derive(Debug)]
pub(crate) struct PendingBody<'request> {
    body: &'request mut Incoming,
    connection: &'request Connection,
    client: IpAddr,
}

/// The place of a request among those of its client; to be kept until it is answered.
pub(super) type Place = Option<Held>;

impl Request {
    /// A request, and its place. A connection that carries one request at a time is its place; where several may be under
    /// way, or several clients' requests, each has its own.
    pub(super) fn new(
        request: http::Request<Incoming>,
        connection: Rc<Connection>,
        clients: &Clients,
    ) -> (Self, Place) {
        let (head, body) = request.into_parts();
        connection.begin_receiving(!body.is_end_stream());
        if end_is_doubtful(&head, &body) {
            connection.doubt_end();
        }
        let address = connection.address();
        let is_proxied = clients.trusts(address);
        let client = if is_proxied { clients.client(address, &head.headers) } else { address };
        let needs_place = is_proxied || connection.is_stream();
        let place = if needs_place { clients.request(client) } else { None };
        let is_too_many = needs_place && place.is_none();
        (Self { head, body, connection, client, is_too_many }, place)
    }

    /// Method, target and headers.
    pub(crate) fn head(&self) -> &Parts {
        &self.head
    }

    /// When its first byte came, from which deadlines count; with HTTP/2, when its head was complete.
    pub(crate) fn started(&self) -> Instant {
        self.connection.head_started()
    }

    /// The address that it comes from, as told by the system or by a trusted proxy.
    pub(crate) fn client(&self) -> IpAddr {
        self.client
    }

    /// The names in the certificate that its connection was made with, `None` without one.
    pub(crate) fn client_names(&self) -> Option<&[String]> {
        self.connection.client_names()
    }

    /// Refuses heads that hyper lets through and a gateway must not, and requests beyond those that one address may have under
    /// way.
    pub(crate) fn check_head(&self) -> Result<(), Refusal> {
        if self.is_too_many {
            return Err(Refusal::TooManyAtOnce);
        }
        head::check(&self.head)
    }

    /// Separates head and body. Nothing is read, so the client has not been told to continue.
    pub(crate) fn split(&mut self) -> (&mut Parts, PendingBody<'_>) {
        (&mut self.head, PendingBody { body: &mut self.body, connection: &self.connection, client: self.client })
    }
}

impl PendingBody<'_> {
    /// Refuses a body whose announced length is over `max`.
    pub(crate) fn check_length(&self, max: usize) -> Result<(), Refusal> {
        body::check_length(self.body, max)
    }

    /// Reads it to its end into `draft`, within `max`, the memory budget, and what unfinished bodies may hold of that for its
    /// client and for `source`; `on_progress` sees how far the body has come. Before the client is told to continue, there
    /// is room for what is announced.
    pub(crate) async fn read(
        self,
        max: usize,
        draft: &mut Draft,
        (clients, source): (&Clients, &SourceShare),
        on_progress: impl FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        let client = self.client;
        let unfinished = || clients.unfinished(client, source);
        body::read(self.body, max, self.connection, draft, unfinished, on_progress).await?;
        self.connection.begin_answering();
        Ok(())
    }
}

/// Whether a request must be the last of its connection unless it is read to its end: chunks that nobody has looked at; a body of
/// which nobody knows whether its client sends it all the same, told that it is refused; and a tunnel, whose first bytes may have
/// come with it.
fn end_is_doubtful(head: &Parts, body: &Incoming) -> bool {
    let is_body_doubtful = || body.size_hint().exact().is_none() || head.headers.contains_key(EXPECT);
    head.method == Method::CONNECT || (!body.is_end_stream() && is_body_doubtful())
}
