//! `[[preset]]`: a row of `presets.toml` or of a configuration, in the vocabulary of a `[[source]]`.

use std::time::Duration;

use super::duplicates::duplicates;
use super::format::format;
use super::handshake::handshakes;
use super::locator::locators;
use super::names::Names;
use super::proof::proof;
use super::reply::{refuse, reply};
use crate::config::table::Table;
use crate::config::{Auth, DuplicatesConfig, Preset, Proof};

/// Reads all rows; one whose proof is wrong is reported and left out.
pub(in crate::config) fn presets(root: &mut Table<'_>) -> Vec<Preset> {
    let mut names = Names::default();
    root.sections("preset").into_iter().filter_map(|table| preset(table, &mut names)).collect()
}

fn preset<'d>(mut table: Table<'d>, names: &mut Names<'d>) -> Option<Preset> {
    let name = names.read(&mut table);
    let mut words = |key| table.get(key).and_then(|node| node.filled_text()).map(ToOwned::to_owned).unwrap_or_default();
    let (waits, stops, note, document) = (words("waits"), words("stops"), words("note"), words("document"));
    let provider = Some(words("provider")).filter(|words| !words.is_empty()).unwrap_or_else(|| name.clone());
    let types = table
        .get("types")
        .map(|node| node.items().iter().filter_map(|item| item.filled_text()).map(ToOwned::to_owned).collect());
    let proof = proof(&mut table).unwrap_or(Ok(Proof::Own));
    let format = format(&mut table, &Auth::default());
    let event_type = table.get("event_type").map(locators).or(format.event_type).unwrap_or_default();
    let delivery_id = table.get("delivery_id").map(locators).or(format.delivery_id).unwrap_or_default();
    let handshakes = table.get("handshake").map(handshakes).unwrap_or_default();
    let reply = table.get("reply").map(|node| reply(Some(node)));
    let refuse = table.get("refuse").map(|node| refuse(Some(node))).unwrap_or_default();
    let deadline = table.get("deadline").and_then(|node| node.positive_duration()).unwrap_or(DEADLINE);
    let duplicates = table.get("duplicates").map_or(DuplicatesConfig::DEFAULT, |node| duplicates(&node));
    table.finish();
    Some(Preset {
        name,
        provider,
        proof: proof.ok()?,
        event_type,
        delivery_id,
        split: format.split,
        cloudevents: format.cloudevents,
        handshakes,
        reply,
        refuse,
        deadline,
        duplicates,
        waits,
        stops,
        types: types.unwrap_or_default(),
        note,
        document,
    })
}

/// What a source answers within unless it or its preset says otherwise.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
