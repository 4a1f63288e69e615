//! `[[poll]]`.

use std::time::Duration;

use super::{assert_mistake, config, source};
use crate::config::{CursorFrom, NextPage};

/// A source, and a poll whose own keys begin on line 10.
fn poll(keys: &str) -> String {
    let url = if keys.lines().any(|line| line.starts_with("url =")) { "" } else { "url = \"https://api.test/o\"" };
    let source = source("auth = \"none\"");
    format!(
        "{source}[[poll]]\nname = \"p\"\nevery = \"1m\"\nitems = \"\"\ndelivery_id = {{ json = \"/id\" }}\n{keys}\n{url}\n"
    )
}

#[test]
fn a_poll_is_read_with_its_defaults_and_routes_can_name_it() {
    let text = poll("url = \"https://api.test/o?since={cursor}\"\ncursor = { time = \"rfc3339\" }\nnext = \"link\"");
    let config = config(&format!("{text}[[route]]\nname = \"r\"\nfrom = {{ source = \"p\" }}\nto = \"discard\"\n"));
    let [poll] = config.polls.as_slice() else { panic!("{:?}", config.polls) };
    assert_eq!((poll.every, poll.jitter, poll.max_answer), (Duration::from_mins(1), 0.1, 16 << 20));
    assert_eq!(poll.next, Some(NextPage::Link));
    let from = CursorFrom::Time { unix: false, overlap: Duration::from_mins(5) };
    assert_eq!(poll.cursor.as_ref().map(|cursor| &cursor.from), Some(&from));
    assert_eq!(config.routes[0].from[0].source, 1);
    assert_eq!(config.origins().collect::<Vec<_>>(), ["a", "p"]);
}

#[test]
fn client_credentials_are_read_and_exclude_others() {
    let oauth2 =
        "oauth2 = { token_url = \"https://login.test/token\", client_id = \"me\", client_secret = { env = \"KEY\" }";
    let config = config(&poll(&format!("{oauth2}, scope = \"a b\", credentials = \"body\" }}")));
    let read = config.polls[0].oauth2.as_ref().expect("it is there");
    assert_eq!((read.client_id.as_str(), read.scope.as_deref(), read.in_body), ("me", Some("a b"), true));
    assert_eq!(read.server.url, "https://login.test/token");
    assert!(!format!("{config:?}").contains("hush"));

    let what = "the token goes where";
    assert_mistake(&poll(&format!("{oauth2} }}\nbearer = {{ env = \"KEY\" }}")), 10, what, "only one of basic");
    let header = "headers = { authorization = { env = \"KEY\" } }";
    assert_mistake(&poll(&format!("{oauth2} }}\n{header}")), 10, what, "only one of basic");
    assert_mistake(&poll(&format!("{oauth2}, basic = {{}} }}")), 10, "unknown key `basic`", "known here");
    assert_mistake(
        &poll("oauth2 = { token_url = \"https://l.test/\", client_id = \"i\" }"),
        10,
        "`client_secret`",
        "env",
    );
}

#[test]
fn mistakes_of_polls_are_told_where_they_are() {
    assert_mistake(&poll("cursor = { highest = \"/n\" }"), 10, "the URL has no {cursor}", "since={cursor}");
    assert_mistake(&poll("url = \"https://api.test/{cursor}\""), 10, "a cursor stands in the query", "since={cursor}");
    assert_mistake(&poll("url = \"https://api.test/?s={cursor}\""), 10, "nothing says what", "cursor = {");
    assert_mistake(&poll("fills = \"b\""), 10, "there is no source \"b\"", "did you mean");
    assert_mistake(&poll("fills = \"a\""), 10, "remembers no delivery ids", "durable");
    assert_mistake(&poll("event_type = { header = \"x\" }"), 10, "a record is a piece of JSON", "json");
    assert_mistake(&poll("next = {}"), 10, "it is not said where the next page is", "\"link\"");
    assert_mistake(&poll("cursr = 1"), 10, "unknown key", "cursor");
}
