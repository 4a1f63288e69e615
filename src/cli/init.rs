//! `hookgate init`: a starter configuration.

use std::process::ExitCode;

use super::{output, preset_by_name};
use crate::config::{self, Preset};

/// Options of `hookgate init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate init github stripe > hookgate.toml
  hookgate init                                a source without a preset")]
pub(super) struct Init {
    /// Providers to begin with, as `hookgate presets` names them
    #[arg(value_name = "PRESET", value_parser = preset_by_name())]
    presets: Vec<&'static Preset>,
}

impl Init {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        output::print(config::starter(&self.presets))?;
        Ok(ExitCode::SUCCESS)
    }
}
