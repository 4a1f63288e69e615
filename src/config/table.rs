//! A table of a file, and the keys it knows.

use std::rc::Rc;

use toml::de::{DeTable, DeValue};

use super::document::{Sheet, Spot};
use super::nearest::nearest;
use super::node::Node;

/// A table. It remembers the keys it was asked for: those are the ones it knows.
pub(super) struct Table<'d> {
    pub(super) spot: Spot<'d>,
    pub(super) entries: &'d DeTable<'d>,
    pub(super) known: Vec<&'static str>,
}

impl<'d> Table<'d> {
    /// The file as a table.
    pub(super) fn root(sheet: &'d Sheet<'d>, entries: &'d DeTable<'d>) -> Self {
        let spot = Spot { sheet, section: Rc::from(""), path: String::new(), at: 0..0 };
        Self { spot, entries, known: Vec::new() }
    }

    /// The value of a key, if it is written.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Node<'d>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let value = self.entries.get(key)?;
        Some(Node { spot: self.spot.below(key, value.span()), value: value.get_ref() })
    }

    /// The value of a key that must be written; `example` is how.
    pub(super) fn require(&mut self, key: &'static str, example: &str) -> Option<Node<'d>> {
        let node = self.get(key);
        if node.is_none() {
            self.spot.problem(format!("`{key}` is missing"), format!("write {example}"));
        }
        node
    }

    /// Which of some keys is written, where only one may be; `None` also if none is. More than one is reported.
    pub(super) fn one_of<const N: usize>(&mut self, keys: [&'static str; N]) -> Option<(&'static str, Node<'d>)> {
        let mut written =
            keys.into_iter().filter_map(|key| Some((key, self.get(key)?))).collect::<Vec<_>>().into_iter();
        let first = written.next()?;
        if let Some((second, node)) = written.next() {
            node.spot.problem(format!("`{second}` stands beside `{}`", first.0), "write only one of the two");
        }
        Some(first)
    }

    /// A table of the file: `[gateway]`.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Table<'d>> {
        let mut table = self.get(key)?.table()?;
        table.spot.section = Rc::from(format!("[{key}]"));
        table.spot.path.clear();
        Some(table)
    }

    /// The tables of a list of the file: every `[[source]]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Table<'d>> {
        let Some(list) = self.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = list.value else {
            list.spot.problem(format!("`{key}` is not a list of tables"), format!("write [[{key}]] with two brackets"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let node = Node { spot: Spot { at: item.span(), ..list.spot.clone() }, value: item.get_ref() };
            if let Some(mut table) = node.table() {
                table.spot.section = match table.entries.get("name").map(toml::Spanned::get_ref) {
                    Some(DeValue::String(name)) if !name.is_empty() => {
                        format!("[[{key}]] \"{}\"", name.escape_debug()).into()
                    }
                    _ => format!("[[{key}]] #{}", at + 1).into(),
                };
                table.spot.path.clear();
                tables.push(table);
            }
        }
        tables
    }

    /// Every entry, for tables whose keys are free.
    pub(super) fn all(self) -> Vec<(&'d str, Node<'d>)> {
        let entries = self.entries.iter();
        entries
            .map(|(key, value)| {
                let spot = self.spot.below(key.get_ref(), value.span());
                (key.get_ref().as_ref(), Node { spot, value: value.get_ref() })
            })
            .collect()
    }

    /// Reports the keys that nobody asked for, with the nearest that is known.
    pub(super) fn finish(self) {
        self.finish_with(|_, known| format!("known here: {}", known.join(", ")));
    }

    /// The same, with other help where no known key is near.
    pub(super) fn finish_with(self, help: impl Fn(&str, &[&str]) -> String) {
        for (key, _) in self.entries {
            let written: &str = key.get_ref();
            if self.known.contains(&written) {
                continue;
            }
            let help = match nearest(written, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => help(written, &self.known),
            };
            let spot = Spot { at: key.span(), ..self.spot.clone() };
            spot.problem(format!("unknown key `{}`", written.escape_debug()), help);
        }
    }
}
