//! Lists of addresses that providers publish: a source names one, and only from there is it sent to.

use std::path::Path;

use crate::commands::{dir_with, hookgate};
use crate::gateway::Gateway;
use crate::signing;

const ROUTE: &str = "[[route]]\nname = \"all\"\nfrom = { source = \"*\" }\nto = \"discard\"\n";

/// GitHub's source, whose secret is right in every request: only its address decides.
fn source(keys: &str) -> String {
    format!(
        "[[source]]\nname = \"github\"\npreset = \"github\"\nsecret = {{ file = \"secret\" }}\nack = \"memory\"\n{keys}\n{ROUTE}"
    )
}

/// The test is the proxy that is trusted.
const BEHIND_PROXY: &str = "trusted_proxies = \"127.0.0.1\"";

/// What becomes of GitHub's event from this address.
fn outcome(gateway: &Gateway, client: &str) -> (u16, String) {
    let signature = signing::github(b"{}");
    let headers = [("x-forwarded-for", client), ("X-Hub-Signature-256", signature.as_str())];
    let answer = gateway.post("/hooks/github", &headers, b"{}");
    (answer.status, if answer.status == 202 { String::new() } else { answer.reason() })
}

const TAKEN: (u16, &str) = (202, "");
const NOT_ALLOWED: (u16, &str) = (403, "address_not_allowed");

#[test]
fn a_source_takes_events_from_where_its_provider_sends_and_from_nowhere_else() {
    let gateway = Gateway::start_with(BEHIND_PROXY, &source("allow = [\"github\", \"192.0.2.7\"]"));
    let outcome = |client| outcome(&gateway, client);
    let is = |outcome: (u16, String), wanted: (u16, &str), client: &str| {
        assert_eq!((outcome.0, outcome.1.as_str()), wanted, "{client}");
    };
    let first_and_last = ["192.30.252.0", "192.30.255.255", "140.82.127.255", "9.234.98.160", "9.234.106.63"];
    for client in [&first_and_last[..], &["2a0a:a440::1", "2606:50c0:ffff::1", "192.0.2.7"]].concat() {
        is(outcome(client), TAKEN, client);
    }
    let outside = ["192.30.251.255", "192.31.0.0", "140.82.128.0", "9.234.106.64", "2a0a:a448::1", "192.0.2.8"];
    for client in outside {
        is(outcome(client), NOT_ALLOWED, client);
    }
    let labels = ["source=\"github\"", "reason=\"address_not_allowed\""];
    gateway.wait_for_metric("hookgate_requests_refused_total", &labels, outside.len() as f64);
}

#[test]
fn a_list_of_ones_own_replaces_the_one_that_is_built_in_and_deny_takes_names_too() {
    let keys = "allow = [\"github\", \"office\"]\ndeny = \"stripe\"";
    let ranges = "[ranges]\ngithub = [\"198.51.100.0/24\"]\noffice = \"3.0.0.0/8\"\n";
    let gateway = Gateway::start_with(BEHIND_PROXY, &format!("{}{ranges}", source(keys)));
    assert_eq!(outcome(&gateway, "198.51.100.9").0, 202);
    assert_eq!(outcome(&gateway, "192.30.252.1").0, 403, "the newer list has it no more");
    assert_eq!(outcome(&gateway, "3.18.12.62").0, 202);
    assert_eq!(outcome(&gateway, "3.18.12.63").0, 403, "Stripe's");
}

#[test]
fn check_says_which_lists_a_source_uses_and_of_when_they_are() {
    let ranges = "[ranges]\noffice = [\"198.51.100.0/24\", \"2001:db8::/32\"]\n";
    let dir = dir_with(&format!("{}{ranges}", source("allow = [\"github\", \"office\"]\ndeny = \"stripe\"")));
    let checked = hookgate(dir.path(), &["check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let rows: Vec<Vec<&str>> = checked.out.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        &["ADDRESSES", "SOURCE", "FOR", "RANGES", "AS", "OF"][..],
        &["github", "github", "allow", "9", "2026-10-29"],
        &["office", "github", "allow", "2", "[ranges]", "says"],
        &["stripe", "github", "deny", "15", "2026-10-04"],
    ] {
        assert!(rows.iter().any(|told| told == row), "{row:?} is not in:\n{}", checked.out);
    }
    let dir = dir_with(&source("allow = \"githab\""));
    let checked = hookgate(dir.path(), &["check"]);
    assert_eq!(checked.code, Some(2));
    assert!(
        checked.err.contains("did you mean \"github\"? A range is written as in \"192.0.2.0/24\""),
        "{}",
        checked.err
    );
}

#[test]
fn the_lists_are_shown_with_their_day_and_where_they_are_published() {
    let here = Path::new(".");
    let listed = hookgate(here, &["ranges"]);
    assert_eq!(listed.code, Some(0));
    for name in ["github", "gitlab", "stripe", "paddle-sandbox", "telegram"] {
        assert!(listed.out.lines().any(|line| line.starts_with(name)), "{name} is not in:\n{}", listed.out);
    }
    let shown = hookgate(here, &["ranges", "show", "github"]);
    for part in ["GitHub (github)", "192.30.252.0/22", "2606:50c0::/32", "2026-10-29", "https://docs.github.com/"] {
        assert!(shown.out.contains(part), "{part} is not in:\n{}", shown.out);
    }
    let json = |arguments: &[&str]| serde_json::from_str::<serde_json::Value>(&hookgate(here, arguments).out).unwrap();
    let all = json(&["ranges", "--json"]);
    let github = all["ranges"].as_array().unwrap().iter().find(|list| list["name"] == "github").unwrap();
    assert_eq!(*github, json(&["ranges", "show", "github", "--json"]));
    assert_eq!((&github["as_of"], github["ranges"].as_array().unwrap().len()), (&"2026-10-29".into(), 9));
    let wrong = hookgate(here, &["ranges", "show", "githab"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("github"), "{}", wrong.err);
    let preset = hookgate(here, &["presets", "show", "stripe"]).out;
    assert!(preset.contains("allow = [\"stripe\"], as of 2026-10-04"), "{preset}");
    let starter = hookgate(here, &["init", "stripe", "shopify"]).out;
    assert_eq!(starter.matches("# allow = [").count(), 1, "{starter}");
}
