//! `hookgate init`: a starter configuration.

use std::process::ExitCode;

use anyhow::bail;

use crate::config::{self, preset, presets};

/// Options of `hookgate init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate init github stripe > hookgate.toml
  hookgate init                                a source without a preset")]
pub(super) struct Init {
    /// Providers to begin with, as `hookgate presets` names them
    #[arg(value_name = "PRESET")]
    presets: Vec<String>,
}

impl Init {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let mut chosen = Vec::with_capacity(self.presets.len());
        for name in &self.presets {
            match preset(name) {
                Some(preset) => chosen.push(preset),
                None => {
                    let known: Vec<_> = presets().iter().map(|preset| preset.name.as_str()).collect();
                    bail!("no preset is called {name:?}; known are {}", known.join(", "));
                }
            }
        }
        print!("{}", config::starter(&chosen));
        Ok(ExitCode::SUCCESS)
    }
}
