//! Names of sources, routes and pools, each given once.

use crate::config::document::Spot;
use crate::config::table::Table;

/// Names that were given so far, each with its place, in the order of the things they name.
#[derive(Default)]
pub(super) struct Names<'d>(Vec<(String, Spot<'d>)>);

impl<'d> Names<'d> {
    /// Reads the name of a section. A wrong one is reported, a repeated one with the line of the first; either way the
    /// section keeps its place in the order.
    pub(super) fn read(&mut self, table: &mut Table<'d>) -> String {
        let Some(node) = table.require("name", "name = \"…\"") else {
            self.0.push((String::new(), table.spot.clone()));
            return String::new();
        };
        let name = node.text().unwrap_or_default().to_owned();
        if node.is_text() && !is_good_name(&name) {
            node.spot.problem(
                "this name cannot be that of a file",
                "write letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100 characters",
            );
        }
        if let Some((_, first)) = self.0.iter().find(|(known, _)| *known == name && !name.is_empty()) {
            let line = first.line_seen_from(&node.spot);
            node.spot.problem(format!("the name \"{name}\" is taken on {line}"), "give each its own name");
        }
        self.0.push((name.clone(), node.spot));
        name
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn spot(&self, at: usize) -> Option<&Spot<'d>> {
        self.0.get(at).map(|(_, spot)| spot)
    }
}

/// Names become parts of file names, metric labels and header values.
fn is_good_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}
