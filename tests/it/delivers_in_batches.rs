//! A route with `batch`: what waits goes out in one request, each event has an outcome of its own, and one that the processor
//! refuses takes no other with it.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::commands::{dir_with, hookgate};
use crate::gateway::Gateway;
use crate::processor::{Gate, Processor, Received, answer};
use crate::signing::standard_webhooks;

/// One request at a time, so that what comes meanwhile waits.
pub fn config(url: &str, ack: &str, to: &str, route: &str) -> String {
    format!(
        r#"[[source]]
        name = "s"
        auth = "none"
        ack = "{ack}"
        event_type = {{ header = "X-Type" }}
        delivery_id = {{ header = "X-Id" }}
        [[route]]
        name = "r"
        from = {{ source = "s" }}
        to = {{ http = "{url}", {to} timeout = "20s" }}
        in_flight = 1
        batch = 16
        retry = {{ attempts = 5, first = "1ms", max = "5ms" }}
        {route}
        "#
    )
}

/// A processor that says what `says` does of the ids of a batch, its first request only when the gate is open.
pub fn processor(says: impl Fn(&[String]) -> Vec<u8> + Send + Sync + 'static) -> (Processor, Gate) {
    let gate = Gate::default();
    let waiting_at = gate.clone();
    let processor = Processor::behaving(move |received, _| {
        waiting_at.pass();
        says(&ids(received))
    });
    (processor, gate)
}

pub fn said(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

pub fn events(received: &Received) -> Vec<Value> {
    assert_eq!(received.header("content-type"), Some("application/cloudevents-batch+json; charset=utf-8"));
    let Value::Array(events) = serde_json::from_slice(&received.body).unwrap() else { panic!("no batch") };
    events
}

pub fn ids(received: &Received) -> Vec<String> {
    events(received).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// How often each event came.
pub fn times(received: &[Received]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    received.iter().flat_map(ids).for_each(|id| *times.entry(id).or_default() += 1);
    times
}

pub const JSON: (&str, &str) = ("Content-Type", "application/json");

/// One event, which the processor keeps waiting, and then these, which wait behind it.
pub fn post_behind_one(gateway: &Gateway, processor: &Processor, names: &[&str]) {
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "first"), JSON], b"{}").status, 202);
    processor.wait_for(1);
    let mut client = gateway.client();
    for name in names {
        assert_eq!(client.post("/hooks/s", &[("X-Id", name), ("X-Type", "a.b"), JSON], b"{}").status, 202);
    }
    gateway.wait_for_metric("hookgate_route_events", &["route=\"r\""], (names.len() + 1) as f64);
}

pub fn delivered(gateway: &Gateway, count: usize) {
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], count as f64);
}

#[test]
fn what_waits_goes_out_in_one_request_and_each_event_once() {
    for ack in ["memory", "durable"] {
        let (processor, gate) = processor(|_| answer(200, &[]));
        let gateway = Gateway::start(&config(&processor.url("/in"), ack, "headers = { X-Tenant = \"t\" },", ""));
        let names: Vec<_> = (0..100).map(|number| format!("evt-{number}")).collect();
        post_behind_one(&gateway, &processor, &names.iter().map(String::as_str).collect::<Vec<_>>());
        gate.open();
        delivered(&gateway, 101);
        let received = processor.received();
        let times = times(&received);
        assert_eq!((times.len(), times.values().all(|count| *count == 1)), (101, true), "{times:?}");
        assert_eq!(times.get("s:evt-7"), Some(&1));
        let sizes: Vec<_> = received.iter().map(|batch| events(batch).len()).collect();
        assert_eq!(sizes, [1, 16, 16, 16, 16, 16, 16, 4], "the first had nobody to go with");

        let batch = &received[1];
        assert_eq!((batch.header("x-tenant"), batch.header("webhook-signature")), (Some("t"), None));
        assert_eq!((batch.header("hookgate-source"), batch.header("x-type")), (None, None));
        let event = &events(batch)[0];
        assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!("/sources/s")));
        assert_eq!((&event["type"], &event["hookgateattempt"]), (&json!("a.b"), &json!(1)));
        assert_eq!((&event["datacontenttype"], &event["data"]), (&json!("application/json"), &json!({})));
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
        assert_eq!(events(&received[0])[0]["type"], "hookgate.untyped");
    }
}

#[test]
fn json_is_in_data_byte_for_byte_and_anything_else_in_base64() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
    let raw = "{\"b\": 1,\n\t\"a\": \"\\u00e9\", \"a\":1.50e3 }";
    let bodies: [(&str, &str, &[u8]); 3] = [
        ("json", "application/vnd.api+json; charset=utf-8", raw.as_bytes()),
        ("xml", "text/xml", b"<a/>"),
        ("broken", "application/json", b"{\"a\":}],[{"),
    ];
    for (at, (id, content_type, body)) in bodies.into_iter().enumerate() {
        gateway.post("/hooks/s", &[("X-Id", id), ("Content-Type", content_type)], body);
        processor.wait_for(at + 1);
    }
    let received = processor.received();
    assert_eq!(received.iter().map(|one| ids(one).concat()).collect::<Vec<_>>(), ["s:json", "s:xml", "s:broken"]);

    let text = String::from_utf8(received[0].body.clone()).unwrap();
    assert!(text.contains(&format!("\"data\":{raw}}}]")), "{text}");
    for (received, encoded) in [(&received[1], "PGEvPg=="), (&received[2], "eyJhIjp9XSxbew==")] {
        let event = &events(received)[0];
        assert_eq!((&event["data_base64"], event.get("data")), (&json!(encoded), None), "{event}");
    }
}

#[test]
fn what_the_answer_names_as_failed_comes_again_and_nothing_else_does() {
    let (processor, gate) = {
        let again = std::sync::atomic::AtomicBool::new(false);
        processor(move |ids| {
            let failed: Vec<_> = ["s:b", "s:d"].iter().filter(|id| ids.iter().any(|it| it == *id)).collect();
            if failed.is_empty() || again.swap(true, std::sync::atomic::Ordering::SeqCst) {
                return said(&json!({"failed": []}));
            }
            said(&json!({"failed": [{"id": failed[0], "status": 503}, {"id": failed[1], "status": 422}]}))
        })
    };
    let gateway = Gateway::start(&config(&processor.url("/"), "durable", "", ""));
    post_behind_one(&gateway, &processor, &["a", "b", "c", "d"]);
    gate.open();
    delivered(&gateway, 4);
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
    let expected = [("s:a", 1), ("s:b", 2), ("s:c", 1), ("s:d", 1), ("s:first", 1)];
    assert_eq!(times(&processor.received()), expected.map(|(id, count)| (id.to_owned(), count)).into());
    let last = processor.received().pop().unwrap();
    assert_eq!((ids(&last).concat(), &events(&last)[0]["hookgateattempt"]), ("s:b".to_owned(), &json!(2)));

    let letters = gateway.dead_letters("r");
    assert_eq!((&letters[0]["id"], &letters[0]["reason"]), (&json!("d"), &json!("final_status")));
    assert_eq!(letters[0]["attempts"][0]["outcome"], "status 422");
    assert_eq!(gateway.metric("hookgate_deliveries_total", &["outcome=\"status_5xx\""]), 1.0);
    assert_eq!(gateway.metric("hookgate_deliveries_total", &["outcome=\"status_4xx\""]), 1.0);
    let outcomes = |id: &str| {
        let shown = hookgate(gateway.dir(), &["show", id, "--json", "--admin", &gateway.admin.to_string()]);
        let story: Value = serde_json::from_str(&shown.out).unwrap();
        let attempts = story["events"][0]["routes"][0]["attempts"].as_array().unwrap().clone();
        attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("a"), ["delivered"]);
    assert_eq!(outcomes("b"), ["status 503", "delivered"]);
    assert_eq!(outcomes("d"), ["status 422"]);
}

/// Of 30 events no two are alike, some fail once, and what is no JSON stands among what is.
#[test]
fn each_event_stands_in_a_batch_with_its_own_id_type_attempt_and_data() {
    let failed_once = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let (processor, gate) = processor(move |ids| {
        let fails =
            |id: &&String| id.ends_with(['0', '3', '6', '9']) && failed_once.lock().unwrap().insert((*id).clone());
        said(&json!({"failed": ids.iter().filter(fails).map(|id| json!({"id": id})).collect::<Vec<_>>()}))
    });
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "first"), ("X-Type", "first"), JSON], b"\"first\"").status, 202);
    processor.wait_for(1);
    for number in 0..30 {
        let (id, event_type) = (format!("evt-{number}"), format!("type-{number}"));
        let content_type = if number % 4 == 0 { ("Content-Type", "text/plain") } else { JSON };
        let headers = [("X-Id", id.as_str()), ("X-Type", &event_type), content_type];
        assert_eq!(gateway.post("/hooks/s", &headers, format!("\"{number}\"").as_bytes()).status, 202);
    }
    gateway.wait_for_metric("hookgate_route_events", &["route=\"r\""], 31.0);
    gate.open();
    delivered(&gateway, 31);

    let received = processor.received();
    assert!(received.iter().any(|batch| events(batch).len() == 16), "batches, or the test shows nothing");
    let mut seen = BTreeMap::new();
    for event in received.iter().flat_map(events).filter(|event| event["type"] != "first") {
        let number = event["id"].as_str().unwrap().strip_prefix("s:evt-").unwrap();
        let times = seen.entry(number.to_owned()).or_insert(0);
        *times += 1;
        assert_eq!((&event["type"], &event["hookgateattempt"]), (&json!(format!("type-{number}")), &json!(*times)));
        let raw = format!("\"{number}\"");
        if number.parse::<usize>().unwrap() % 4 == 0 {
            assert_eq!(
                (&event["data_base64"], &event["datacontenttype"]),
                (&json!(BASE64.encode(raw.as_bytes())), &json!("text/plain"))
            );
        } else {
            assert_eq!((&event["data"], &event["datacontenttype"]), (&json!(number), &json!("application/json")));
        }
    }
    let again = |number: usize| if [0, 3, 6, 9].contains(&(number % 10)) { 2 } else { 1 };
    assert_eq!(seen, (0..30).map(|number| (number.to_string(), again(number))).collect());
}

#[test]
fn a_final_status_costs_only_the_event_that_gets_it_alone() {
    let (processor, gate) = processor(|ids| answer(if ids.iter().any(|id| id == "s:poison") { 422 } else { 200 }, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
    post_behind_one(&gateway, &processor, &["a", "b", "poison", "c"]);
    gate.open();
    delivered(&gateway, 4);
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
    assert_eq!(gateway.dead_letters("r")[0]["id"], "poison");
    assert_eq!(gateway.dead_letters("r")[0]["attempts"].as_array().unwrap().len(), 1);
    let sizes: Vec<_> = processor.received().iter().map(|batch| events(batch).len()).collect();
    assert_eq!(sizes, [1, 4, 1, 1, 1, 1]);
    let taken = times(&processor.taken());
    assert_eq!(taken.keys().collect::<Vec<_>>(), ["s:a", "s:b", "s:c", "s:first"]);
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
    assert_eq!(gateway.metric("hookgate_route_breaker_open", &["route=\"r\""]), 0.0);
}

/// Nobody has taken those behind it, and nobody has refused them.
#[test]
fn what_stands_behind_one_that_fails_alone_for_another_reason_is_not_tried_and_comes_again() {
    for ack in ["memory", "durable"] {
        let (refused, failed) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::AtomicBool::new(false));
        let (processor, gate) = processor(move |ids| match ids {
            [_, _, ..] if !refused.swap(true, std::sync::atomic::Ordering::SeqCst) => answer(422, &[]),
            [only] if only == "s:b" && !failed.swap(true, std::sync::atomic::Ordering::SeqCst) => answer(503, &[]),
            _ => answer(200, &[]),
        });
        let gateway = Gateway::start(&config(&processor.url("/"), ack, "", ""));
        post_behind_one(&gateway, &processor, &["a", "b", "c", "d"]);
        gate.open();
        delivered(&gateway, 5);
        let expected = [("s:a", 2), ("s:b", 3), ("s:c", 2), ("s:d", 2), ("s:first", 1)];
        assert_eq!(times(&processor.received()), expected.map(|(id, count)| (id.to_owned(), count)).into());
        assert_eq!(times(&processor.taken()), expected.map(|(id, _)| (id.to_owned(), 1)).into());
        let attempts = |id: &str| {
            let events =
                processor.received().iter().flat_map(events).filter(|event| event["id"] == id).collect::<Vec<_>>();
            events.iter().map(|event| event["hookgateattempt"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((attempts("s:a"), attempts("s:b")), (vec![1, 1], vec![1, 1, 2]));
        assert_eq!((attempts("s:c"), attempts("s:d")), (vec![1, 2], vec![1, 2]), "the attempt of their batch counts");
        assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]), 0.0);
    }
}

#[test]
fn a_refusal_that_is_not_final_and_an_answer_that_cannot_be_read_fail_all_of_a_batch_which_comes_again() {
    let requests = std::sync::atomic::AtomicUsize::new(0);
    let (processor, gate) = processor(move |_| match requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        1 => answer(503, &[]),
        2 => b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"failed\":[".to_vec(),
        _ => answer(204, &[]),
    });
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
    post_behind_one(&gateway, &processor, &["a", "b", "c"]);
    gate.open();
    delivered(&gateway, 4);
    let times = times(&processor.received());
    assert_eq!((times.len(), times["s:first"]), (4, 1), "{times:?}");
    assert!(processor.received().len() >= 4 && times.values().sum::<usize>() >= 8, "{times:?}");
    assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]), 0.0);
}

#[test]
fn the_signature_covers_the_whole_batch_and_its_id() {
    let (processor, gate) = processor(|_| answer(200, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "sign = { file = \"secret\" },", ""));
    post_behind_one(&gateway, &processor, &["a", "b"]);
    gate.open();
    delivered(&gateway, 3);
    let received = processor.received();
    for batch in &received {
        let (id, at) = (batch.header("webhook-id").unwrap(), batch.header("webhook-timestamp").unwrap());
        let expected = standard_webhooks(id, &batch.body, at.parse().unwrap());
        assert_eq!(batch.header("webhook-signature"), Some(expected.as_str()));
    }
    assert_ne!(received[0].header("webhook-id"), received[1].header("webhook-id"));
}

#[test]
fn check_says_where_a_batch_cannot_be_and_what_to_do() {
    let text = config("http://127.0.0.1:9001/", "memory", "", "").replace("to = { http", "to = \"discard\" #");
    let dir = dir_with(&text);
    let checked = hookgate(dir.path(), &["check"]);
    assert_eq!((checked.code, checked.out.as_str()), (Some(2), ""), "{}", checked.err);
    let mut lines = checked.err.lines().skip_while(|line| !line.contains("hookgate.toml:12:"));
    assert!(lines.next().is_some_and(|line| line.contains("only a request can carry a batch")), "{}", checked.err);
    assert!(lines.next().is_some_and(|help| help.contains("leave it out")), "{}", checked.err);
}
