//! What a running gateway is asked, and the files of a stopped one tell: its admin listener, with what the configuration
//! says of it.

use std::path::PathBuf;

use anyhow::{Context, bail};
use http::{Method, StatusCode};

use super::ConfigFile;
use super::client::{Request, Unreachable};
use crate::config::{Config, Secret};
use crate::journal::{DirLock, JournalError};

/// Where a gateway is: its admin listener, and its files.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// The admin address of the gateway; without it that of the configuration
    #[arg(long, value_name = "ADDRESS", env = "HOOKGATE_ADMIN")]
    admin: Option<String>,
    /// The file that holds its `admin_token`; without it that of the configuration
    #[arg(long, value_name = "FILE", env = "HOOKGATE_ADMIN_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

/// Who answers.
pub(super) enum Reached {
    /// A running gateway, with this body.
    Gateway(String),
    /// Nobody; there are the files.
    Nobody(Config),
}

impl Reach {
    /// Asks the gateway, for however long it takes; `what` is what is waited for. An answer other than 200 is an error.
    pub(super) fn ask(&self, method: Method, target: &str, what: &'static str) -> anyhow::Result<Reached> {
        // With --admin a gateway can be asked of which there is no configuration here.
        let config = self.file.load();
        let gateway = config.as_ref().ok().map(|config| &config.gateway);
        let configured = || gateway.and_then(|gateway| gateway.admin).map(|address| address.to_string());
        if let Some(address) = self.admin.clone().or_else(configured) {
            let token = match &self.token_file {
                Some(file) => {
                    let read = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                    Some(Secret::new(read.trim_ascii_end()))
                }
                None => gateway.and_then(|gateway| gateway.admin_token.clone()),
            };
            let request = Request { method, ..Request::to_admin(&address, token.as_ref(), target)? };
            match request.send_patiently(what) {
                Err(error) if error.is::<Unreachable>() && config.is_err() => return Err(error),
                Err(error) if error.is::<Unreachable>() => {}
                Err(error) => return Err(error),
                Ok(answer) if answer.status == StatusCode::OK => return Ok(Reached::Gateway(answer.body)),
                Ok(answer) => bail!("{}", answer.body.trim_end()),
            }
        }
        Ok(Reached::Nobody(config?))
    }
}

/// Keeps a gateway from starting while its files are changed. An error if one runs.
pub(super) fn hold(config: &Config) -> anyhow::Result<Option<DirLock>> {
    let dir = config.journal.events_dir();
    match DirLock::share(&dir) {
        Err(JournalError::Locked { dir, owner }) => Err(elsewhere(&dir, &owner)),
        held => Ok(held?),
    }
}

/// A gateway runs there, and not where it was looked for.
pub(super) fn elsewhere(dir: &std::path::Path, owner: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{} belongs to {owner}, which does not answer at its admin address; give its address with --admin, or stop it",
        dir.display()
    )
}
