//! One HTTP request of a command, and its answer.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use super::progress::{LONG, Spinner};
use crate::config::Secret;
use crate::sinks;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Why an answer is not followed any more.
#[derive(Debug)]
pub(super) enum Followed {
    Enough,
    Interrupted,
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
    /// A question to the admin listener at this address.
    pub(super) fn to_admin(address: &str, token: Option<&Secret>, target: &str) -> anyhow::Result<Self> {
        let url = format!("http://{address}{target}").parse();
        let url = url.with_context(|| format!("{address}{target} is no address and path"))?;
        let mut headers = Vec::new();
        if let Some(token) = token {
            let mut value = HeaderValue::try_from([b"Bearer ", token.expose()].concat())
                .context("the admin token cannot stand in a header")?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        Ok(Self { method: Method::GET, url, headers, body: Bytes::new() })
    }

    /// Sends it and reads the answer, on a runtime of its own.
    pub(super) fn send(self) -> anyhow::Result<Answer> {
        let shown = self.shown();
        run(async {
            let answer = tokio::time::timeout(TIMEOUT, self.exchange()).await;
            answer.with_context(|| format!("{shown} did not answer within {TIMEOUT:?}"))?
        })
    }

    /// The same, for however long it takes, telling what is waited for.
    pub(super) fn send_patiently(self, what: &'static str) -> anyhow::Result<Answer> {
        run(async {
            let mut exchange = pin!(self.exchange());
            let soon = tokio::time::timeout(LONG, &mut exchange).await;
            if let Ok(answer) = soon {
                return answer;
            }
            let _spinner = Spinner::new(what);
            exchange.await
        })
    }

    /// Sends it and hands on each line of the answer as it comes, until it is enough or Ctrl-C. That the answer ends before is
    /// an error.
    pub(super) fn follow(
        self,
        mut take: impl FnMut(&str) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<Followed> {
        let shown = self.shown();
        run(async {
            let mut enough = pin!(tokio::signal::ctrl_c());
            let response = tokio::select! {
                response = self.open() => response?,
                _ = &mut enough => return Ok(Followed::Interrupted),
            };
            if response.status() != StatusCode::OK {
                let answer = read(response).await?;
                bail!("{}: {}", answer.status, answer.body.trim_end());
            }
            let mut body = response.into_body();
            let mut text = Vec::new();
            loop {
                let frame = tokio::select! {
                    frame = body.frame() => frame,
                    _ = &mut enough => return Ok(Followed::Interrupted),
                };
                let Some(Ok(frame)) = frame else { bail!("{shown} has ended") };
                text.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
                let whole = memchr::memrchr(b'\n', &text).map_or(0, |end| end + 1);
                for line in String::from_utf8_lossy(text.get(..whole).unwrap_or_default()).lines() {
                    if take(line)?.is_break() {
                        return Ok(Followed::Enough);
                    }
                }
                text.drain(..whole);
            }
        })
    }

    fn shown(&self) -> String {
        format!("{}://{}", self.url.scheme_str().unwrap_or("http"), self.url.host().unwrap_or_default())
    }

    async fn exchange(self) -> anyhow::Result<Answer> {
        read(self.open().await?).await
    }

    async fn open(self) -> anyhow::Result<Response<Incoming>> {
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
        let connection = sinks::connect(&self.url).await;
        let mut connection = connection.map_err(|error| anyhow::Error::new(error).context(Unreachable))?;
        connection.send_request(request).await.context("the answer broke off")
    }
}

/// Nobody listens there.
#[derive(Debug)]
pub(super) struct Unreachable;

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("is the gateway running?")
    }
}

async fn read(response: Response<Incoming>) -> anyhow::Result<Answer> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// A text as the value of a query's parameter.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
