//! The TOML file, read into checked and resolved values.
//!
//! The types here are configuration as the other rooms use it: defaults filled in, units parsed, presets applied, secrets
//! loaded, names proven to exist. Whatever is wrong with a file is found before any of them exists, and all of it at once:
//! every `Problem` names file, line and key and says what would be right.

mod address_list;

mod admin;

mod built_in;

mod condition;

mod display;

mod document;

mod duplicates;

mod gateway;

mod handshake;

mod journal;

mod listen;

mod load;

mod nearest;

mod node;

mod poll;

mod pool;

mod preset;

mod problem;

mod process;

mod proof;

mod quarantine;

mod reach;

mod read;

mod route;

mod scheme;

mod secret;

mod source;

mod split;

mod starter;

mod table;

mod template;

pub(crate) mod units;

mod validity;

mod xml_path;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests;

pub use address_list::{AddressList, Day, UsedList, address_list, address_lists};
pub use admin::{AdminAddress, AdminConfig};
pub use condition::{Comparison, Condition, Number, Scalar, Test};
pub use duplicates::DuplicatesConfig;
pub use gateway::GatewayConfig;
pub use handshake::{AnswerPart, Clue, Expected, Field, Handshake};
pub use journal::{JournalConfig, RetainConfig};
pub use listen::{CertificateFiles, ForwardedHeader, ListenConfig, TlsConfig};
pub use poll::{CursorConfig, CursorFrom, NextPage, OAuthConfig, PollConfig};
pub use pool::PoolConfig;
pub use preset::{Preset, preset, presets};
pub use problem::{Problem, Problems};
pub use process::ProcessConfig;
pub use proof::{JwtScheme, Proof, TokenPlace};
pub use quarantine::QuarantineConfig;
pub use reach::Reach;
pub use route::{
    BacklogConfig, BacklogFull, BreakerConfig, FileSink, Fill, From, FromStart, HttpAuth, HttpSink, HttpTls,
    QueueConfig, RetryConfig, RouteConfig, SinkConfig, TypePattern, WhenFull,
};
pub use scheme::{
    Algorithm, Covers, Encoding, KeyForm, Scheme, SignatureForm, SignaturePlace, SignedPart, Stamp, StampPlace,
    StampUnit,
};
pub use secret::{Secret, Secrets};
pub use source::{
    Ack, ApiKey, Attribute, Auth, BasicAuth, Locator, Place, Pointer, ProofAuth, RefuseConfig, ReplyConfig,
    SendersConfig, SourceConfig,
};
pub(crate) use split::ITEMS_MAX;
pub use split::Split;
pub use starter::starter;
pub use validity::Validity;
pub use xml_path::XmlPath;

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[gateway]`
    pub gateway: GatewayConfig,
    /// `[journal]`
    pub journal: JournalConfig,
    /// `[process]`; an embedding program decides for itself.
    pub process: ProcessConfig,
    /// `[quarantine]`; `None` for none.
    pub quarantine: Option<QuarantineConfig>,
    /// `[[source]]`, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// `[[poll]]`, in the order of the file.
    pub polls: Vec<PollConfig>,
    /// `[[route]]`, of the main file and then of `routes.d/*.toml` in the order of their names.
    pub routes: Vec<RouteConfig>,
    /// `[[pool]]`; the first is the default pool, called `default`, written or not.
    pub pools: Vec<PoolConfig>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// The names of whatever events come from, in the order of the indices that routes know them by: sources, then polls.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &str> {
        let sources = self.sources.iter().map(|source| source.name.as_str());
        sources.chain(self.polls.iter().map(|poll| poll.name.as_str()))
    }
}
