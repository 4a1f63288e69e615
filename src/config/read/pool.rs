//! `[[pool]]`.

use std::time::Duration;

use super::names::Names;
use crate::config::PoolConfig;
use crate::config::node::Node;
use crate::config::table::Table;

/// The pools of all files. The default pool comes first, written or not.
pub(in crate::config) struct Pools<'d> {
    pub(in crate::config) configs: Vec<PoolConfig>,
    names: Names<'d>,
}

impl Pools<'_> {
    /// The index of a pool.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.configs.iter().position(|pool| pool.name == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.configs.iter().map(|pool| pool.name.as_str())
    }

    /// Warns of pools that `used` does not hold: their threads would do nothing.
    pub(in crate::config) fn warn_of_idle(&self, used: &[usize]) {
        for (at, pool) in self.configs.iter().enumerate() {
            let spot = self.names.position(&pool.name).and_then(|at| self.names.spot(at));
            if let Some(spot) = spot.filter(|_| !used.contains(&at)) {
                spot.warn("no route uses this pool", "write pool = \"…\" in a route, or leave the pool out");
            }
        }
    }
}

/// Reads the pools of all files.
pub(in crate::config) fn pools<'d>(roots: &mut [Table<'d>]) -> Pools<'d> {
    let mut names = Names::default();
    let mut configs = Vec::new();
    for table in roots.iter_mut().flat_map(|root| root.sections("pool")) {
        configs.push(pool(table, &mut names));
    }
    let unwritten = || PoolConfig { name: DEFAULT.to_owned(), workers: None, cpus: Vec::new(), spin: Duration::ZERO };
    let written = configs.iter().position(|pool| pool.name == DEFAULT).map(|at| configs.remove(at));
    configs.insert(0, written.unwrap_or_else(unwritten));
    Pools { configs, names }
}

fn pool<'d>(mut table: Table<'d>, names: &mut Names<'d>) -> PoolConfig {
    let name = names.read(&mut table);
    let workers = table.get("workers").and_then(|node| node.threads());
    let mut cpus = Vec::new();
    for node in table.get("cpus").into_iter().flat_map(Node::items) {
        if let Some(cpu) = node.number(0..=4095) {
            if cpus.contains(&(cpu as usize)) {
                node.spot.problem("this core is there twice", "write each core once");
            }
            cpus.push(cpu as usize);
        }
    }
    let spin = table.get("spin").and_then(|node| node.duration()).unwrap_or_default();
    table.finish();
    PoolConfig { name, workers, cpus, spin }
}

const DEFAULT: &str = "default";
