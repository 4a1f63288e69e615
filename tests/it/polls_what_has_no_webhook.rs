//! Polls: what an API has is asked for, page by page, and each record is an event once, whatever happens on the way.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::gateway::{Gateway, wait_until};
use crate::processor::{Processor, answer};

/// An HTTP API on a free port that remembers what it was asked.
#[derive(Clone)]
struct Api {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
struct Asked {
    target: String,
    authorization: Option<String>,
}

impl Api {
    /// Answers with what `behaviour` returns; nothing closes the connection.
    fn start(behaviour: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (serving, behaviour) = (api.clone(), Arc::new(behaviour));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serving, behaviour) = (serving.clone(), Arc::clone(&behaviour));
                thread::spawn(move || serving.serve(stream, &*behaviour));
            }
        });
        api
    }

    fn serve(&self, stream: TcpStream, behaviour: &dyn Fn(&Asked) -> Vec<u8>) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        loop {
            let mut head = Vec::new();
            while head.last().is_none_or(|line: &String| !line.is_empty()) {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                head.push(line.trim_end().to_owned());
            }
            let authorization =
                head.iter().find_map(|line| line.strip_prefix("authorization: ")).map(ToOwned::to_owned);
            let asked = Asked { target: head[0].split(' ').nth(1).unwrap().to_owned(), authorization };
            self.asked.lock().unwrap().push(asked.clone());
            let answer = behaviour(&asked);
            if answer.is_empty() || writer.write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn was_asked(&self, target: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked.target == target)
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }
}

fn page(headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

fn records(numbers: impl Iterator<Item = usize>) -> String {
    let records: Vec<_> = numbers.map(|n| format!(r#"{{"id":"r{n}","n":{n},"kind":"order.made"}}"#)).collect();
    format!(r#"{{"data":[{}]}}"#, records.join(","))
}

/// The number of a parameter, 0 where it is not there.
fn number(target: &str, name: &str) -> usize {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let value = query.split('&').find_map(|parameter| parameter.strip_prefix(&format!("{name}=")));
    value.map_or(0, |value| value.parse().unwrap())
}

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
        if asked.authorization.as_deref() != Some(&format!("Bearer {}", crate::gateway::SECRET)) {
            return answer(401, &[]);
        }
        if busy.swap(false, SeqCst) {
            return answer(429, &[("retry-after", "0")]);
        }
        let (since, after) = (number(&asked.target, "since"), number(&asked.target, "after"));
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

    let asked_before = api.asked.lock().unwrap().len();
    let _gateway = remains.start();
    wait_until("it asks again", || api.asked.lock().unwrap().len() > asked_before);
    assert_eq!(api.asked.lock().unwrap()[asked_before].target, "/orders?since=6");
}

#[test]
fn a_poll_that_fills_a_source_delivers_only_what_is_missing() {
    let last = Arc::new(AtomicUsize::new(3));
    let counted = Arc::clone(&last);
    let api = Api::start(move |asked| match number(&asked.target, "page") {
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
fn what_cannot_be_right_stops_its_poll_with_a_reason_and_nothing_else() {
    let elsewhere = Api::start(|_| page("", &records(1..=1)));
    let away = elsewhere.url("/");
    let api = Api::start(move |asked| match asked.target.split('?').next().unwrap() {
        "/html" => page("content-type: text/html\r\n", "<html>Sign in</html>"),
        "/away" => answer(302, &[("location", &away)]),
        "/large" => page("", &records(1..=100)),
        "/again" => page("link: </again?p=2>; rel=\"next\"\r\n", &records(1..=1)),
        "/linked" => page(&format!("link: <{away}>; rel=\"next\"\r\n"), &records(2..=2)),
        "/endless" => page("link: </endless?p=1>; rel=\"next\"\r\n", r#"{"data":[]}"#),
        _ => answer(404, &[]),
    });
    let expected = [
        ("html", "not_understood"),
        ("away", "redirect"),
        ("large", "too_large"),
        ("again", "repeats"),
        ("linked", "not_understood"),
        ("endless", "repeats"),
        ("missing", "status"),
    ];
    let mut config = "[[source]]\nname = \"s\"\nauth = \"none\"\n".to_owned();
    for (name, _) in expected {
        config.push_str(&format!(
            "[[poll]]\nname = \"{name}\"\nurl = \"{}\"\nevery = \"1h\"\nitems = \"/data\"\nmax_answer = \"1KiB\"\n\
             delivery_id = {{ json = \"/id\" }}\nnext = \"link\"\n",
            api.url(&format!("/{name}"))
        ));
    }
    let processor = Processor::start();
    let gateway = Gateway::start(&format!("{config}{}", route("s", &processor)));
    for (name, reason) in expected {
        let labels = [format!("poll=\"{name}\""), format!("reason=\"{reason}\"")];
        gateway.wait_for_metric("hookgate_poll_errors_total", &[&labels[0], &labels[1]], 1.0);
    }
    gateway.log().wait_for("redirects to");
    assert!(elsewhere.asked.lock().unwrap().is_empty(), "another host is never asked");
    assert_eq!(gateway.metric("hookgate_poll_failing", &[]), expected.len() as f64);
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    processor.wait_for(1);
}
