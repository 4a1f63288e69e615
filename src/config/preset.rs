//! What hookgate knows of providers: rows of `presets.toml`, in the vocabulary of a `[[source]]`.

use std::sync::LazyLock;
use std::time::Duration;

use super::built_in::read_built_in;
use super::problem::Problem;
use super::{DuplicatesConfig, Handshake, Locator, Proof, RefuseConfig, ReplyConfig, Split, read};

/// What a source starts from when it names a preset.
#[derive(Debug, Clone)]
pub struct Preset {
    /// The name in `preset = "…"`: the provider's, lower case, with hyphens.
    pub name: String,
    /// The provider's name as it writes it.
    pub provider: String,
    /// What it proves itself with.
    pub proof: Proof,
    /// Where the type is.
    pub event_type: Vec<Locator>,
    /// Where the delivery id is.
    pub delivery_id: Vec<Locator>,
    /// How a request is taken apart that carries several events; type and id are then those of each.
    pub split: Option<Split>,
    /// It sends CloudEvents.
    pub cloudevents: bool,
    /// Its handshakes.
    pub handshakes: Vec<Handshake>,
    /// The answer it expects, where any success would not do.
    pub reply: Option<ReplyConfig>,
    /// The answer to a forgery, where it expects another than 401.
    pub refuse: RefuseConfig,
    /// What a source answers within, below what the provider waits.
    pub deadline: Duration,
    /// For how long a delivery id is remembered: not at all where the provider never tries again by itself, so that a
    /// delivery which somebody asked for again is delivered again.
    pub duplicates: DuplicatesConfig,
    /// How long the provider waits and whether it tries again, in words; empty where its document does not say.
    pub waits: String,
    /// What makes it stop sending, in words; empty where nothing is known to.
    pub stops: String,
    /// Types worth knowing.
    pub types: Vec<String>,
    /// What else whoever uses it must know; empty if nothing.
    pub note: String,
    /// Where all this is written.
    pub document: String,
}

/// All presets, in the order of the table.
pub fn presets() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| read_table().0);
    &PRESETS
}

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.name == name)
}

/// The rows that are right, and what is wrong with the others. A test keeps the latter empty.
fn read_table() -> (Vec<Preset>, Vec<Problem>) {
    read_built_in("presets.toml", include_str!("presets.toml"), read::presets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_parses() {
        let (presets, problems) = read_table();
        assert_eq!(problems, []);
        assert!(presets.len() >= 60, "{}", presets.len());
    }

    #[test]
    fn every_row_names_its_document_and_is_called_in_lower_case_with_hyphens() {
        for preset in presets() {
            assert!(preset.document.starts_with("https://"), "{}", preset.name);
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(preset.name.chars().all(fits), "{}", preset.name);
        }
    }

    #[test]
    fn a_preset_is_found_by_its_name() {
        assert_eq!(preset("slack").map(|preset| preset.deadline), Some(Duration::from_millis(2500)));
        assert!(preset("Slack").is_none());
    }
}
