//! `hookgate poll`: how polls are, what they are told to do, with a gateway and without one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::api::{Api, page, records};
use crate::commands::{Ended, dir_with, hookgate};
use crate::gateway::{Gateway, wait_until};
use crate::processor::answer;

/// Two polls that run once an hour, and what they ask: records after `since`, up to the fifth.
fn api() -> (Api, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let api = Api::start(move |asked| {
        if is_down.load(SeqCst) { answer(404, &[]) } else { page("", &records(asked.number("since") + 1..=5)) }
    });
    (api, down)
}

fn config(api: &Api) -> String {
    let poll = |name: &str, url: &str, cursor: &str| {
        format!(
            "[[poll]]\nname = \"{name}\"\nurl = \"{}\"\nevery = \"1h\"\nitems = \"/data\"\n\
             delivery_id = {{ json = \"/id\" }}\n{cursor}\n",
            api.url(url)
        )
    };
    let orders = poll("orders", "/o?since={cursor}", "cursor = { highest = \"/n\", start = \"2\" }");
    format!("[[source]]\nname = \"unused\"\nauth = \"none\"\n{orders}{}", poll("all", "/all", ""))
}

fn with_gateway(gateway: &Gateway, arguments: &[&str]) -> Ended {
    hookgate(gateway.dir(), &[&["poll"], arguments, &["--admin", &gateway.admin.to_string()]].concat())
}

fn json(ended: &Ended) -> serde_json::Value {
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn a_running_gateways_polls_are_listed_run_and_reset() {
    let (api, down) = api();
    let gateway = Gateway::start(&config(&api));
    wait_until("both have run", || {
        let polls = json(&with_gateway(&gateway, &["list", "--json"]));
        polls["polls"].as_array().unwrap().iter().all(|poll| poll["state"] == "waiting")
    });
    let listed = json(&with_gateway(&gateway, &["list", "--json"]));
    let orders = &listed["polls"][0];
    assert_eq!((&orders["poll"], &orders["cursor"]), (&"orders".into(), &"5".into()));
    assert_eq!((&orders["records"], &orders["errors"]), (&3.into(), &0.into()));
    assert!(orders["next_run_seconds"].as_f64().unwrap() > 3000.0, "{orders}");
    assert!(orders["last_success"].as_str().unwrap().ends_with('Z'), "{orders}");

    let run = with_gateway(&gateway, &["run", "orders"]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), "orders took 0 new records, and 0 that were known\n"));
    let reset = with_gateway(&gateway, &["reset", "orders", "--to", "1"]);
    assert_eq!((reset.code, reset.out.as_str()), (Some(0), "orders goes on from 1 at its next run\n"));
    assert!(saved(gateway.dir(), "orders").unwrap().contains("\"1\""), "it is safe when it is told");
    let run = json(&with_gateway(&gateway, &["run", "orders", "--json"]));
    assert_eq!((&run["records"], &run["duplicates"]), (&1.into(), &3.into()), "those in the window are known");
    assert!(api.was_asked("/o?since=1"));
    assert_eq!(json(&with_gateway(&gateway, &["reset", "orders", "--json"]))["cursor"], "2");
    assert_eq!(saved(gateway.dir(), "orders"), None);

    down.store(true, SeqCst);
    let run = with_gateway(&gateway, &["run", "all"]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert!(run.err.contains("poll all: the answer was 404"), "{}", run.err);
    let listed = with_gateway(&gateway, &["list"]);
    for part in ["POLL", "paused", "all: the answer was 404\n"] {
        assert!(listed.out.contains(part), "{part} is missing in:\n{}", listed.out);
    }
    down.store(false, SeqCst);
    assert_eq!(with_gateway(&gateway, &["run", "all"]).code, Some(0));
    assert!(!with_gateway(&gateway, &["list"]).out.contains("404"));

    for arguments in [&["run", "nothing"][..], &["reset", "nothing"]] {
        let refused = with_gateway(&gateway, arguments);
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.contains("no poll is called \"nothing\"; there are orders, all"), "{}", refused.err);
    }
    let refused = with_gateway(&gateway, &["reset", "all", "--to", "1"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("poll all has no cursor"), "{}", refused.err);
}

/// The server does not answer as long as it is busy: a run would wait for minutes.
#[test]
fn a_run_that_waits_is_hurried_or_broken_off() {
    let busy = Arc::new(AtomicBool::new(true));
    let is_busy = Arc::clone(&busy);
    let api = Api::start(move |asked| {
        let wait = || answer(503, &[("retry-after", "3000")]);
        if is_busy.load(SeqCst) { wait() } else { page("", &records(asked.number("since") + 1..=5)) }
    });
    let gateway = Gateway::start(&config(&api));
    let failing = |count: f64| gateway.wait_for_metric("hookgate_poll_errors_total", &["orders"], count);
    failing(1.0);
    assert!(with_gateway(&gateway, &["reset", "orders", "--to", "3"]).code == Some(0));
    wait_until("it begins anew at once", || api.was_asked("/o?since=3"));
    failing(2.0);
    busy.store(false, SeqCst);
    let run = with_gateway(&gateway, &["run", "orders"]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), "orders took 2 new records, and 0 that were known\n"));
}

#[test]
fn a_stopped_gateways_polls_are_listed_and_reset() {
    let (api, _) = api();
    let gateway = Gateway::start(&config(&api));
    gateway.wait_for_metric("hookgate_poll_records_total", &["orders"], 3.0);
    wait_until("its cursor is saved", || saved(gateway.dir(), "orders").is_some());
    let refused = hookgate(gateway.dir(), &["poll", "reset", "orders"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("belongs to process"), "{}", refused.err);
    let remains = gateway.end();

    let listed = json(&hookgate(remains.path(), &["poll", "list", "--json"]));
    assert_eq!((&listed["polls"][0]["state"], &listed["polls"][0]["cursor"]), (&"stopped".into(), &"5".into()));
    let reset = hookgate(remains.path(), &["poll", "reset", "orders", "--to", "4"]);
    assert_eq!((reset.code, reset.out.as_str()), (Some(0), "orders goes on from 4 at its next run\n"));
    let run = hookgate(remains.path(), &["poll", "run", "orders"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("no gateway runs there"), "{}", run.err);
    let _gateway = remains.start();
    wait_until("it goes on from there", || api.was_asked("/o?since=4"));

    let dir = dir_with("[gateway]\nlsten = 1\n");
    assert_eq!(hookgate(dir.path(), &["poll", "list"]).code, Some(2));
}

fn saved(dir: &Path, poll: &str) -> Option<String> {
    std::fs::read_to_string(dir.join(format!("data/poll/{poll}.json"))).ok()
}
