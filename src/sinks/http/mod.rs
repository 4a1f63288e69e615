//! Delivery over HTTP/1.1: one POST per event, its body byte for byte as it was received; or, on a route with `batch`, one for
//! several events (`batch.rs`).
//!
//! ```text
//! event ─▶ request ─▶ idle connection, newest first ─▶ answer ─▶ outcome
//!                 └─▶ connect, TLS ──────────────────────▲  └─▶ whole: the connection is idle again
//! ```
//!
//! A delivery owns its connection until the answer has been read to its end. If it is dropped before, so is the
//! connection: none with half an exchange on it is ever used again. A processor may close an idle connection at the moment
//! a request leaves; such a request goes out once more, at once, on a new connection. That it may then arrive twice is
//! what at least once means, and why `webhook-id` is there.
//!
//! Redirects are failures, and the `*_proxy` variables of the environment are not read: an event goes to the host that the
//! configuration names and to no other.

mod answer;

mod batch;

mod command;

mod connect;

mod envelope;

mod idle;

mod outcomes;

mod pinned;

mod request;

mod server;

mod sign;

mod tls;

mod token;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use tokio::time::timeout_at;

use self::answer::Answer;
pub(crate) use self::answer::retry_after;
pub(super) use self::batch::BatchSink;
pub(crate) use self::command::{Trust, connect, connect_unix};
use self::connect::Target;
use self::idle::Idle;
use self::request::Template;
pub(crate) use self::server::Server;
use super::{SinkError, detail};
use crate::config::HttpSink as HttpConfig;
use crate::routes::{Delivery, Failure, FailureKind, LocalFuture, Outcome, Outcomes, Sink};

/// One connection, as a request is sent on it. The connection itself is a task on the same thread, which ends when this is
/// dropped.
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// What all workers know of a processor.
pub(super) struct Processor {
    target: Target,
    template: Template,
    timeout: Duration,
}

impl Processor {
    /// Reads the files and builds the headers that every request shares.
    pub(super) fn new(route: &str, config: &HttpConfig) -> Result<Self, SinkError> {
        Ok(Self {
            target: Target::new(route, config)?,
            template: Template::new(route, config)?,
            timeout: config.timeout,
        })
    }
}

/// A processor as one worker delivers to it.
pub(super) struct HttpSink {
    processor: Arc<Processor>,
    idle: Idle,
}

impl HttpSink {
    pub(super) fn new(processor: Arc<Processor>) -> Self {
        Self { processor, idle: Idle::default() }
    }

    async fn attempt(&self, delivery: &Delivery) -> Outcome {
        let request = || self.processor.template.request(delivery, SystemTime::now());
        match self.ask(request, answer::KEPT_BYTES).await {
            Ok(answer) => answer.outcome,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// Sends a request, which may have to be made once more, and reads the answer, of whose body it keeps so many bytes.
    async fn ask(&self, request: impl Fn() -> Request<Full<Bytes>>, keep: usize) -> Result<Answer, Failure> {
        let deadline = tokio::time::Instant::now() + self.processor.timeout;
        let Ok(exchanged) = timeout_at(deadline, self.exchange(request)).await else { return Err(answer::too_late()) };
        let (connection, response) = exchanged?;
        let answer = answer::read(response, deadline, &self.processor.template, keep).await;
        if answer.whole {
            self.idle.put(connection, Instant::now()).await;
        }
        Ok(answer)
    }

    /// Sends the request and waits for the head of the answer.
    async fn exchange(
        &self,
        request: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), Failure> {
        if let Some(mut reused) = self.idle.take(Instant::now()) {
            match reused.send_request(request()).await {
                Ok(response) => return Ok((reused, response)),
                Err(error) if closed_before_answer(&error) => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        let mut connection = self.processor.target.connect().await?;
        match connection.send_request(request()).await {
            Ok(response) => Ok((connection, response)),
            Err(error) => Err(broken(&error)),
        }
    }
}

impl Sink for HttpSink {
    fn batch_max(&self) -> usize {
        1
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            if let [delivery] = batch {
                return Outcomes::All(self.attempt(delivery).await);
            }
            let mut outcomes = Vec::with_capacity(batch.len());
            for delivery in batch {
                outcomes.push(self.attempt(delivery).await);
            }
            Outcomes::Each(outcomes)
        })
    }
}

/// Whether the connection was gone before the head of an answer had come.
fn closed_before_answer(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let gone = |kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof);
    error.is_canceled()
        || error.is_closed()
        || error.is_incomplete_message()
        || detail::causes(error).filter_map(|cause| cause.downcast_ref()).any(|io: &std::io::Error| gone(io.kind()))
}

/// With TLS 1.3 a refused client certificate shows only here, after the handshake.
fn broken(error: &hyper::Error) -> Failure {
    let of_tls = detail::causes(error).any(|cause| {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
    });
    let kind = if of_tls { FailureKind::Tls } else { FailureKind::BrokenAnswer };
    detail::failure(kind, detail::of_error(error))
}

#[cfg(test)]
mod tests;
