//! One page: asked for on a connection that is kept, within the poll's limits on time and size.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER};
use http::uri::PathAndQuery;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::trouble::Trouble;
use crate::sinks::{Connection, Server, retry_after};

/// Asks one server.
pub(super) struct Fetcher {
    server: Server,
    idle: Option<Connection>,
    /// From connecting to the end of the answer.
    timeout: Duration,
    max_answer: usize,
}

/// A whole answer.
pub(super) struct Page {
    pub(super) headers: HeaderMap,
    /// Empty where the server said that there is nothing (204).
    pub(super) body: Vec<u8>,
}

impl Fetcher {
    pub(super) fn new(server: Server, timeout: Duration, max_answer: usize) -> Self {
        Self { server, idle: None, timeout, max_answer }
    }

    /// Asks for a path with its query.
    pub(super) async fn page(&mut self, target: &str) -> Result<Page, Trouble> {
        let target = target
            .parse()
            .map_err(|_| Trouble::NotUnderstood("what it says of the next page makes no URL".to_owned()))?;
        let limit = self.timeout;
        match timeout(limit, self.exchange(target)).await {
            Ok(page) => page,
            Err(_) => Err(Trouble::Unreachable("not complete within the poll's `timeout`".to_owned())),
        }
    }

    /// The connection is kept only when an answer was read to its end.
    async fn exchange(&mut self, target: PathAndQuery) -> Result<Page, Trouble> {
        let (connection, response) = self.send(target).await?;
        let (head, mut body) = response.into_parts();
        if head.status.is_redirection() && head.headers.contains_key(LOCATION) {
            let place = head.headers.get(LOCATION).map(|place| String::from_utf8_lossy(place.as_bytes()).into_owned());
            return Err(Trouble::Redirect(place.unwrap_or_default()));
        }
        if !head.status.is_success() {
            let wished = head.headers.get(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
            return Err(Trouble::Status { status: head.status.as_u16(), retry_after: wished });
        }
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let data: Bytes = frame.map_err(|error| broken(&error))?.into_data().unwrap_or_default();
            if bytes.len() + data.len() > self.max_answer {
                return Err(Trouble::TooLarge(self.max_answer));
            }
            bytes.extend_from_slice(&data);
        }
        self.idle = Some(connection);
        Ok(Page { headers: head.headers, body: bytes })
    }

    /// A server may close an idle connection at the moment a request leaves; such a request goes out once more.
    async fn send(&mut self, target: PathAndQuery) -> Result<(Connection, Response<Incoming>), Trouble> {
        if let Some(mut idle) = self.idle.take().filter(|idle| idle.is_ready())
            && let Ok(response) = idle.send_request(self.server.get(target.clone())).await
        {
            return Ok((idle, response));
        }
        let mut connection = self.server.connect().await.map_err(Trouble::Unreachable)?;
        let response = connection.send_request(self.server.get(target)).await.map_err(|error| broken(&error))?;
        Ok((connection, response))
    }
}

fn broken(error: &hyper::Error) -> Trouble {
    Trouble::Unreachable(error.to_string())
}
