//! What the process gives up before it takes anything from strangers.
//!
//! ```text
//! before anything is read             no core dumps, whatever the command: from here on there are secrets in memory
//! after the configuration            not root, unless that is wanted; no_new_privs, which all threads inherit
//! ```

use anyhow::{Context, bail};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, geteuid, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::set_no_new_privs;

use crate::config::ProcessConfig;

/// Options of commands that must not be root by accident.
#[derive(Debug, clap::Args)]
pub(super) struct Privileges {
    /// Run as root, which nothing here needs
    #[arg(long, env = "HOOKGATE_ALLOW_ROOT", value_parser = clap::builder::FalseyValueParser::new())]
    allow_root: bool,
}

/// Core dumps are off; what was before can come back.
pub(super) struct NoDumps {
    limit: Rlimit,
    dumpable: DumpableBehavior,
}

impl NoDumps {
    /// Memory is not written to a file if the process crashes, nor read by other processes of its user.
    pub(super) fn begin() -> anyhow::Result<Self> {
        let before = Self {
            limit: getrlimit(Resource::Core),
            dumpable: dumpable_behavior().context("cannot see whether core dumps are on")?,
        };
        // A collector that the system pipes dumps into does not look at the limit: it is the other that stops it.
        setrlimit(Resource::Core, Rlimit { current: Some(0), ..before.limit })
            .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
            .context("cannot turn core dumps off")?;
        Ok(before)
    }

    /// As it was.
    fn end(self) -> anyhow::Result<()> {
        set_dumpable_behavior(self.dumpable)
            .and_then(|()| setrlimit(Resource::Core, self.limit))
            .context("cannot turn core dumps on again")
    }
}

impl Privileges {
    /// Gives up what the configuration does not ask for. Before any other thread is started: they inherit it.
    pub(super) fn give_up(&self, config: ProcessConfig, dumps: NoDumps) -> anyhow::Result<()> {
        if geteuid().is_root() && !self.allow_root && !config.allow_root {
            bail!(
                "this is root, and hookgate needs none of its rights: run it as another user (for a port below 1024 give it \
                 CAP_NET_BIND_SERVICE, or a socket of systemd). If root is meant, as in many containers, say --allow-root, set \
                 HOOKGATE_ALLOW_ROOT=1, or write allow_root = true under [process]"
            );
        }
        if config.core_dumps {
            dumps.end()?;
        }
        set_no_new_privs(true).context("cannot give up new privileges (no_new_privs)")
    }
}
