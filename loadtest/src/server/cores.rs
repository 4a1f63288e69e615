//! Which cores the server may use, and which the client: never the same, if there are two.
//!
//! A thread or process inherits the cores of the thread that starts it. So the main thread sits on the client's cores,
//! and moves over to the server's for the moment in which it starts one.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// A set of cores: `0`, `0,2`, `1-3`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Cores(Vec<usize>);

/// The cores of both sides.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Layout {
    pub(crate) server: Cores,
    pub(crate) client: Cores,
}

impl Layout {
    /// As asked for; otherwise the server has the first core and the client all others. Moves the current thread to the
    /// client's.
    pub(crate) fn one_for_server(server: Option<&Cores>, client: Option<&Cores>) -> anyhow::Result<Self> {
        Self::settle(server, client, |_| 1)
    }

    /// As asked for; otherwise the client has the last core and the server all others. Moves likewise.
    pub(crate) fn one_for_client(server: Option<&Cores>, client: Option<&Cores>) -> anyhow::Result<Self> {
        Self::settle(server, client, |allowed| allowed.saturating_sub(1).max(1))
    }

    fn settle(server: Option<&Cores>, client: Option<&Cores>, of_server: fn(usize) -> usize) -> anyhow::Result<Self> {
        let mask = sched_getaffinity(None).context("cannot see which cores this process may use")?;
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| mask.is_set(core)).collect();
        let is_free = |core: &usize| client.is_none_or(|client| !client.0.contains(core));
        let free = || allowed.iter().copied().filter(is_free);
        let server = server.cloned().unwrap_or_else(|| Cores(free().take(of_server(allowed.len())).collect()));
        let others = allowed.iter().copied().filter(|core| !server.0.contains(core)).collect();
        let client = client.cloned().unwrap_or(Cores(others));
        ensure!(
            !client.0.is_empty(),
            "there is no core left for the client: without one it would measure how it gets in the server's way"
        );
        for core in server.0.iter().chain(&client.0) {
            ensure!(allowed.contains(core), "core {core} is not one that this process may use: those are {allowed:?}");
        }
        let both = client.0.iter().find(|core| server.0.contains(core));
        ensure!(both.is_none(), "core {} cannot be both the server's and the client's", both.unwrap_or(&0));
        client.enter()?;
        Ok(Self { server, client })
    }

    /// Does something, starting a process say, on the server's cores.
    pub(crate) fn on_server<T>(&self, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.server.enter()?;
        let started = start();
        self.client.enter()?;
        started
    }
}

impl Cores {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn has_any_of(&self, other: &Self) -> bool {
        self.0.iter().any(|core| other.0.contains(core))
    }

    fn enter(&self) -> anyhow::Result<()> {
        self.put(None)
    }

    /// Puts a thread, the current one if none is given, on these cores.
    pub(super) fn put(&self, thread: Option<Pid>) -> anyhow::Result<()> {
        let mut mask = CpuSet::new();
        for &core in &self.0 {
            mask.set(core);
        }
        sched_setaffinity(thread, &mask).with_context(|| format!("cannot move to the cores {self}"))
    }
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no list of cores: write them as 0,2 or 1-3");
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = first
                .parse()
                .ok()
                .zip(last.parse().ok())
                .filter(|(a, b)| a <= b && *b < CpuSet::MAX_CPU)
                .ok_or_else(wrong)?;
            cores.extend(first..=last);
        }
        cores.sort_unstable();
        cores.dedup();
        Ok(Self(cores))
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_lists_and_ranges() {
        assert_eq!("3,0-1,1".parse(), Ok(Cores(vec![0, 1, 3])));
        for wrong in ["", "a", "2-1", "0,", "100000"] {
            assert!(wrong.parse::<Cores>().is_err(), "{wrong:?}");
        }
    }
}
