//! An answer to a batch is taken at its word. One that may say that something failed, but not what, delivers nothing: all of the
//! batch come again. Everything else with 2xx delivers all of it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;

use crate::delivers_in_batches::{config, delivered, ids, post_behind_one, processor, said, times};
use crate::gateway::Gateway;
use crate::processor::{Processor, answer};

fn with(status: u16, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{more}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Delivers one event for each of these answers, which it gets at first and then 204, and says which of them came another number
/// of times than this.
fn not_coming(expected: usize, answers: Vec<(&'static str, Vec<u8>)>) -> Vec<&'static str> {
    let names: Vec<_> = answers.iter().map(|(name, _)| *name).collect();
    let once = Mutex::new(answers);
    let processor = Processor::behaving(move |received, _| {
        let mut once = once.lock().unwrap();
        let of = ids(received).concat();
        match once.iter().position(|(name, _)| of == format!("s:{name}")) {
            Some(at) => once.remove(at).1,
            None => answer(204, &[]),
        }
    });
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
    for (at, name) in names.iter().enumerate() {
        assert_eq!(gateway.post("/hooks/s", &[("X-Id", name)], b"{}").status, 202);
        delivered(&gateway, at + 1);
    }
    assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]), 0.0);
    let times = times(&processor.received());
    names.into_iter().filter(|name| times[&format!("s:{name}")] != expected).collect()
}

#[test]
fn what_may_say_that_something_failed_but_not_what_delivers_nothing() {
    let many = vec!["x"; 20_000];
    let failed = r#"{"failed":[{"id":"s:first"}]}"#.as_bytes();
    let answers = vec![
        // As languages write a list of which the first elements were taken out, or that had but one.
        ("object", said(&json!({"failed": {"1": {"id": "s:object", "status": 503}}}))),
        ("only", said(&json!({"failed": {"id": "s:only", "status": 503}}))),
        ("number", said(&json!({"failed": 1, "taken": 15}))),
        ("true", said(&json!({"failed": true}))),
        ("twice", with(200, "", br#"{"failed":[{"id":"s:twice"}],"failed":[]}"#)),
        ("quotes", with(200, "", b"{'failed': [{'id': 's:quotes', 'status': 503}]}")),
        ("cut", b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"taken\":[1,".to_vec()),
        // The list would be behind what is read.
        ("long", said(&json!({"all": many, "failed": [{"id": "s:long"}]}))),
        ("strange", said(&json!({"failed": [{"id": "s:first"}]}))),
        ("form", said(&json!({"failed": ["s:form"]}))),
        ("deep", with(200, "", format!("{{\"failed\":{}1{}}}", "[".repeat(500), "]".repeat(500)).as_bytes())),
        ("gzip", with(200, "content-encoding: gzip\r\n", b"\x1f\x8b\x08\x00 whatever it is")),
        ("many", with(207, "content-type: application/xml\r\n", b"<multistatus/>")),
        ("mute", with(207, "", b"")),
        ("bom", with(200, "", &[b"\xef\xbb\xbf", failed].concat())),
    ];
    assert_eq!(not_coming(2, answers), [""; 0]);
}

#[test]
fn any_other_answer_of_success_delivers_all_whatever_its_type_says() {
    let deep = format!("{{\"taken\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let answers = vec![
        ("none", with(200, "", b"")),
        ("text", with(201, "content-type: text/plain\r\n", b"failed? no")),
        ("html", with(200, "content-type: text/html\r\n", "<p>failed</p>".repeat(10_000).as_bytes())),
        ("list", said(&json!([{"failed": [{"id": "s:list"}]}]))),
        ("other", said(&json!({"note": "failed"}))),
        ("empty", said(&json!({"failed": []}))),
        ("null", said(&json!({"failed": null}))),
        ("false", said(&json!({"failed": false}))),
        ("zero", said(&json!({"failed": 0, "taken": 1}))),
        ("hole", said(&json!({"failed": {}}))),
        ("identity", with(200, "content-encoding: identity\r\n", b"{\"failed\":[]}")),
        ("coded", with(200, "content-encoding: gzip\r\n", b"")),
        ("many", with(207, "content-type: text/plain\r\n", b"{\"failed\":[]}")),
        ("deep", with(200, "", deep.as_bytes())),
    ];
    assert_eq!(not_coming(1, answers), [""; 0]);
}

#[test]
fn a_list_is_read_behind_a_byte_order_mark_in_a_207_and_whatever_its_type_says() {
    for status in [200, 202, 207] {
        let (processor, gate) = processor(move |ids| {
            let names = ids.iter().any(|id| id == "s:b");
            let list = json!({"failed": if names { vec![json!({"id": "s:b", "status": 422})] } else { vec![] }});
            with(status, "content-type: text/html\r\n", format!("\u{feff} {list}\r\n").as_bytes())
        });
        let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
        post_behind_one(&gateway, &processor, &["a", "b", "c"]);
        gate.open();
        delivered(&gateway, 3);
        gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
        assert_eq!(gateway.dead_letters("r")[0]["id"], "b");
        assert!(times(&processor.received()).values().all(|count| *count == 1));
        let asked: BTreeSet<_> =
            processor.received().iter().map(|batch| batch.header("accept-encoding").unwrap().to_owned()).collect();
        assert_eq!(asked, BTreeSet::from(["identity".to_owned()]));
    }
}

#[test]
fn the_more_events_a_batch_has_the_longer_its_answer_may_be() {
    let (processor, gate) = processor(|ids| {
        let all: Vec<_> = ids.iter().map(|id| json!({"id": id, "said": "x".repeat(400)})).collect();
        let fails = ids.len() > 1 && ids.iter().any(|id| id == "s:evt-7");
        said(&json!({"all": all, "failed": if fails { vec![json!({"id": "s:evt-7"})] } else { vec![] }}))
    });
    let text = config(&processor.url("/"), "memory", "", "").replace("batch = 16", "batch = 1000");
    let gateway = Gateway::start(&text);
    let names: Vec<_> = (0..300).map(|number| format!("evt-{number}")).collect();
    post_behind_one(&gateway, &processor, &names.iter().map(String::as_str).collect::<Vec<_>>());
    gate.open();
    delivered(&gateway, 301);
    let sizes: Vec<_> = processor.received().iter().map(|batch| ids(batch).len()).collect();
    assert_eq!(sizes, [1, 300, 1], "the answer to 300 has some 130 KB");
    assert_eq!(times(&processor.received())["s:evt-7"], 2);
}

/// Of two statuses of one id nobody knows which is meant, or the batch has two events of that id: none is refused for good.
#[test]
fn an_event_that_is_named_with_two_statuses_comes_again() {
    let named = Mutex::new(false);
    let (processor, gate) = processor(move |ids| {
        if !ids.iter().any(|id| id == "s:a") || std::mem::replace(&mut *named.lock().unwrap(), true) {
            return answer(200, &[]);
        }
        said(&json!({"failed": [{"id": "s:a", "status": 503}, {"id": "s:a", "status": 422}]}))
    });
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
    post_behind_one(&gateway, &processor, &["a", "b"]);
    gate.open();
    delivered(&gateway, 3);
    let times = times(&processor.received());
    assert_eq!((times["s:a"], times["s:b"]), (2, 1));
    assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]), 0.0);
}
