//! `[[pool]]`: a set of worker threads.

use std::time::Duration;

/// A set of worker threads, to which routes are assigned.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Its name; routes without `pool` belong to `default`.
    pub name: String,
    /// Threads; `None` stands for `"auto"`: cores minus io threads, at least one.
    pub workers: Option<usize>,
    /// Cores for the workers, one after the other; empty leaves placement to hookgate.
    pub cpus: Vec<usize>,
    /// How long a worker without work looks for some before it sleeps. Above zero it never rests.
    pub spin: Duration,
}
