//! The TOML file, read into checked and resolved values.
//!
//! The types here are configuration as the other rooms use it: defaults filled in, units parsed, presets applied, secrets
//! loaded, names proven to exist. Whatever is wrong with a file is found before any of them exists, and all of it at once:
//! every `Problem` names file, line and key and says what would be right.

mod display;

mod document;

mod duplicates;

mod gateway;

mod journal;

mod load;

mod nearest;

mod node;

mod pool;

mod preset;

mod problem;

mod read;

mod route;

mod scheme;

mod secret;

mod source;

mod starter;

mod table;

mod template;

pub(crate) mod units;

#[cfg(test)]
mod tests;

pub use duplicates::DuplicatesConfig;
pub use gateway::GatewayConfig;
pub use journal::{JournalConfig, RetainConfig};
pub use pool::PoolConfig;
pub use preset::{Preset, preset, presets};
pub use problem::{Problem, Problems};
pub use route::{
    BacklogConfig, BacklogFull, BreakerConfig, FileSink, Fill, From, FromStart, HttpAuth, HttpSink, HttpTls,
    QueueConfig, RetryConfig, RouteConfig, SinkConfig, TypePattern, WhenFull,
};
pub use scheme::{Algorithm, Encoding, KeyForm, Scheme, SignatureForm, SignedPart, Stamp, StampPlace, StampUnit};
pub use secret::Secret;
pub use source::{
    Ack, ApiKey, Auth, BasicAuth, Challenge, Locator, Place, Pointer, RefuseConfig, ReplyConfig, SignatureAuth,
    SourceConfig,
};
pub use starter::starter;

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[gateway]`
    pub gateway: GatewayConfig,
    /// `[journal]`
    pub journal: JournalConfig,
    /// `[[source]]`, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// `[[route]]`, of the main file and then of `routes.d/*.toml` in the order of their names.
    pub routes: Vec<RouteConfig>,
    /// `[[pool]]`; the first is the default pool, called `default`, written or not.
    pub pools: Vec<PoolConfig>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}
