//! Requests that carry several events: one event of each element, acknowledged together or not at all, none twice.

use crate::gateway::Gateway;
use crate::processor::{Processor, Received};

const SENDGRID: &[u8] = include_bytes!("../fixtures/constructed/sendgrid.events.json");

fn config(source: &str, route: &str, processor: &Processor) -> String {
    format!(
        "[[source]]\nname = \"s\"\nauth = \"none\"\n{source}\n[[route]]\nname = \"all\"\nfrom = {{ source = \"s\" }}\n\
         to = {{ http = \"{}\" }}\n{route}\n",
        processor.url("/")
    )
}

fn ids(received: &[Received]) -> Vec<&str> {
    let mut ids: Vec<_> = received.iter().map(|delivery| delivery.header("webhook-id").unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn bodies(received: &[Received]) -> Vec<String> {
    let mut bodies: Vec<_> =
        received.iter().map(|delivery| String::from_utf8(delivery.body.clone()).unwrap()).collect();
    bodies.sort();
    bodies
}

#[test]
fn a_body_that_is_an_array_is_an_event_for_each_element() {
    for ack in ["memory", "durable"] {
        let processor = Processor::start();
        let gateway = Gateway::start(&config(
            &format!(
                "ack = \"{ack}\"\nsplit = \"\"\nevent_type = {{ json = \"/event\" }}\ndelivery_id = {{ json = \"/sg_event_id\" }}"
            ),
            "",
            &processor,
        ));
        assert_eq!(gateway.post("/hooks/s", &[("content-type", "application/json")], SENDGRID).status, 202);
        let received = processor.wait_for(6);
        let expected: Vec<_> = (0..6).map(|number| format!("s:sg_event_id_{number}")).collect();
        assert_eq!(ids(&received), expected);
        let clicked = received.iter().find(|it| it.header("hookgate-type") == Some("click")).unwrap();
        let start = SENDGRID.windows(clicked.body.len()).position(|bytes| bytes == clicked.body);
        assert!(start.is_some() && clicked.body.starts_with(b"{\n"), "an element is as it stands in the body");
        assert_eq!(clicked.header("content-type"), Some("application/json"));
        assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 6.0);
        assert_eq!(gateway.metric("hookgate_batches_total", &[]), 1.0);
    }
}

#[test]
fn a_redelivered_batch_repeats_nothing() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config("split = \"/items\"\ndelivery_id = { json = \"/id\" }", "", &processor));
    let items = |ids: &[&str]| {
        let items: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        format!(r#"{{"n":{},"items":[{}]}}"#, ids.len(), items.join(", "))
    };
    assert_eq!(gateway.post("/hooks/s", &[], items(&["a", "b"]).as_bytes()).status, 202);
    processor.wait_for(2);
    let remains = gateway.kill();
    let gateway = remains.start();
    let answer = gateway.post("/hooks/s", &[], items(&["a", "b", "c", "c"]).as_bytes());
    assert_eq!(answer.status, 202);
    assert_eq!(gateway.metric("hookgate_duplicates_total", &[]), 3.0);
    gateway.wait_for_metric("hookgate_route_lag", &[], 0.0);
    let mut received = processor.wait_for(3);
    received.dedup_by(|one, other| one.header("webhook-id") == other.header("webhook-id"));
    let mut distinct = ids(&received);
    distinct.dedup();
    assert_eq!(distinct, ["s:a", "s:b", "s:c"]);
}

#[test]
fn an_id_of_the_request_is_counted_on() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config("split = \"/items\"\ndelivery_id = { header = \"X-Id\" }", "", &processor));
    for _ in 0..2 {
        assert_eq!(gateway.post("/hooks/s", &[("X-Id", "d1")], br#"{"items":[1, 2, 3]}"#).status, 202);
    }
    gateway.wait_for_metric("hookgate_duplicates_total", &[], 3.0);
    let received = processor.wait_for(3);
    assert_eq!(ids(&received), ["s:d1%2E0", "s:d1%2E1", "s:d1%2E2"]);
    assert_eq!(bodies(&received), ["1", "2", "3"]);
}

#[test]
fn lines_are_events() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(
        "ack = \"memory\"\nsplit = \"lines\"\nevent_type = { json = \"/type\" }",
        "",
        &processor,
    ));
    let lines = b"{\"type\":\"a\"}\r\n\n{\"type\":\"b\"}";
    assert_eq!(gateway.post("/hooks/s", &[("content-type", "application/x-ndjson")], lines).status, 202);
    let received = processor.wait_for(2);
    assert_eq!(bodies(&received), [r#"{"type":"a"}"#, r#"{"type":"b"}"#]);
    assert!(received.iter().all(|delivery| delivery.header("content-type") == Some("application/json")));
    let answer = gateway.post("/hooks/s", &[], b"{\"type\":\"a\"}\nnot JSON\n");
    assert_eq!((answer.status, answer.reason().as_str()), (400, "not_a_batch"));
}

#[test]
fn what_is_no_batch_is_refused_and_an_empty_one_is_not() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config("ack = \"memory\"\nsplit = \"/items\"", "", &processor));
    for body in [r#"{"items":{}}"#, r#"{"other":[]}"#, r#"{"items":[1,2}"#, "<items/>", ""] {
        let answer = gateway.post("/hooks/s", &[], body.as_bytes());
        assert_eq!((answer.status, answer.reason().as_str()), (400, "not_a_batch"), "{body}");
    }
    let many = format!(r#"{{"items":[{}]}}"#, vec!["1"; 100_000].join(","));
    let answer = gateway.post("/hooks/s", &[], many.as_bytes());
    assert_eq!((answer.status, answer.reason().as_str()), (413, "too_many_items"));
    let empty = gateway.post("/hooks/s", &[], br#"{"items":[]}"#);
    assert_eq!((empty.status, empty.json()["id"].as_str().map(str::len)), (202, Some(26)));
    assert_eq!(gateway.metric("hookgate_batches_total", &[]), 1.0);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 0.0);
    assert_eq!(processor.received().len(), 0);
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let (processor, gate) = Processor::held();
    let route = "when_full = \"refuse\"\nqueue = { events = 4 }";
    let gateway = Gateway::start(&config("ack = \"memory\"\nsplit = \"\"", route, &processor));
    let answer = gateway.post("/hooks/s", &[], b"[1, 2, 3, 4, 5]");
    assert_eq!((answer.status, answer.reason().as_str()), (503, "queue_full"));
    assert_eq!(gateway.post("/hooks/s", &[], b"[6, 7, 8]").status, 202, "the places of the others were given back");
    assert_eq!(gateway.post("/hooks/s", &[], b"[9, 10]").status, 503);
    gate.open();
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 3.0);
    assert_eq!(bodies(&processor.received()), ["6", "7", "8"]);
}
