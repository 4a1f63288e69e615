//! Asking a server: on a connection that is kept, within limits on time and size. And the page of a poll, asked for with
//! the credentials that it wants now and only if it is another than the one that was seen.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::token::Tokens;
use super::trouble::Trouble;
use super::validators::Validators;
use crate::sinks::{Connection, Server, retry_after};

/// Asks for the pages of one poll.
pub(super) struct Fetcher {
    line: Line,
    /// Where the credentials are a token that is fetched.
    tokens: Option<Tokens>,
}

/// A whole page.
pub(super) struct Page {
    pub(super) headers: HeaderMap,
    /// Empty where the server said that there is nothing (204).
    pub(super) body: Vec<u8>,
}

/// A server that is asked one thing after another.
pub(super) struct Line {
    server: Server,
    idle: Option<Connection>,
    /// From connecting to the end of the answer.
    timeout: Duration,
    max_answer: usize,
}

/// An answer that was read to its end, unless it is one of a failure that cannot be.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Fetcher {
    pub(super) fn new(line: Line, tokens: Option<Tokens>) -> Self {
        Self { line, tokens }
    }

    /// Asks for a path with its query. `None` if there is nothing else there than when `known` was answered.
    pub(super) async fn page(&mut self, target: &str, known: Option<&Validators>) -> Result<Option<Page>, Trouble> {
        let target = target
            .parse()
            .map_err(|_| Trouble::NotUnderstood("what it says of the next page makes no URL".to_owned()))?;
        let mut reply = self.ask(&target, known).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Some(tokens) = &mut self.tokens
        {
            // It may have been revoked before its time; with a fresh one a second refusal is meant.
            tokens.forget();
            reply = self.ask(&target, known).await?;
        }
        match reply.status {
            StatusCode::NOT_MODIFIED if known.is_some() => Ok(None),
            status if status.is_success() => Ok(Some(Page { headers: reply.headers, body: reply.body })),
            _ => Err(reply.refused()),
        }
    }

    async fn ask(&mut self, target: &PathAndQuery, known: Option<&Validators>) -> Result<Reply, Trouble> {
        let token = match &mut self.tokens {
            Some(tokens) => Some(tokens.header().await?),
            None => None,
        };
        let make = |server: &Server| {
            let mut request = server.get(target.clone());
            if let Some(token) = &token {
                request.headers_mut().insert(AUTHORIZATION, token.clone());
            }
            if let Some(known) = known {
                known.write_to(request.headers_mut());
            }
            request
        };
        self.line.ask(make).await
    }
}

impl Line {
    pub(super) fn new(server: Server, timeout: Duration, max_answer: usize) -> Self {
        Self { server, idle: None, timeout, max_answer }
    }

    /// Sends a request, made anew where it has to go out twice.
    pub(super) async fn ask(&mut self, make: impl Fn(&Server) -> Request<Full<Bytes>>) -> Result<Reply, Trouble> {
        timeout(self.timeout, self.exchange(make)).await.unwrap_or(Err(Trouble::TooSlow))
    }

    /// The connection is kept only when an answer was read to its end.
    async fn exchange(&mut self, make: impl Fn(&Server) -> Request<Full<Bytes>>) -> Result<Reply, Trouble> {
        let (connection, response) = self.send(make).await?;
        let (head, body) = response.into_parts();
        let (status, headers) = (head.status, head.headers);
        if let Some(place) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
            return Err(Trouble::Redirect(String::from_utf8_lossy(place.as_bytes()).into_owned()));
        }
        match read(body, self.max_answer).await {
            Ok(body) => {
                self.idle = Some(connection);
                Ok(Reply { status, headers, body })
            }
            Err(trouble) if status.is_success() => Err(trouble),
            // That it refuses says more than that it does not do so in good order.
            Err(_) => Ok(Reply { status, headers, body: Vec::new() }),
        }
    }

    /// A server may close an idle connection at the moment a request leaves; such a request goes out once more.
    async fn send(
        &mut self,
        make: impl Fn(&Server) -> Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), Trouble> {
        if let Some(mut idle) = self.idle.take().filter(|idle| idle.is_ready())
            && let Ok(response) = idle.send_request(make(&self.server)).await
        {
            return Ok((idle, response));
        }
        let mut connection = self.server.connect().await.map_err(Trouble::Unreachable)?;
        let response = connection.send_request(make(&self.server)).await.map_err(|error| broken(&error))?;
        Ok((connection, response))
    }
}

impl Reply {
    /// What its status says.
    pub(super) fn refused(&self) -> Trouble {
        let wished = self.headers.get(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
        Trouble::Status { status: self.status.as_u16(), retry_after: wished }
    }
}

async fn read(mut body: Incoming, most: usize) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let data: Bytes = frame.map_err(|error| broken(&error))?.into_data().unwrap_or_default();
        if bytes.len() + data.len() > most {
            return Err(Trouble::TooLarge(most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn broken(error: &hyper::Error) -> Trouble {
    Trouble::Unreachable(error.to_string())
}
