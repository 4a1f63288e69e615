//! One HTTP request of a command, and its answer.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};

use crate::sinks;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

/// A request of a command.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most that is read of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;

impl Request {
    /// Sends it and reads the answer, on a runtime of its own.
    pub(super) fn send(self) -> anyhow::Result<Answer> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shown = format!("{}://{}", self.url.scheme_str().unwrap_or("http"), self.url.host().unwrap_or_default());
        tokio::task::LocalSet::new().block_on(&runtime, async {
            tokio::time::timeout(TIMEOUT, self.exchange())
                .await
                .with_context(|| format!("{shown} did not answer within {TIMEOUT:?}"))?
        })
    }

    async fn exchange(self) -> anyhow::Result<Answer> {
        let Some(authority) = self.url.authority() else { bail!("{} names no host", self.url.path()) };
        // User and password before the host are not part of the header.
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(self.url.path_and_query().map_or("/", |target| target.as_str()))
            .header(HOST, host)
            .body(Full::new(self.body))?;
        for (name, value) in self.headers {
            request.headers_mut().append(name, value);
        }
        let mut connection = sinks::connect(&self.url).await.context("is the gateway running?")?;
        let response = connection.send_request(request).await.context("the answer broke off")?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() })
    }
}
