//! What a running gateway is asked, and the files of a stopped one tell: its admin listener, with what the configuration
//! says of it.

use anyhow::bail;
use http::{Method, StatusCode};

use super::admin::Admin;
use super::client::Unreachable;
use crate::config::Config;
use crate::journal::{DirLock, JournalError};

/// Where a gateway is: its admin listener, and its files.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    #[command(flatten)]
    admin: Admin,
}

/// Who answers.
pub(super) enum Reached {
    /// A running gateway, with this body.
    Gateway(String),
    /// Nobody; there are the files.
    Nobody(Box<Config>),
}

impl Reach {
    /// Asks the gateway, for however long it takes; `what` is what is waited for. An answer other than 200 is an error.
    pub(super) fn ask(&self, method: Method, target: &str, what: &'static str) -> anyhow::Result<Reached> {
        // With --admin a gateway can be asked of which there is no configuration here.
        let config = || self.admin.file.load();
        if let Some(request) = self.admin.request_if_any(method, target)? {
            match request.send_patiently(what) {
                Err(error) if error.is::<Unreachable>() && self.admin.is_given() => {
                    return config().map(Box::new).map(Reached::Nobody).map_err(|_| error);
                }
                Err(error) if error.is::<Unreachable>() => {}
                Err(error) => return Err(error),
                Ok(answer) if answer.status == StatusCode::OK => return Ok(Reached::Gateway(answer.body)),
                Ok(answer) => bail!("{}", answer.body.trim_end()),
            }
        }
        Ok(Reached::Nobody(Box::new(config()?)))
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
