//! A request as the gateway meets it: the head, and a body that has not been read.

use std::rc::Rc;
use std::time::Instant;

use http::request::Parts;
use hyper::body::{Body, Incoming};

use super::body;
use super::connection::Connection;
use super::head;
use crate::event::Draft;
use crate::refusal::Refusal;

/// Answers the requests of one io thread.
pub(crate) trait Answerer: 'static {
    /// The body of its answers.
    type Body: Body<Error = std::convert::Infallible> + 'static;

    /// Answers one request, and says when the answer was ready, so that the clock is read once for all who want to know.
    /// The future is dropped if the client goes away.
    fn answer(&self, request: Request) -> impl Future<Output = (http::Response<Self::Body>, Instant)>;

    /// Called with every sweep, so that what answers are waiting for can be given up in time without a timer for each.
    fn sweep(&self, now: Instant);
}

/// A request whose head is complete.
#[derive(Debug)]
pub(crate) struct Request {
    head: Parts,
    body: Incoming,
    connection: Rc<Connection>,
}

/// The body of a request, which nobody has asked for yet.
#[derive(Debug)]
pub(crate) struct PendingBody {
    body: Incoming,
    connection: Rc<Connection>,
}

impl Request {
    pub(super) fn new(request: http::Request<Incoming>, connection: Rc<Connection>) -> Self {
        let (head, body) = request.into_parts();
        connection.begin_receiving(!body.is_end_stream());
        Self { head, body, connection }
    }

    /// Method, target and headers.
    pub(crate) fn head(&self) -> &Parts {
        &self.head
    }

    /// When its first byte came, from which deadlines count.
    pub(crate) fn started(&self) -> Instant {
        self.connection.head_started()
    }

    /// The address at the other end of the connection.
    pub(crate) fn peer(&self) -> std::net::SocketAddr {
        self.connection.peer()
    }

    /// Refuses heads that hyper lets through and a gateway must not.
    pub(crate) fn check_head(&self) -> Result<(), Refusal> {
        head::check(&self.head)
    }

    /// Separates head and body. Nothing is read, so the client has not been told to continue.
    pub(crate) fn split(self) -> (Parts, PendingBody) {
        (self.head, PendingBody { body: self.body, connection: self.connection })
    }
}

impl PendingBody {
    /// Refuses a body whose announced length is over `max`.
    pub(crate) fn check_length(&self, max: usize) -> Result<(), Refusal> {
        body::check_length(&self.body, max)
    }

    /// Reads it to its end into `draft`, within `max` and the memory budget; `on_frame` sees each frame while it is in
    /// cache. What is announced is taken out of the budget before the client is told to continue.
    pub(crate) async fn read(
        mut self,
        max: usize,
        draft: &mut Draft,
        on_frame: impl FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        body::read(&mut self.body, max, &self.connection, draft, on_frame).await?;
        self.connection.begin_answering();
        Ok(())
    }
}
