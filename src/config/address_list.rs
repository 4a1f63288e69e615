//! From where providers send, as they publish it: rows of `ranges.toml`, named in `allow` and `deny` of a `[[source]]`.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use super::built_in::read_built_in;
use super::problem::Problem;
use super::read;

/// The addresses that a provider has published, on one day.
#[derive(Debug, Clone)]
pub struct AddressList {
    /// What `allow` calls it: the provider's preset, or that and the environment.
    pub name: String,
    /// The provider's name as it writes it.
    pub provider: String,
    /// All of them.
    pub ranges: Vec<IpNet>,
    /// What it is for and what not, in words.
    pub covers: String,
    /// When this was what the provider published.
    pub as_of: Day,
    /// Where it is published.
    pub document: String,
}

/// A day of the calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(SystemTime);

/// A list that a source names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedList {
    /// Its name.
    pub name: String,
    /// Where the source names it: `allow` or `deny`.
    pub key: &'static str,
    /// How many ranges it has.
    pub ranges: usize,
    /// How old it is; `None` for a list of the configuration's own.
    pub as_of: Option<Day>,
}

/// All lists, in the order of the table.
pub fn address_lists() -> &'static [AddressList] {
    static LISTS: LazyLock<Vec<AddressList>> = LazyLock::new(|| read_table().0);
    &LISTS
}

/// The list of this name.
pub fn address_list(name: &str) -> Option<&'static AddressList> {
    address_lists().iter().find(|list| list.name == name)
}

/// The rows that are right, and what is wrong with the others. A test keeps the latter empty.
fn read_table() -> (Vec<AddressList>, Vec<Problem>) {
    read_built_in("ranges.toml", include_str!("ranges.toml"), read::address_lists)
}

impl Day {
    /// The day of a date as TOML has it.
    pub(super) fn of(date: toml::value::Date) -> Option<Self> {
        humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).ok().map(Self)
    }

    /// How long ago it was; nothing for a day to come.
    pub(super) fn age(self, now: SystemTime) -> Duration {
        now.duration_since(self.0).unwrap_or_default()
    }
}

/// `2026-11-28`
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = humantime::format_rfc3339_seconds(self.0).to_string();
        f.pad(written.split('T').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::preset;

    #[test]
    fn the_table_parses() {
        let (lists, problems) = read_table();
        assert_eq!(problems, []);
        assert!(lists.len() >= 10, "{}", lists.len());
    }

    #[test]
    fn every_list_has_ranges_that_are_in_it_once_and_are_no_wider_than_a_provider() {
        for AddressList { name, ranges, .. } in address_lists() {
            assert!(!ranges.is_empty(), "{name}");
            for (at, range) in ranges.iter().enumerate() {
                let others = ranges.iter().enumerate().filter(|(other, _)| *other != at);
                let around: Vec<_> = others.filter(|(_, other)| other.contains(range)).collect();
                assert!(around.is_empty(), "{name}: {range} is in {around:?} too");
                assert_eq!(range.trunc(), *range, "{name}: its host bits are not zero");
                // 2a0a:a440::/29 is what GitHub has been given.
                let narrowest = if range.addr().is_ipv4() { 16 } else { 29 };
                assert!(range.prefix_len() >= narrowest, "{name}: {range} is more than a provider has");
            }
        }
    }

    #[test]
    fn no_range_is_one_that_the_internet_does_not_route() {
        let addresses = address_lists().iter().flat_map(|list| &list.ranges).map(IpNet::addr);
        for address in addresses {
            let reach = crate::config::Reach { deny_private: true, allow: Vec::new() };
            assert!(!reach.refuses(address), "{address}");
        }
    }

    #[test]
    fn a_list_is_called_like_the_preset_that_it_is_for_and_says_where_it_is_from() {
        let mut names = HashSet::new();
        for AddressList { name, covers, document, as_of, .. } in address_lists() {
            assert!(names.insert(name), "{name} is there twice");
            let provider = name.trim_end_matches("-sandbox");
            assert!(preset(provider).is_some(), "{name}");
            assert!(document.starts_with("https://") && !covers.is_empty(), "{name}");
            assert!(as_of.to_string().starts_with("20"), "{name}: {as_of}");
        }
    }

    #[test]
    fn a_day_is_written_as_it_was_read() {
        let day = Day::of("2026-02-28".parse::<toml::value::Datetime>().unwrap().date.unwrap()).unwrap();
        assert_eq!(day.to_string(), "2026-02-28");
        assert_eq!(day.age(SystemTime::UNIX_EPOCH), Duration::ZERO);
        assert_eq!(day.age(day.0 + Duration::from_secs(5)), Duration::from_secs(5));
    }
}
