//! `hookgate presets`: what hookgate knows of providers.

use std::process::ExitCode;

use super::output;
use super::table::Table;
use crate::config::units::WrittenDuration;
use crate::config::{Locator, Place, presets};

/// Options of `hookgate presets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hookgate presets")]
pub(super) struct Presets;

impl Presets {
    pub(super) fn execute() -> anyhow::Result<ExitCode> {
        let mut table = Table::new(["preset", "provider", "signature", "type", "answers within", "provider waits"]);
        for preset in presets() {
            table.row([
                preset.name.clone(),
                preset.provider.clone(),
                preset.scheme.header.to_string(),
                preset.event_type.iter().map(describe).collect::<Vec<_>>().join(" or "),
                WrittenDuration(preset.deadline).to_string(),
                preset.waits.clone(),
            ]);
        }
        output::print(table)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A locator in a few words: `X-GitHub-Event + /action`.
pub(super) fn describe(locator: &Locator) -> String {
    let place = match &locator.place {
        Place::Header(name) => name.to_string(),
        Place::Path(name) => format!("{{{name}}} of the path"),
        Place::Query(name) => format!("?{name}="),
        Place::Json(pointer) => pointer.to_string(),
        Place::Form(field) => format!("{field}= of the form"),
        Place::Xml(path) => path.to_string(),
        Place::CloudEvent(attribute) => format!("CloudEvents {}", attribute.name),
        Place::Constant(text) => format!("{text:?}"),
    };
    match &locator.append {
        Some(pointer) => format!("{place} + {pointer}"),
        None => place,
    }
}
