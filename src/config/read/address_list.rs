//! `[[list]]` of `ranges.toml`, `[ranges]` of a configuration, and what `allow` and `deny` of a source name of both.

use std::cell::Cell;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::names::Names;
use super::senders::{network, networks};
use crate::config::document::Spot;
use crate::config::nearest::nearest;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{AddressList, Day, UsedList, address_list, address_lists as known};

/// Reads all rows of the table; one with something missing is reported and left out.
pub(in crate::config) fn address_lists(root: &mut Table<'_>) -> Vec<AddressList> {
    let mut names = Names::default();
    root.sections("list").into_iter().filter_map(|table| row(table, &mut names)).collect()
}

fn row<'d>(mut table: Table<'d>, names: &mut Names<'d>) -> Option<AddressList> {
    let name = names.read(&mut table);
    let mut words = |key| table.require(key, "it in words").and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    let (provider, covers, document) = (words("provider"), words("covers"), words("document"));
    let ranges = table.require("ranges", "ranges = [\"…\"]").map(networks);
    let as_of = table.require("as_of", "as_of = 2026-11-28").and_then(|node| day(&node));
    table.finish();
    Some(AddressList {
        name,
        provider: provider?,
        ranges: ranges?,
        covers: covers?,
        as_of: as_of?,
        document: document?,
    })
}

fn day(node: &Node<'_>) -> Option<Day> {
    match node.value {
        DeValue::Datetime(written) if written.time.is_none() => written.date.and_then(Day::of),
        _ => None,
    }
    .or_else(|| node.wrong_type("a date", "write it as in 2026-11-28, without quotes"))
}

/// The lists that a source may name: the configuration's own, and behind them those that hookgate knows.
#[derive(Default)]
pub(super) struct Lists<'d>(Vec<OwnList<'d>>);

struct OwnList<'d> {
    name: &'d str,
    ranges: Vec<IpNet>,
    spot: Spot<'d>,
    is_used: Cell<bool>,
}

/// Reads `[ranges]`.
pub(super) fn own_lists<'d>(root: &mut Table<'d>) -> Lists<'d> {
    let Some(table) = root.section("ranges") else { return Lists::default() };
    let lists = table.all().into_iter();
    Lists(lists.map(|(name, node)| own_list(name, node)).collect())
}

fn own_list<'d>(name: &'d str, node: Node<'d>) -> OwnList<'d> {
    if !is_good_name(name) {
        node.spot.problem(
            "this cannot be the name of a list",
            "write small letters, digits and '-', beginning with a letter, at most 100 characters",
        );
    }
    let spot = node.spot.clone();
    OwnList { name, ranges: networks(node), spot, is_used: Cell::new(false) }
}

impl Lists<'_> {
    /// Addresses, ranges of them and names of lists. What is named is added to `used`.
    pub(super) fn networks(&self, node: Node<'_>, key: &'static str, used: &mut Vec<UsedList>) -> Vec<IpNet> {
        let mut found = Vec::new();
        for item in node.items() {
            match item.value.as_str().filter(|written| is_meant_as_name(written)) {
                Some(name) => found.extend_from_slice(self.named(&item, name, key, used)),
                None => found.extend(network(&item)),
            }
        }
        found
    }

    fn named(&self, item: &Node<'_>, name: &str, key: &'static str, used: &mut Vec<UsedList>) -> &[IpNet] {
        let name_it = |ranges: &[IpNet], as_of| UsedList { name: name.to_owned(), key, ranges: ranges.len(), as_of };
        if let Some(own) = self.0.iter().find(|own| own.name == name) {
            own.is_used.set(true);
            used.push(name_it(&own.ranges, None));
            return &own.ranges;
        }
        if let Some(list) = address_list(name) {
            warn_if_old(item, list);
            used.push(name_it(&list.ranges, Some(list.as_of)));
            return &list.ranges;
        }
        let names = self.0.iter().map(|own| own.name).chain(known().iter().map(|list| list.name.as_str()));
        let help = match nearest(&name.to_ascii_lowercase(), names) {
            Some(near) => format!("did you mean \"{near}\"? A range is written as in {EXAMPLE}"),
            None => format!(
                "`hookgate ranges` lists those there are, [ranges] may have more; a range is written as in {EXAMPLE}"
            ),
        };
        item.spot.problem("this is neither an address nor the name of a list of addresses", help);
        &[]
    }

    /// Warns of own lists that no source names: one that was meant to replace another, with a slip in its name, would not.
    pub(super) fn warn_of_unused(&self) {
        for own in self.0.iter().filter(|own| !own.is_used.get()) {
            own.spot.warn(
                "no source names this list",
                format!("write allow = [\"{}\"] in a [[source]], or take it out", own.name.escape_debug()),
            );
        }
    }
}

fn warn_if_old(item: &Node<'_>, list: &AddressList) {
    if list.as_of.age(item.spot.reading().now) > OLD {
        let AddressList { name, as_of, document, .. } = list;
        item.spot.warn(
            format!("the list \"{name}\" is of {as_of}: from where {} sends since then is not in it", list.provider),
            format!("compare it with {document}, and write what is there now as {name} = [\"…\"] under [ranges]"),
        );
    }
}

fn is_good_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// No address and no range is without a colon where it begins with a letter.
fn is_meant_as_name(written: &str) -> bool {
    written.starts_with(|c: char| c.is_alphabetic()) && !written.contains([':', '/'])
}

const EXAMPLE: &str = "\"192.0.2.0/24\" or \"2001:db8::/32\"";

/// Providers change their addresses every few years.
const OLD: Duration = Duration::from_hours(365 * 24);
