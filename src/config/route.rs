//! `[[route]]`: which events go to which processor, and how.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::{HeaderName, StatusCode, Uri};

use super::{Condition, Reach, Secret};

/// One route: match, queue, processor.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// Its name: in metrics, logs, dead letters and commands.
    pub name: String,
    /// What it takes; an event that fits any of these is taken once.
    pub from: Vec<From>,
    /// Take only events whose type a signature covers.
    pub signed_type: bool,
    /// What their bodies must say, all of it.
    pub conditions: Vec<Condition>,
    /// The index of its pool in [`super::Config::pools`].
    pub pool: usize,
    /// Deliveries at once, over all workers of the pool.
    pub in_flight: usize,
    /// Events in one request, at most; `None` is one event a request, as it came. Only where it delivers by HTTP.
    pub batch: Option<usize>,
    /// Deliveries per second; `None` is no limit.
    pub max_rate: Option<u32>,
    /// What may wait in memory.
    pub queue: QueueConfig,
    /// What happens when the queue is full to an event of a source with `ack = "memory"`. One in the journal waits there.
    pub when_full: WhenFull,
    /// What may wait for it in the journal.
    pub backlog: BacklogConfig,
    /// Where in the journal it begins when it is new.
    pub from_start: FromStart,
    /// When and how often a failed delivery is tried again.
    pub retry: RetryConfig,
    /// Failed events of the journal that may wait there for another attempt. With so many it takes no new ones.
    pub max_parked: usize,
    /// When to stop trying a processor that is down.
    pub breaker: BreakerConfig,
    /// The processor.
    pub to: SinkConfig,
}

/// Which events of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The index of the source in [`super::Config::sources`]; behind them those of [`super::Config::polls`] go on.
    pub source: usize,
    /// Patterns of which one must match.
    pub types: Vec<TypePattern>,
}

/// A pattern for event types.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TypePattern {
    /// `*`: every event, also one without a type.
    Any,
    /// `invoice.paid`: this type.
    Exact(String),
    /// `invoice.*`: every type that starts with `invoice.`. The text is kept with its dot.
    Under(String),
    /// Any other use of `*`, each standing for any text: `*.created`, `order.*.paid`.
    Glob(String),
}

impl TypePattern {
    /// Reads a pattern as it is written in `types`.
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some("") => Self::Any,
            Some(prefix) if prefix.ends_with('.') && !prefix.contains('*') => Self::Under(prefix.to_owned()),
            None if !text.contains('*') => Self::Exact(text.to_owned()),
            _ => Self::Glob(text.to_owned()),
        }
    }
}

/// Bounds of a route's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfig {
    /// Events, those waiting for another attempt included.
    pub events: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

/// How far a route may fall behind in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogConfig {
    /// Bytes of the journal between what the route is not done with and the end.
    pub size: u64,
    /// What happens then.
    pub when_full: BacklogFull,
}

/// What happens when a route has fallen behind as far as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BacklogFull {
    /// The durable sources that it takes from are refused with 503 until it has caught up somewhat. No other source is.
    RefuseSource,
    /// The route goes without its oldest events, counted.
    DropOldest,
}

/// Where a route begins that has never run before. Ever after it goes on where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromStart {
    /// With the first event that comes after its first start.
    Now,
    /// With the oldest event that the journal still has.
    Oldest,
    /// With the first event that was received at this time or later.
    At(SystemTime),
}

/// What happens to an event for which a route has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The sender is refused with 503, and no other route gets the event either.
    Refuse,
    /// This route goes without it, counted; the others get it.
    Drop,
}

/// Retries of failed deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryConfig {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Longest wait before the second attempt; it doubles with each, and the wait is drawn evenly from zero to it.
    pub first: Duration,
    /// The most it grows to, and the longest `Retry-After` that is honoured.
    pub max: Duration,
    /// An event older than this is not tried again.
    pub age: Duration,
    /// Statuses that no retry would change.
    pub final_statuses: Vec<StatusCode>,
}

/// When a route stops reading because its processor is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row after which it opens.
    pub failures: u32,
    /// How long after opening, and after each failed probe, the next probe goes out.
    pub probe_every: Duration,
    /// Dead letters without a success between them after which the route is paused.
    pub pause_after_dead: u32,
}

/// The processor of a route.
#[derive(Debug, Clone)]
pub enum SinkConfig {
    /// An HTTP endpoint.
    Http(Box<HttpSink>),
    /// Lines of JSON in a file.
    File(FileSink),
    /// Lines of JSON on standard output.
    Stdout,
    /// Nothing: every delivery succeeds. For measurements.
    Discard,
    /// A function that the embedding program registers with `Gateway::builder().handler(…)`.
    Handler,
}

/// An HTTP processor.
#[derive(Debug, Clone)]
pub struct HttpSink {
    /// `http` or `https`, with a host.
    pub url: Uri,
    /// Headers that every delivery carries.
    pub headers: Vec<(HeaderName, Fill)>,
    /// Credentials.
    pub auth: Option<HttpAuth>,
    /// Trust and identity for `https`.
    pub tls: HttpTls,
    /// Secrets of the Standard Webhooks signature, one signature each; empty for none.
    pub sign: Vec<Secret>,
    /// From connecting to the end of the answer.
    pub timeout: Duration,
    /// For connecting, TLS included.
    pub connect_timeout: Duration,
    /// Which addresses its host may have.
    pub reach: Reach,
}

/// The value of a configured header: text, or a secret.
#[derive(Debug, Clone)]
pub enum Fill {
    /// Text that may be shown.
    Text(String),
    /// A secret.
    Secret(Secret),
}

/// Credentials for a processor.
#[derive(Debug, Clone)]
pub enum HttpAuth {
    /// `Authorization: Basic`.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `Authorization: Bearer`.
    Bearer(Secret),
}

/// TLS towards a processor.
#[derive(Debug, Clone, Default)]
pub struct HttpTls {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the client certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file of its key. There exactly if `cert` is.
    pub key: Option<PathBuf>,
}

/// A file that deliveries are appended to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSink {
    /// The file.
    pub path: PathBuf,
    /// Bytes after which it is renamed to `path.1` and a new one begun.
    pub rotate: u64,
    /// How many renamed files stay.
    pub keep: usize,
}
