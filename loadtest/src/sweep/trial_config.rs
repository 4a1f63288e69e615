//! The user's configuration, made harmless and with other settings.
//!
//! It listens on a free port, has a journal of its own, and delivers to a stand-in. Files that it names are looked for beside the
//! original. Everything else stays: sources, types, limits, retries.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use hookgate::config::{Config, Secrets};
use toml::{Table, Value};

use super::settings::Setting;

/// The configuration as written, and what loadtest needs to know of it.
pub(super) struct Original {
    /// Main file and `routes.d`, as one.
    tables: Table,
    pub(super) source: Source,
    pub(super) has_batches: bool,
}

/// Where to send.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) name: String,
    /// Its path, segments filled in.
    pub(super) path: String,
    pub(super) preset: String,
    pub(super) secret: Vec<u8>,
}

/// Addresses and the directory of one gateway.
pub(super) struct Place<'a> {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) processor: SocketAddr,
    pub(super) dir: &'a Path,
}

impl Original {
    /// Reads it, and checks it as the gateway does.
    pub(super) fn read(path: &Path, source: Option<&str>) -> anyhow::Result<Self> {
        let config = Config::load(path).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let source = pick(&config, source)?;
        let base = std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
        let mut tables = parse(path)?;
        let mut more: Vec<PathBuf> = std::fs::read_dir(base.join("routes.d"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        more.sort();
        for path in more {
            for (key, value) in parse(&path)? {
                if let (Value::Array(items), Some(Value::Array(all))) =
                    (value, Some(tables.entry(key).or_insert_with(|| Value::Array(Vec::new()))))
                {
                    all.extend(items);
                }
            }
        }
        absolute_files(&mut tables, &base);
        let has_batches = {
            let mut probe = tables.clone();
            let mut is_any = false;
            each(&mut probe, "route", |route| {
                is_any |= put_batch(route, 16);
            });
            is_any && Config::parse(&probe.to_string(), path).is_ok()
        };
        Ok(Self { tables, source, has_batches })
    }

    /// Writes the configuration of a trial, and gives its path.
    pub(super) fn write(&self, setting: &Setting, place: &Place<'_>) -> anyhow::Result<PathBuf> {
        let mut tables = self.tables.clone();
        let gateway = section(&mut tables, "gateway");
        for (key, value) in [("listen", place.listen.to_string()), ("admin", place.admin.to_string())] {
            gateway.insert(key.into(), Value::String(value));
        }
        for key in ["admin_token", "admin_tls", "admin_hosts"] {
            gateway.remove(key);
        }
        gateway.remove("tls");
        put(gateway, "io_threads", setting.io_threads);
        let dir = place.dir.join("data").to_string_lossy().into_owned();
        section(&mut tables, "journal").insert("dir".into(), Value::String(dir));
        self.settle_pools(&mut tables, setting);
        each(&mut tables, "route", |route| {
            put(route, "in_flight", setting.in_flight);
            if let Some(batch) = setting.batch {
                put_batch(route, batch);
            }
            if let Some(to) = route.get_mut("to") {
                stand_in(to, place.processor);
            }
        });
        let path = place.dir.join("hookgate.toml");
        std::fs::write(&path, tables.to_string()).context("cannot write a gateway's configuration")?;
        Ok(path)
    }

    fn settle_pools(&self, tables: &mut Table, setting: &Setting) {
        let pools = tables.entry("pool").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(pools) = pools
            && !pools.iter().any(|pool| pool.get("name").and_then(Value::as_str) == Some(DEFAULT_POOL))
            && self.names("route").len() > self.routes_with_pool()
        {
            let name = Value::String(DEFAULT_POOL.into());
            pools.push(Value::Table(Table::from_iter([("name".to_owned(), name)])));
        }
        each(tables, "pool", |pool| {
            put(pool, "workers", setting.workers);
            pool.remove("cpus");
        });
    }

    /// What is to be written into the configuration for these settings.
    pub(super) fn to_paste(&self, setting: &Setting) -> String {
        let mut text = format!("[gateway]\nio_threads = {}\n", setting.io_threads);
        let mut pools = self.names("pool");
        let is_default_used = self.names("route").len() > self.routes_with_pool();
        if is_default_used && !pools.iter().any(|name| name == DEFAULT_POOL) {
            pools.push(DEFAULT_POOL.to_owned());
        }
        for name in pools {
            let _ = write!(text, "\n[[pool]]\nname = \"{name}\"\nworkers = {}\n", setting.workers);
        }
        let routes = self.tables.get("route").and_then(Value::as_array);
        for route in routes.into_iter().flatten().filter_map(Value::as_table) {
            let name = route.get("name").and_then(Value::as_str).unwrap_or_default();
            let _ = write!(text, "\n[[route]]\nname = \"{name}\"\nin_flight = {}\n", setting.in_flight);
            if let Some(batch) = setting.batch.filter(|_| takes_batches(route)) {
                let _ = writeln!(text, "batch = {batch}");
            }
        }
        text
    }

    fn names(&self, kind: &str) -> Vec<String> {
        let items = self.tables.get(kind).and_then(Value::as_array);
        let name = |item: &Value| item.get("name").and_then(Value::as_str).map(ToOwned::to_owned);
        items.into_iter().flatten().filter_map(name).collect()
    }

    fn routes_with_pool(&self) -> usize {
        let routes = self.tables.get("route").and_then(Value::as_array);
        routes.into_iter().flatten().filter(|route| route.get("pool").is_some()).count()
    }
}

/// The source of this name, or the first one that a preset describes.
fn pick(config: &Config, name: Option<&str>) -> anyhow::Result<Source> {
    for source in &config.sources {
        if name.is_some_and(|name| name != source.name) {
            continue;
        }
        let secret = source.auth.proof.as_ref().and_then(|proof| match &proof.secrets {
            Secrets::Of(secrets) => secrets.first(),
            Secrets::OfTenants(_) | Secrets::Learned => None,
        });
        let (Some(preset), Some(secret)) = (&source.preset, secret) else {
            if name.is_some() {
                bail!("source {} has no preset: loadtest signs as providers do that have one", source.name);
            }
            continue;
        };
        let segments = source.path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
        return Ok(Source {
            name: source.name.clone(),
            path: segments.collect::<Vec<_>>().join("/"),
            preset: preset.clone(),
            secret: secret.expose().to_vec(),
        });
    }
    match name {
        Some(name) => bail!("there is no source {name}"),
        None => bail!("no source has a preset: loadtest signs as providers do that have one"),
    }
}

fn parse(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is not TOML", path.display()))
}

/// `file = "secret"` is beside the original, wherever the copy is.
fn absolute_files(table: &mut Table, base: &Path) {
    for (key, value) in table.iter_mut() {
        match value {
            Value::String(file) if key == "file" => {
                *file = base.join(&*file).to_string_lossy().into_owned();
            }
            Value::Table(table) => absolute_files(table, base),
            Value::Array(items) => {
                for table in items.iter_mut().filter_map(Value::as_table_mut) {
                    absolute_files(table, base);
                }
            }
            _ => {}
        }
    }
}

/// A destination, replaced by one where nothing happens.
fn stand_in(to: &mut Value, processor: SocketAddr) {
    match to {
        Value::Table(to) if to.contains_key("http") => {
            to.insert("http".into(), Value::String(format!("http://{processor}/")));
            to.remove("tls");
        }
        other => *other = Value::String("discard".into()),
    }
}

fn section<'t>(tables: &'t mut Table, name: &str) -> &'t mut Table {
    let value = tables.entry(name).or_insert_with(|| Value::Table(Table::new()));
    if !value.is_table() {
        *value = Value::Table(Table::new());
    }
    match value {
        Value::Table(table) => table,
        _ => unreachable!("it is one"),
    }
}

fn each(tables: &mut Table, kind: &str, mut change: impl FnMut(&mut Table)) {
    let items = tables.get_mut(kind).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_table_mut).for_each(&mut change);
}

fn put(table: &mut Table, key: &str, number: u32) {
    table.insert(key.into(), Value::Integer(number.into()));
}

/// Writes the size of batches where a route takes them; whether it does.
fn put_batch(route: &mut Table, batch: u32) -> bool {
    let takes = takes_batches(route);
    if takes {
        put(route, "batch", batch);
    }
    takes
}

/// Those are of requests only.
fn takes_batches(route: &Table) -> bool {
    route.get("to").and_then(Value::as_table).is_some_and(|to| to.contains_key("http"))
}

const DEFAULT_POOL: &str = "default";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const CONFIG: &str = r#"
        [gateway]
        listen = "0.0.0.0:80"
        admin = "127.0.0.1:1"
        [[source]]
        name = "github"
        path = "/in/{tenant}"
        preset = "github"
        secret = { file = "secret" }
        [[pool]]
        name = "slow"
        workers = 7
        [[route]]
        name = "a"
        from = { source = "github" }
        to = { http = "https://production.example/", timeout = "3s" }
        [[route]]
        name = "b"
        pool = "slow"
        from = { source = "github" }
        to = { file = "events.ndjson" }
    "#;

    #[test]
    fn a_trial_touches_nothing_of_what_the_configuration_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hookgate.toml"), CONFIG).unwrap();
        std::fs::write(dir.path().join("secret"), "s3cret").unwrap();
        let original = Original::read(&dir.path().join("hookgate.toml"), None).unwrap();
        assert!(original.has_batches, "one of the two delivers by HTTP");
        assert_eq!((original.source.path.as_str(), &original.source.secret[..]), ("/in/x", &b"s3cret"[..]));

        let trial = tempfile::tempdir().unwrap();
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let place = Place { listen: address(1001), admin: address(1002), processor: address(1003), dir: trial.path() };
        let setting = Setting { io_threads: 2, workers: 3, in_flight: 5, batch: None };
        let path = original.write(&setting, &place).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!((config.gateway.listen[0].address, config.gateway.io_threads), (address(1001), Some(2)));
        assert!(config.journal.dir.starts_with(trial.path()));
        assert!(config.pools.iter().all(|pool| pool.workers == Some(3)), "{:?}", config.pools);
        assert!(config.routes.iter().all(|route| route.in_flight == 5));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("production") && !text.contains("ndjson"), "{text}");

        let paste = original.to_paste(&setting);
        for part in
            ["io_threads = 2", "name = \"slow\"\nworkers = 3", "name = \"default\"\nworkers = 3", "in_flight = 5"]
        {
            assert!(paste.contains(part), "{part} is missing in\n{paste}");
        }

        let in_batches = Setting { batch: Some(64), ..setting };
        let config = Config::load(&original.write(&in_batches, &place).unwrap()).unwrap();
        assert_eq!(config.routes.iter().map(|route| route.batch).collect::<Vec<_>>(), [Some(64), None]);
        assert_eq!(original.to_paste(&in_batches).matches("batch = 64").count(), 1);
    }
}
