//! The gateway as a library: a Rust function as the end of a route.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hookgate::Gateway;
use hookgate::config::Config;

use crate::client::Client;
use crate::gateway::wait_until;

fn config(dir: &std::path::Path) -> Config {
    let text = r#"
        [gateway]
        listen = "127.0.0.1:0"
        admin = false
        [[source]]
        name = "s"
        auth = "none"
        ack = "memory"
        event_type = { header = "X-Type" }
        [[pool]]
        name = "handlers"
        workers = 1
        [[route]]
        name = "mine"
        from = { source = "s" }
        pool = "handlers"
        to = "handler"
        retry = { attempts = 5, first = "1ms", max = "2ms" }
    "#;
    Config::parse(text, &dir.join("hookgate.toml")).unwrap()
}

#[test]
fn a_handler_gets_every_event_and_errors_and_panics_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::new(AtomicU64::new(0));
    let (seeing, counting) = (Arc::clone(&seen), Arc::clone(&calls));
    let gateway = Gateway::builder()
        .config(config(dir.path()))
        .handler("mine", move |deliveries| {
            match counting.fetch_add(1, Ordering::Relaxed) {
                0 => Err("not yet")?,
                1 => panic!("a handler may panic"),
                _ => {}
            }
            for delivery in deliveries {
                let event = delivery.event();
                let kind = event.event_type().unwrap_or("-").to_owned();
                seeing.lock().unwrap().push((kind, event.body().to_vec()));
            }
            Ok(())
        })
        .start()
        .unwrap();
    let mut client = Client::connect(gateway.addresses()[0]);
    for count in 0..10 {
        let answer = client.post("/hooks/s", &[("X-Type", "a.b")], count.to_string().as_bytes());
        assert_eq!(answer.status, 202);
    }
    wait_until("all events are handled", || seen.lock().unwrap().len() == 10);
    drop(client);
    assert!(gateway.stop().lost.is_empty());
    let mut bodies: Vec<_> =
        seen.lock().unwrap().iter().map(|(_, body)| String::from_utf8(body.clone()).unwrap()).collect();
    bodies.sort();
    let expected: Vec<_> = (0..10).map(|count| count.to_string()).collect();
    assert_eq!(bodies, expected, "each once");
    assert!(seen.lock().unwrap().iter().all(|(kind, _)| kind == "a.b"));
}

#[test]
fn a_missing_or_superfluous_handler_is_an_error_that_names_the_route() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Gateway::builder().config(config(dir.path())).start().unwrap_err().to_string();
    assert!(missing.contains("mine") && missing.contains("handler"), "{missing}");
    let superfluous = Gateway::builder()
        .config(config(dir.path()))
        .handler("mine", |_| Ok(()))
        .handler("other", |_| Ok(()))
        .start()
        .unwrap_err()
        .to_string();
    assert!(superfluous.contains("other"), "{superfluous}");
}
