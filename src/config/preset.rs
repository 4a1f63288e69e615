//! What hookgate knows of providers: rows of `presets.toml`, in the vocabulary of a `[[source]]`.

use std::time::Duration;

use super::{Challenge, Locator, Scheme};

/// What a source starts from when it names a preset.
#[derive(Debug, Clone)]
pub struct Preset {
    /// The name in `preset = "…"`: the provider's, lower case, with hyphens.
    pub name: String,
    /// The provider's name as it writes it.
    pub provider: String,
    /// How it signs.
    pub scheme: Scheme,
    /// Where the type is.
    pub event_type: Vec<Locator>,
    /// Where the delivery id is.
    pub delivery_id: Vec<Locator>,
    /// The handshake, if there is one.
    pub challenge: Option<Challenge>,
    /// What a source answers within, below what the provider waits.
    pub deadline: Duration,
    /// How long the provider waits and whether it tries again, in words.
    pub waits: String,
    /// Where all this is written.
    pub document: String,
}
