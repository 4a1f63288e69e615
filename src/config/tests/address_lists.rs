//! Lists of addresses by name: those that are known, and those of a configuration's own.

use std::path::PathBuf;
use std::time::SystemTime;

use super::{assert_mistake, config, problems, source, variable};
use crate::config::load::read_files;
use crate::config::{Config, UsedList, address_list};

const ROUTE: &str = "[[route]]\nname = \"r\"\nfrom = { source = \"*\" }\nto = \"discard\"\n";

/// A source whose addresses begin on line 5, and behind it what else there is.
fn with(addresses: &str, more: &str) -> String {
    format!("{}{ROUTE}{more}", source(&format!("auth = \"none\"\n{addresses}")))
}

fn read_at(text: &str, now: &str) -> Config {
    let now: SystemTime = humantime::parse_rfc3339(now).unwrap();
    read_files(&[(PathBuf::from("hookgate.toml"), text.to_owned())], Vec::new(), &variable, now).unwrap()
}

#[test]
fn a_name_stands_for_its_ranges_beside_others_in_allow_and_deny() {
    let keys = "allow = [\"192.0.2.0/24\", \"github\", \"2001:db8::1\"]\ndeny = \"telegram\"";
    let mut read = config(&with(keys, ""));
    assert_eq!(read.warnings, []);
    let senders = read.sources.remove(0).senders;
    let (github, telegram) = (address_list("github").unwrap(), address_list("telegram").unwrap());
    let own = |written: &str| written.parse().unwrap();
    let allowed = [vec![own("192.0.2.0/24")], github.ranges.clone(), vec![own("2001:db8::1/128")]].concat();
    assert_eq!((senders.allow, &senders.deny), (allowed, &telegram.ranges));
    let used = |list: &crate::config::AddressList, key| UsedList {
        name: list.name.clone(),
        key,
        ranges: list.ranges.len(),
        as_of: Some(list.as_of),
    };
    assert_eq!(senders.lists, [used(github, "allow"), used(telegram, "deny")]);
}

#[test]
fn a_list_of_ones_own_takes_the_place_of_one_that_is_known() {
    let own = "[ranges]\ngithub = [\"192.0.2.0/24\", \"2001:db8::1\"]\noffice = \"198.51.100.7\"\n";
    let mut read = config(&with("allow = [\"github\", \"office\"]", own));
    assert_eq!(read.warnings, []);
    let senders = read.sources.remove(0).senders;
    let allowed: Vec<_> = senders.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["192.0.2.0/24", "2001:db8::1/128", "198.51.100.7/32"]);
    let lists: Vec<_> = senders.lists.iter().map(|list| (list.name.as_str(), list.ranges, list.as_of)).collect();
    assert_eq!(lists, [("github", 2, None), ("office", 1, None)]);
}

#[test]
fn a_slip_in_a_name_is_answered_with_the_name_and_with_what_a_range_looks_like() {
    for written in ["githab", "GitHub", "git-hub"] {
        let text = with(&format!("allow = [\"192.0.2.7\", \"{written}\"]"), "");
        assert_mistake(&text, 5, "neither an address nor the name of a list", "did you mean \"github\"? A range");
        assert!(problems(&text)[0].help.contains("\"192.0.2.0/24\" or \"2001:db8::/32\""));
        assert!(problems(&text)[0].key.ends_with("allow[2]"), "{}", problems(&text)[0]);
    }
    assert_mistake(&with("deny = \"nowhere-near\"", ""), 5, "name of a list", "`hookgate ranges` lists");
    let own = "[ranges]\noffice = \"198.51.100.7\"\n";
    assert_mistake(&with("allow = \"ofice\"", own), 5, "name of a list", "did you mean \"office\"?");
}

#[test]
fn what_looks_like_an_address_is_not_taken_for_a_name() {
    for written in ["192.0.2.x", "github/24", "fe80::g", "", "1password"] {
        let text = with(&format!("allow = \"{written}\""), "");
        assert_mistake(&text, 5, "neither an address nor a range", "\"192.0.2.0/24\"");
    }
    assert_mistake(&with("allow = [7]", ""), 5, "this must be a string", "double quotes");
}

#[test]
fn a_list_of_ones_own_has_a_good_name_and_ranges() {
    let one = |entry: &str, what: &str, help: &str| {
        let text = format!("[ranges]\n{entry}\n{}", with("", ""));
        assert_mistake(&text, 2, what, help);
    };
    for name in ["Office", "\"10\"", "\"a b\"", "\"\"", "a_b"] {
        one(&format!("{name} = [\"192.0.2.0/24\"]"), "cannot be the name of a list", "small letters");
    }
    one("office = []", "the list is empty", "at least one");
    one("office = [\"192.0.2.1/24\"]", "does not begin", "192.0.2.0/24");
    // Lists do not name lists.
    one("office = [\"github\"]", "neither an address nor a range", "\"192.0.2.0/24\"");
    one("office = { a = 1 }", "this must be a string", "double quotes");
    assert_mistake(&format!("ranges = 7\n{}", with("", "")), 1, "this must be a table", "{ key = value");
}

#[test]
fn a_list_that_no_source_names_is_warned_of() {
    // Whoever meant to replace `github` would go on with the one that is built in.
    let warnings = config(&with("allow = \"github\"", "[ranges]\ngithubb = [\"192.0.2.0/24\"]\n")).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].what.contains("no source names this list"), "{}", warnings[0]);
    assert!(warnings[0].key.contains("githubb"), "{}", warnings[0]);
}

#[test]
fn a_list_that_has_grown_old_is_warned_of_unless_it_is_ones_own() {
    let text = with("allow = [\"github\", \"192.0.2.0/24\"]", "");
    assert_eq!(read_at(&text, "2027-10-29T00:00:00Z").warnings, []);
    let warnings = read_at(&text, "2027-11-01T00:00:00Z").warnings;
    assert_eq!((warnings.len(), warnings[0].line), (1, 5), "{warnings:?}");
    assert!(warnings[0].what.contains("\"github\" is of 2026-10-29"), "{}", warnings[0]);
    assert!(warnings[0].help.contains("https://docs.github.com/"), "{}", warnings[0]);
    let own = format!("{text}[ranges]\ngithub = \"192.0.2.0/24\"\n");
    assert_eq!(read_at(&own, "2037-11-01T00:00:00Z").warnings, []);
}

#[test]
fn what_is_not_about_senders_takes_no_names() {
    let text = format!("[gateway]\ntrusted_proxies = \"github\"\n{}", with("", ""));
    assert_mistake(&text, 2, "neither an address nor a range", "\"192.0.2.0/24\"");
}
