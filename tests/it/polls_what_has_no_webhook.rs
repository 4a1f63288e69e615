//! Polls: what an API has is asked for, page by page, and each record is an event once, whatever happens on the way.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::api::{Api, page, records};
use crate::gateway::{Gateway, wait_until};
use crate::processor::{Processor, answer};

fn route(source: &str, processor: &Processor) -> String {
    format!(
        "[[route]]\nname = \"all\"\nfrom = {{ source = \"{source}\" }}\nto = {{ http = \"{}\" }}\n",
        processor.url("/")
    )
}

fn ids(processor: &Processor) -> BTreeSet<String> {
    let taken = processor.taken();
    taken.iter().map(|delivery| delivery.header("webhook-id").unwrap().to_owned()).collect()
}

/// A busy server, two pages, and a kill when the first page is delivered and the second has not been answered: the cursor
/// is not saved, the first page is asked for again, and the duplicates window knows its records.
#[test]
fn each_record_is_an_event_once_through_pages_a_busy_server_and_a_kill() {
    let (held, count, busy) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(5)), AtomicBool::new(true));
    let (is_held, counted) = (Arc::clone(&held), Arc::clone(&count));
    let api = Api::start(move |asked| {
        if asked.header("authorization") != Some(&format!("Bearer {}", crate::gateway::SECRET)) {
            return answer(401, &[]);
        }
        if busy.swap(false, SeqCst) {
            return answer(429, &[("retry-after", "0")]);
        }
        let (since, after) = (asked.number("since"), asked.number("after"));
        if after > 0 && is_held.load(SeqCst) {
            return Vec::new();
        }
        let (first, last) = (since.max(after) + 1, counted.load(SeqCst));
        let end = last.min(first + 2);
        let next = format!("link: </orders?since={since}&after={end}>; rel=\"next\"\r\n");
        page(if end < last { &next } else { "" }, &records(first..=end))
    });
    let processor = Processor::start();
    let config = format!(
        "[[source]]\nname = \"unused\"\nauth = \"none\"\n[[poll]]\nname = \"orders\"\nurl = \"{}\"\nevery = \"50ms\"\n\
         bearer = {{ file = \"secret\" }}\nitems = \"/data\"\nevent_type = {{ json = \"/kind\" }}\n\
         delivery_id = {{ json = \"/id\" }}\ncursor = {{ highest = \"/n\" }}\nnext = \"link\"\n{}",
        api.url("/orders?since={cursor}"),
        route("orders", &processor)
    );
    let gateway = Gateway::start(&config);
    processor.wait_for(3);
    wait_until("the second page is asked for", || api.was_asked("/orders?since=0&after=3"));
    gateway.wait_for_metric("hookgate_poll_errors_total", &["rate_limited"], 1.0);
    let remains = gateway.kill();
    assert!(!remains.path().join("data/poll/orders.json").exists(), "its records are not all safe");

    held.store(false, SeqCst);
    let gateway = remains.start();
    let expected = |last: usize| (1..=last).map(|n| format!("orders:r{n}")).collect::<BTreeSet<_>>();
    wait_until("the rest is delivered", || ids(&processor) == expected(5));
    wait_until("the cursor is used", || api.was_asked("/orders?since=5"));
    assert_eq!(gateway.metric("hookgate_poll_duplicates_total", &["poll=\"orders\""]), 3.0);
    assert_eq!(gateway.metric("hookgate_poll_records_total", &["poll=\"orders\""]), 2.0);
    assert!(gateway.metric("hookgate_poll_last_success_timestamp_seconds", &[]) > 0.0);
    count.store(6, SeqCst);
    wait_until("what is new is delivered", || ids(&processor) == expected(6));
    let newest = processor.taken().pop().unwrap();
    assert_eq!(newest.header("hookgate-type"), Some("order.made"));
    assert_eq!(newest.body, br#"{"id":"r6","n":6,"kind":"order.made"}"#);
    let remains = gateway.end();

    let asked_before = api.asked().len();
    let _gateway = remains.start();
    wait_until("it asks again", || api.asked().len() > asked_before);
    assert_eq!(api.asked()[asked_before].target, "/orders?since=6");
}

#[test]
fn a_poll_that_fills_a_source_delivers_only_what_is_missing() {
    let last = Arc::new(AtomicUsize::new(3));
    let counted = Arc::clone(&last);
    let api = Api::start(move |asked| match asked.number("page") {
        0 => page("", &records(1..=2)),
        2 => page("", &records(3..=counted.load(SeqCst))),
        _ => page("", &records(0..0)),
    });
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        "[[source]]\nname = \"shop\"\nauth = \"none\"\ndelivery_id = {{ json = \"/id\" }}\n[[poll]]\nname = \"gaps\"\n\
         fills = \"shop\"\nurl = \"{}\"\nevery = \"50ms\"\nitems = \"/data\"\ndelivery_id = {{ json = \"/id\" }}\n\
         next = {{ page = \"page\" }}\n{}",
        api.url("/all"),
        route("shop", &processor)
    ));
    gateway.wait_for_metric("hookgate_poll_records_total", &[], 3.0);
    assert_eq!(gateway.post("/hooks/shop", &[], br#"{"id":"r2"}"#).status, 202);
    assert_eq!(gateway.post("/hooks/shop", &[], br#"{"id":"r4"}"#).status, 202);
    last.store(5, SeqCst);
    wait_until("what is missing is delivered", || processor.received().len() >= 5);
    let known = gateway.metric("hookgate_poll_duplicates_total", &[]);
    wait_until("it has asked again", || gateway.metric("hookgate_poll_duplicates_total", &[]) >= known + 5.0);
    assert_eq!(ids(&processor), (1..=5).map(|n| format!("shop:r{n}")).collect());
    assert_eq!(processor.received().len(), 5);
    assert_eq!(gateway.metric("hookgate_poll_records_total", &[]), 4.0);
}

#[test]
fn what_cannot_be_right_pauses_its_poll_with_a_reason_and_nothing_else() {
    let elsewhere = Api::start(|_| page("", &records(1..=1)));
    let away = elsewhere.url("/");
    let drips = |stream: &mut TcpStream| while stream.write_all(b" ").is_ok() {};
    let endless = Api::dripping(|_| b"HTTP/1.1 200 OK\r\n\r\n{".to_vec(), drips);
    // It sends its head and then waits for the test's end, far beyond the poll's time.
    let stalled = Api::dripping(|_| b"HTTP/1.1 200 OK\r\n\r\n{".to_vec(), |_| thread::park());
    let counted = AtomicUsize::new(0);
    let api = Api::start(move |asked| match asked.path() {
        "/html" => page("content-type: text/html\r\n", "<html>Sign in</html>"),
        "/away" => answer(302, &[("location", &away)]),
        "/large" => page("", &records(1..=100)),
        "/again" => page("link: </again?p=2>; rel=\"next\"\r\n", &records(1..=1)),
        "/linked" => page(&format!("link: <{away}>; rel=\"next\"\r\n"), &records(2..=2)),
        "/endless" => page("link: </endless?p=1>; rel=\"next\"\r\n", r#"{"data":[]}"#),
        "/cursor" => page("", r#"{"data":[{"id":"a"}],"next":"same"}"#),
        "/cursors" => page("", &format!(r#"{{"data":[],"next":"{}"}}"#, counted.fetch_add(1, SeqCst))),
        "/many" => page("", &format!(r#"{{"data":[{}1]}}"#, "1,".repeat(10_000))),
        _ => answer(404, &[]),
    });
    let expected = [
        ("html", "not_understood", "paused"),
        ("away", "redirect", "paused"),
        ("large", "too_large", "paused"),
        ("again", "repeats", "paused"),
        ("linked", "not_understood", "paused"),
        ("endless", "repeats", "paused"),
        ("cursor", "repeats", "paused"),
        ("cursors", "too_many_pages", "paused"),
        ("many", "not_understood", "paused"),
        ("missing", "status", "paused"),
        ("never-ends", "too_large", "paused"),
        ("stalled", "timeout", "failing"),
    ];
    let mut config = "[[source]]\nname = \"s\"\nauth = \"none\"\n".to_owned();
    for (name, ..) in expected {
        let url = match name {
            "never-ends" => endless.url("/"),
            "stalled" => stalled.url("/"),
            _ => api.url(&format!("/{name}")),
        };
        let next = if name.starts_with("cursor") { r#"{ json = "/next", query = "c" }"# } else { r#""link""# };
        let most = if name == "many" { "1MiB" } else { "1KiB" };
        let time = if name == "stalled" { "50ms" } else { "30s" };
        config.push_str(&format!(
            "[[poll]]\nname = \"{name}\"\nurl = \"{url}\"\nevery = \"1h\"\nitems = \"/data\"\nmax_answer = \"{most}\"\n\
             delivery_id = {{ json = \"/id\" }}\nnext = {next}\nmax_pages = 20\ntimeout = \"{time}\"\n"
        ));
    }
    let processor = Processor::start();
    let gateway = Gateway::start(&format!("{config}{}", route("s", &processor)));
    for (name, reason, state) in expected {
        let labels = [format!("poll=\"{name}\""), format!("reason=\"{reason}\"")];
        wait_until(&format!("{name}: {reason}"), || {
            gateway.metric("hookgate_poll_errors_total", &[&labels[0], &labels[1]]) >= 1.0
        });
        let polls = gateway.admin_get("/polls").json();
        let poll = polls["polls"].as_array().unwrap().iter().find(|poll| poll["poll"] == name).unwrap();
        assert_eq!((poll["state"].as_str(), poll["reason"].as_str()), (Some(state), Some(reason)), "{poll}");
    }
    gateway.log().wait_for("redirects to");
    assert!(elsewhere.asked().is_empty(), "another host is never asked");
    assert_eq!(gateway.metric("hookgate_poll_failing", &[]), expected.len() as f64);
    let ready = gateway.admin_get("/readyz");
    assert_eq!(ready.status, 200, "another gateway would have the same trouble");
    let notices = ready.json()["notices"].to_string();
    assert!(notices.contains("poll html is paused: the answer cannot be understood"), "{notices}");
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    processor.wait_for(1);
}

/// `every` is a millisecond, so that only what the server says keeps the records from being fetched again and again.
#[test]
fn what_has_not_changed_is_not_fetched_again_also_after_a_restart() {
    let version = Arc::new(AtomicUsize::new(1));
    let counted = Arc::clone(&version);
    let api = Api::start(move |asked| {
        let last = counted.load(SeqCst);
        let tag = format!("\"v{last}\"");
        if asked.header("if-none-match") == Some(&tag) {
            return b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec();
        }
        let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
        let date = "Sun, 06 Nov 1994 08:50:37 GMT";
        let headers = format!("etag: {tag}\r\nlast-modified: {modified}\r\ndate: {date}\r\n");
        page(&headers, &records(1..=last))
    });
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        "[[source]]\nname = \"unused\"\nauth = \"none\"\n[[poll]]\nname = \"orders\"\nurl = \"{}\"\nevery = \"1ms\"\n\
         items = \"/data\"\ndelivery_id = {{ json = \"/id\" }}\n{}",
        api.url("/all?key=hush"),
        route("orders", &processor)
    ));
    let unchanged = |gateway: &Gateway, count: f64| {
        wait_until("it hears that nothing is new", || gateway.metric("hookgate_poll_unchanged_total", &[]) >= count);
    };
    unchanged(&gateway, 3.0);
    assert!(gateway.metric("hookgate_poll_last_success_timestamp_seconds", &[]) > 0.0);
    assert!(gateway.metric("hookgate_poll_lag_seconds", &[]) < 1000.0);
    assert_eq!(api.asked()[1].header("if-modified-since"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    version.store(2, SeqCst);
    processor.wait_for(2);
    unchanged(&gateway, 5.0);
    assert_eq!(gateway.metric("hookgate_poll_records_total", &[]), 2.0);
    assert_eq!(gateway.metric("hookgate_poll_duplicates_total", &[]), 1.0, "only what is new is answered with a page");

    let remains = gateway.end();
    let saved = std::fs::read_to_string(remains.path().join("data/poll/orders.json")).unwrap();
    assert!(saved.contains("v2") && !saved.contains("hush"), "{saved}");
    let gateway = remains.start();
    unchanged(&gateway, 1.0);
    assert_eq!(gateway.metric("hookgate_poll_duplicates_total", &[]), 0.0);
}

/// Its records are not safe when the validators come: a page that cannot be read is asked for again, whole.
#[test]
fn what_was_not_understood_or_has_more_pages_is_fetched_again() {
    let counted = AtomicUsize::new(0);
    let api = Api::start(move |asked| {
        assert_eq!(asked.header("if-none-match"), None, "{asked:?}");
        let headers = "etag: \"1\"\r\nlink: </two>; rel=\"next\"\r\n";
        match (asked.path(), counted.fetch_add(1, SeqCst)) {
            ("/one", 0) => page("etag: \"1\"\r\n", "<html>"),
            ("/one", _) => page(headers, &records(1..=1)),
            _ => page("etag: \"2\"\r\n", &records(2..=2)),
        }
    });
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        "[[source]]\nname = \"unused\"\nauth = \"none\"\n[[poll]]\nname = \"orders\"\nurl = \"{}\"\nevery = \"1ms\"\n\
         items = \"/data\"\ndelivery_id = {{ json = \"/id\" }}\nnext = \"link\"\n{}",
        api.url("/one"),
        route("orders", &processor)
    ));
    processor.wait_for(2);
    wait_until("both pages come again", || gateway.metric("hookgate_poll_duplicates_total", &[]) >= 4.0);
    assert_eq!(gateway.metric("hookgate_poll_unchanged_total", &[]), 0.0);
}
