//! The bodies that are sent.

use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use walkdir::WalkDir;

/// One body and what it is an event of.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    /// The file's name up to its first dot: `issues` of `issues.opened.json`.
    pub(crate) event_type: String,
    pub(crate) body: Bytes,
}

/// Every `*.json` below `directory`, in the order of the paths, so that two runs send the same.
pub(crate) fn read(directory: &Path) -> anyhow::Result<Vec<Payload>> {
    let mut payloads = Vec::new();
    for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot read the payloads in {}", directory.display()))?;
        let path = entry.path();
        if !entry.file_type().is_file() || path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let body = std::fs::read(path).with_context(|| format!("cannot read the payload {}", path.display()))?;
        let name = entry.file_name().to_string_lossy();
        let event_type = name.split('.').next().unwrap_or_default().to_owned();
        payloads.push(Payload { event_type, body: body.into() });
    }
    if payloads.is_empty() {
        bail!("there is no *.json in {}: --payloads takes a directory of bodies to send", directory.display());
    }
    Ok(payloads)
}

/// Sizes of the distinct bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Sizes {
    pub(crate) distinct: usize,
    pub(crate) min: usize,
    pub(crate) median: usize,
    pub(crate) max: usize,
}

impl Sizes {
    /// The sizes of these payloads; each is sent equally often.
    pub(crate) fn of(payloads: &[Payload]) -> Self {
        let mut bodies: Vec<&Bytes> = payloads.iter().map(|payload| &payload.body).collect();
        bodies.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        bodies.dedup();
        let size = |at: usize| bodies.get(at).map_or(0, |body| body.len());
        Self {
            distinct: bodies.len(),
            min: size(0),
            median: size(bodies.len() / 2),
            max: size(bodies.len().saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_equal_bodies_count_once() {
        let payload =
            |text: &'static str| Payload { event_type: "x".into(), body: Bytes::from_static(text.as_bytes()) };
        let sizes = Sizes::of(&[payload("333"), payload("1"), payload("333"), payload("22")]);
        assert_eq!(sizes, Sizes { distinct: 3, min: 1, median: 2, max: 3 });
    }
}
