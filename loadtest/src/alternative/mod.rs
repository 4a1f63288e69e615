//! `loadtest alternative NAME`: what one would write instead of hookgate, a file each.
//!
//! Each takes GitHub's signed events at `/hooks/github` and answers 202, written as its user would write it who knows the
//! libraries and wants it fast: keep-alive, `TCP_NODELAY`, the same constant-time HMAC that hookgate uses, connections to
//! stores shared and pipelined, commits gathered. Nothing is left out that makes one slower than it has to be, and nothing is done
//! twice. What stores keep is bounded, where the store can do that.
//!
//! Those that need a framework or a store are compiled with `--features alternatives`.

mod signature;

mod hyper_hmac;

mod hyper_read;

#[cfg(feature = "alternatives")]
mod event;

#[cfg(feature = "alternatives")]
mod axum_jetstream;

#[cfg(feature = "alternatives")]
mod axum_memory;

#[cfg(feature = "alternatives")]
mod axum_redis;

#[cfg(feature = "alternatives")]
mod axum_sqlite;

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

/// Serve as one of the programs that `loadtest compare` measures hookgate against.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  GITHUB_SECRET=s3cret loadtest alternative hyper-hmac --listen 127.0.0.1:8081")]
pub(crate) struct AlternativeArgs {
    /// Which
    name: Name,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The store: `redis://…`, `nats://…`, or the file of a database.
    #[cfg(feature = "alternatives")]
    #[arg(long, default_value = "", hide_default_value = true)]
    store: String,
    /// GitHub's secret.
    #[arg(long, env = "GITHUB_SECRET", hide_env_values = true)]
    secret: String,
}

/// The alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// hyper that only reads the body: the floor
    HyperRead,
    /// hyper that verifies the signature: the floor for a signed body
    HyperHmac,
    /// axum, hmac, `serde_json` and a tokio channel
    AxumMemory,
    /// axum and a Redis stream
    AxumRedis,
    /// axum and `SQLite`
    AxumSqlite,
    /// axum and `JetStream`
    AxumJetstream,
}

/// Serves until it is killed.
pub(crate) fn run(args: &AlternativeArgs) -> anyhow::Result<()> {
    let AlternativeArgs { name, listen, secret, .. } = args;
    let key = signature::Key::new(secret.as_bytes());
    match name {
        Name::HyperRead => hyper_read::serve(*listen),
        Name::HyperHmac => hyper_hmac::serve(*listen, &key),
        #[cfg(feature = "alternatives")]
        Name::AxumMemory => axum_memory::serve(*listen, key),
        #[cfg(feature = "alternatives")]
        Name::AxumRedis => axum_redis::serve(*listen, key, &args.store),
        #[cfg(feature = "alternatives")]
        Name::AxumSqlite => axum_sqlite::serve(*listen, key, &args.store),
        #[cfg(feature = "alternatives")]
        Name::AxumJetstream => axum_jetstream::serve(*listen, key, &args.store),
        #[cfg(not(feature = "alternatives"))]
        _ => anyhow::bail!(
            "this loadtest was built without it: cargo build --release -p loadtest --features alternatives"
        ),
    }
}
