//! `[[preset]]`: the rows of `presets.toml`, in the vocabulary of a `[[source]]`.

use super::duplicates::duplicates;
use super::locator::{challenge, locators};
use super::names::Names;
use super::scheme::scheme;
use crate::config::table::Table;
use crate::config::{DuplicatesConfig, Preset};

/// Reads all rows; one that is wrong is reported and left out.
pub(in crate::config) fn presets(root: &mut Table<'_>) -> Vec<Preset> {
    let mut names = Names::default();
    root.sections("preset").into_iter().filter_map(|table| preset(table, &mut names)).collect()
}

fn preset<'d>(mut table: Table<'d>, names: &mut Names<'d>) -> Option<Preset> {
    let name = names.read(&mut table);
    let mut words = |key| table.require(key, "it in words").and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    let (provider, waits, document) = (words("provider"), words("waits"), words("document"));
    let scheme = table.require("hmac", "hmac = { … }").and_then(|node| scheme(&node));
    let event_type = table.get("event_type").map(locators).unwrap_or_default();
    let delivery_id = table.get("delivery_id").map(locators).unwrap_or_default();
    let challenge = table.get("challenge").and_then(|node| challenge(&node));
    let deadline = table.require("deadline", "deadline = \"9s\"").and_then(|node| node.positive_duration());
    let duplicates = table.get("duplicates").map_or(DuplicatesConfig::DEFAULT, |node| duplicates(&node));
    table.finish();
    Some(Preset {
        name,
        provider: provider?,
        scheme: scheme?,
        event_type,
        delivery_id,
        challenge,
        deadline: deadline?,
        duplicates,
        waits: waits?,
        document: document?,
    })
}
