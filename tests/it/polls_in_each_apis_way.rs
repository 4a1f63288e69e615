//! Polls of APIs that page, count and let in each in its own way.

use crate::api::{Api, page, records};
use crate::gateway::{Gateway, SECRET, wait_until};
use crate::processor::{Processor, answer};

/// A gateway with a poll of `/records` that knows its records by their ids, and where they are delivered to.
fn start(api: &Api, query: &str, keys: &str) -> (Gateway, Processor) {
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        "[[source]]\nname = \"unused\"\nauth = \"none\"\n[[poll]]\nname = \"p\"\nurl = \"{}\"\nevery = \"50ms\"\n\
         items = \"/data\"\ndelivery_id = {{ json = \"/id\" }}\n{keys}\n\
         [[route]]\nname = \"all\"\nfrom = {{ source = \"p\" }}\nto = {{ http = \"{}\" }}\n",
        api.url(&format!("/records{query}")),
        processor.url("/")
    ));
    (gateway, processor)
}

fn assert_five(processor: &Processor) {
    let received = processor.wait_for(5);
    let mut ids: Vec<_> = received.iter().map(|delivery| delivery.header("webhook-id").unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["p:r1", "p:r2", "p:r3", "p:r4", "p:r5"]);
}

#[test]
fn records_are_counted_from_the_last_one_seen_with_basic_credentials() {
    let credentials = format!("Basic {}", data_encoding::BASE64.encode(format!("me:{SECRET}").as_bytes()));
    let api = Api::start(move |asked| {
        if asked.header("authorization") != Some(&credentials) {
            return answer(401, &[]);
        }
        let first = asked.number("since") + asked.number("offset") + 1;
        page("", &records(first..=5.min(first + 1)))
    });
    let keys = "basic = { user = \"me\", password = { file = \"secret\" } }\nnext = { offset = \"offset\" }\n\
                cursor = { last = \"/n\" }";
    let (gateway, processor) = start(&api, "?since={cursor}", keys);
    assert_five(&processor);
    wait_until("it goes on from the last", || api.was_asked("/records?since=5"));
    for target in ["/records", "/records?offset=2", "/records?offset=4"] {
        assert!(api.was_asked(target), "{target} of {:?}", api.asked());
    }
    assert_eq!(gateway.metric("hookgate_poll_duplicates_total", &[]), 0.0);
}

#[test]
fn a_member_names_the_next_page_and_a_header_has_the_key() {
    let api = Api::start(|asked| {
        if asked.header("x-api-key") != Some(SECRET) {
            return answer(401, &[]);
        }
        let first = asked.number("after") + 1;
        let last = 5.min(first + 1);
        let next = if last < 5 { format!(r#","next":"{last}"}}"#) } else { r#","next":null}"#.to_owned() };
        page("", &format!("{}{next}", records(first..=last).trim_end_matches('}')))
    });
    let keys = "headers = { X-Api-Key = { file = \"secret\" } }\nnext = { json = \"/next\", query = \"after\" }";
    let (gateway, processor) = start(&api, "", keys);
    assert_five(&processor);
    assert!(api.was_asked("/records?after=2") && api.was_asked("/records?after=4"), "{:?}", api.asked());
    assert_eq!(gateway.metric("hookgate_poll_errors_total", &[]), 0.0);
}

/// The server's clock is decades behind this one: what is asked for next is of its time, less the overlap.
#[test]
fn a_member_is_the_next_page_and_time_is_the_servers() {
    let api = Api::start(|asked| {
        let date = "date: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
        let rest = records(4..=5);
        match asked.path() {
            "/records" => {
                let first = records(1..=3);
                page(date, &format!(r#"{},"next":"/rest"}}"#, first.trim_end_matches('}').to_owned()))
            }
            _ => page(date, &rest),
        }
    });
    let keys = "next = { json = \"/next\" }\ncursor = { time = \"unix\", overlap = \"10m\" }";
    let (gateway, processor) = start(&api, "?since={cursor}", keys);
    assert_five(&processor);
    wait_until("it asks from its time on", || api.was_asked("/records?since=784111237"));
    wait_until("it has asked again", || gateway.metric("hookgate_poll_duplicates_total", &[]) >= 5.0);
    assert_eq!(processor.received().len(), 5, "what overlaps is known");
}
