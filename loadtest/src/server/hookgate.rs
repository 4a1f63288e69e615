//! The gateway itself: its binary, and configurations to measure it with.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// A configuration with one GitHub source, `/hooks/github`, and routes that take everything.
pub(crate) struct ConfigText<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) io_threads: usize,
    /// `durable` or `memory`.
    pub(crate) ack: &'a str,
    pub(crate) secret: &'a str,
    /// Where each route delivers; none for one that discards.
    pub(crate) processors: &'a [SocketAddr],
    /// How many ids the source remembers; as the preset has it if not given.
    pub(crate) ids: Option<u64>,
    /// Where metrics are to be had; nowhere if not given.
    pub(crate) admin: Option<SocketAddr>,
    /// More keys of the gateway itself, a line each.
    pub(crate) gateway_keys: &'a str,
    /// More keys of each route, likewise.
    pub(crate) route_keys: &'a str,
}

impl<'a> ConfigText<'a> {
    /// One io thread, durable, a route that discards.
    pub(crate) fn plain(listen: SocketAddr, secret: &'a str) -> Self {
        Self {
            listen,
            io_threads: 1,
            ack: "durable",
            secret,
            processors: &[],
            ids: None,
            admin: None,
            gateway_keys: "",
            route_keys: "",
        }
    }

    /// Writes it, and the secret, into `dir`, in which its journal will be too.
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<PathBuf> {
        let Self { listen, io_threads, ack, secret, processors, ids, admin, gateway_keys, route_keys } = self;
        let admin = admin.map_or_else(|| "off".to_owned(), |admin| admin.to_string());
        let mut text = format!(
            "[gateway]\nlisten = \"{listen}\"\nio_threads = {io_threads}\nadmin = \"{admin}\"\n\
             max_connections = 30000\nmax_connections_per_address = 30000\n{gateway_keys}\n\
             [journal]\ndir = \"data\"\nretain = {{ age = \"0s\", size = \"1GiB\" }}\n\n\
             [[source]]\nname = \"github\"\npreset = \"github\"\nsecret = {{ file = \"secret\" }}\nack = \"{ack}\"\n"
        );
        if let Some(ids) = ids {
            writeln!(text, "duplicates = {{ age = \"24h\", ids = {ids} }}")?;
        }
        let destinations = processors.iter().map(|processor| format!("{{ http = \"http://{processor}/\" }}"));
        let none = processors.is_empty().then(|| "\"discard\"".to_owned());
        for (at, to) in destinations.chain(none).enumerate() {
            write!(text, "\n[[route]]\nname = \"route-{at}\"\nfrom = {{ source = \"github\" }}\nto = {to}\n")?;
            text.push_str(route_keys);
        }
        let path = dir.join("hookgate.toml");
        std::fs::write(dir.join("secret"), secret).context("cannot write the gateway's secret")?;
        std::fs::write(&path, text).context("cannot write the gateway's configuration")?;
        Ok(path)
    }
}

/// The binary: as given, or beside this one.
pub(crate) fn find(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        ensure!(path.is_file(), "there is no {}: --hookgate takes the gateway's binary", path.display());
        return Ok(path.to_owned());
    }
    let own = std::env::current_exe().context("cannot see where this binary is")?;
    let path = own.with_file_name("hookgate");
    ensure!(
        path.is_file(),
        "there is no {}: build it (cargo build --release --workspace) or give --hookgate",
        path.display()
    );
    Ok(path)
}

/// What `hookgate --version` says.
pub(crate) fn version(hookgate: &Path) -> String {
    let output = Command::new(hookgate).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
