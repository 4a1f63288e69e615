//! A route with `batch` keeps all else that is said of it: `where`, `max_rate`, retries, dead letters; and nothing of it
//! concerns the routes beside it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::commands::hookgate;
use crate::delivers_in_batches::{JSON, config, delivered, events, ids, post_behind_one, processor, said, times};
use crate::gateway::Gateway;
use crate::processor::{Processor, answer};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("evt-{number}")).collect()
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn once(names: &[&str]) -> BTreeMap<String, usize> {
    names.iter().map(|name| (format!("s:{name}"), 1)).collect()
}

#[test]
fn only_what_a_route_wants_is_in_its_batches_and_what_it_does_not_want_takes_no_place_in_them() {
    for ack in ["memory", "durable"] {
        let (processor, gate) = processor(|_| answer(200, &[]));
        let wants = "where = [{ json = \"/amount\", ge = 100 }]";
        let gateway = Gateway::start(&config(&processor.url("/"), ack, "", wants));
        let post = |id: &str, amount: usize| {
            let body = json!({ "amount": amount }).to_string();
            assert_eq!(gateway.post("/hooks/s", &[("X-Id", id), JSON], body.as_bytes()).status, 202);
        };
        post("first", 100);
        processor.wait_for(1);
        // Every third is wanted, and one that has nothing to compare is not.
        (0..60).for_each(|number| post(&number.to_string(), if number % 3 == 0 { 100 + number } else { number }));
        assert_eq!(gateway.post("/hooks/s", &[("X-Id", "none")], b"no JSON").status, 202);
        gateway.wait_for_metric("hookgate_route_events", &["route=\"r\""], 62.0);
        gate.open();
        delivered(&gateway, 21);
        gateway.wait_for_metric("hookgate_route_filtered_total", &["route=\"r\""], 41.0);
        let received = processor.received();
        let sizes: Vec<_> = received.iter().map(|batch| events(batch).len()).collect();
        assert_eq!(sizes, [1, 16, 4]);
        let amounts: Vec<_> = received.iter().flat_map(events).map(|event| event["data"]["amount"].clone()).collect();
        let wanted = [json!(100)].into_iter().chain((0..60).step_by(3).map(|number| json!(100 + number)));
        assert_eq!(amounts, wanted.collect::<Vec<_>>(), "one worker, one request at a time: in their order");
    }
}

/// At a hundred a second one event may go every 10 ms, and one more for the slack of timers. If requests were counted, all 16 of
/// a batch would go.
#[test]
fn a_rate_counts_the_events_of_a_batch() {
    let (processor, gate) = processor(|_| answer(200, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), "durable", "", "max_rate = 100"));
    let names = names(40);
    post_behind_one(&gateway, &processor, &texts(&names));
    gate.open();
    delivered(&gateway, 41);
    let received = processor.received();
    assert_eq!(times(&received).len(), 41);
    let largest = received.iter().map(|batch| events(batch).len()).max();
    assert!(largest <= Some(2), "{largest:?} at once");
}

#[test]
fn routes_of_one_source_get_all_of_its_events_each_in_its_own_way() {
    let (sixteen, gate) = processor(|_| answer(200, &[]));
    let (single, three) = (Processor::start(), Processor::start());
    let more = format!(
        "[[route]]\nname = \"single\"\nfrom = {{ source = \"s\" }}\nto = {{ http = \"{}\" }}\n\
         [[route]]\nname = \"three\"\nfrom = {{ source = \"s\", types = [\"a.*\"] }}\nto = {{ http = \"{}\" }}\nbatch = 3\n",
        single.url("/"),
        three.url("/")
    );
    let gateway = Gateway::start(&config(&sixteen.url("/"), "durable", "", &more));
    let names = names(20);
    post_behind_one(&gateway, &sixteen, &texts(&names));
    // The others do not wait for the one that is held.
    for (route, count) in [("single", 21.0), ("three", 20.0)] {
        let labels = [format!("route=\"{route}\""), "outcome=\"delivered\"".to_owned()];
        gateway.wait_for_metric("hookgate_deliveries_total", &[&labels[0], &labels[1]], count);
    }
    assert_eq!(gateway.metric("hookgate_route_events", &["route=\"r\""]), 21.0);
    gate.open();
    gateway.wait_for_metric("hookgate_deliveries_total", &["route=\"r\"", "outcome=\"delivered\""], 21.0);

    let all: Vec<_> = texts(&names).into_iter().chain(["first"]).collect();
    assert_eq!(times(&sixteen.received()), once(&all));
    assert_eq!(times(&three.received()), once(&texts(&names)));
    assert!(three.received().iter().all(|batch| events(batch).len() <= 3));
    let mut alone = BTreeMap::new();
    for received in single.received() {
        assert_eq!((received.header("content-type"), received.body.as_slice()), (Some("application/json"), &b"{}"[..]));
        *alone.entry(received.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(alone, once(&all));
}

/// What `hookgate show` tells of an event at the route.
fn story(gateway: &Gateway, id: &str) -> Value {
    let shown = hookgate(gateway.dir(), &["show", id, "--json", "--admin", &gateway.admin.to_string()]);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    let document: Value = serde_json::from_str(&shown.out).unwrap();
    document["events"][0]["routes"][0].clone()
}

fn outcomes(story: &Value) -> Vec<(u64, &str)> {
    let attempts = story["attempts"].as_array().unwrap();
    attempts.iter().map(|told| (told["attempt"].as_u64().unwrap(), told["outcome"].as_str().unwrap())).collect()
}

#[test]
fn each_event_of_a_batch_that_fails_for_good_is_a_dead_letter_of_its_own_and_its_story_is_true() {
    let (processor, gate) = processor(|ids| {
        let failing = [("s:again", 503), ("s:bad", 422), ("s:worse", 400)].into_iter();
        let failed = failing.filter(|(id, _)| ids.iter().any(|known| known == id));
        said(&json!({"failed": failed.map(|(id, status)| json!({"id": id, "status": status})).collect::<Vec<_>>()}))
    });
    let gateway = Gateway::start(&config(&processor.url("/"), "durable", "", ""));
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "first")], b"{}").status, 202);
    processor.wait_for(1);
    let posted = ["a", "again", "b", "bad", "c", "worse"];
    for id in posted {
        let body = json!({"of": id}).to_string();
        assert_eq!(gateway.post("/hooks/s", &[("X-Id", id), ("X-Type", "a.b"), JSON], body.as_bytes()).status, 202);
    }
    gateway.wait_for_metric("hookgate_route_events", &["route=\"r\""], 7.0);
    gate.open();
    delivered(&gateway, 4);
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 3.0);

    let letters: BTreeMap<_, _> = gateway
        .dead_letters("r")
        .into_iter()
        .map(|letter| (letter["id"].as_str().unwrap().to_owned(), letter))
        .collect();
    assert_eq!(letters.keys().collect::<Vec<_>>(), ["again", "bad", "worse"]);
    for (id, reason, attempts) in [("again", "attempts", 5), ("bad", "final_status", 1), ("worse", "final_status", 1)] {
        let letter = &letters[id];
        assert_eq!((&letter["reason"], &letter["type"]), (&json!(reason), &json!("a.b")), "{letter}");
        assert_eq!(letter["attempts"].as_array().unwrap().len(), attempts, "{letter}");
        assert_eq!(letter["body"], json!({"of": id}).to_string(), "its own body, and not that of the batch");
        assert_eq!(story(&gateway, id)["state"], "dead");
    }
    let again = story(&gateway, "again");
    assert_eq!(outcomes(&again), [1, 2, 3, 4, 5].map(|number| (number, "status 503")));
    assert!(again["attempts"][0]["detail"].as_str().unwrap().contains("batch, of 6,"), "{again}");
    assert!(again["attempts"][1]["detail"].as_str().unwrap().contains("batch, of 1,"), "{again}");
    assert_eq!(outcomes(&story(&gateway, "bad")), [(1, "status 422")]);
    assert_eq!(outcomes(&story(&gateway, "worse")), [(1, "status 400")]);
    for id in ["a", "b", "c"] {
        let story = story(&gateway, id);
        assert_eq!((&story["state"], outcomes(&story)), (&json!("delivered"), vec![(1, "delivered")]));
    }

    let listed = hookgate(gateway.dir(), &["dead", "list", "r", "--json"]);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let listed: BTreeSet<_> =
        listed["dead_letters"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    assert_eq!(listed, BTreeSet::from(["again", "bad", "worse"]));
}

/// The refused request says nothing of any one event, but it was sent: whoever asks is told of it and of what came after.
#[test]
fn the_story_of_an_event_tells_of_the_refused_batch_that_it_was_in_and_then_of_itself() {
    for ack in ["memory", "durable"] {
        let (processor, gate) = processor(|ids| match ids {
            [only] if only != "s:poison" => answer(200, &[]),
            _ => b"HTTP/1.1 422 X\r\ncontent-length: 5\r\n\r\nno...".to_vec(),
        });
        let gateway = Gateway::start(&config(&processor.url("/"), ack, "", ""));
        post_behind_one(&gateway, &processor, &["a", "poison", "b"]);
        gate.open();
        delivered(&gateway, 3);
        gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);

        for (id, state, alone) in
            [("a", "delivered", "delivered"), ("poison", "dead", "status 422"), ("b", "delivered", "delivered")]
        {
            let story = story(&gateway, id);
            assert_eq!(story["state"], state, "{story}");
            assert_eq!(outcomes(&story), [(1, "status 422"), (1, alone)], "{story}");
            let together = story["attempts"][0]["detail"].as_str().unwrap();
            assert!(together.contains("batch of 3") && together.ends_with("no..."), "{together}");
        }
        assert_eq!(outcomes(&story(&gateway, "first")), [(1, "delivered")]);
        let letters = gateway.dead_letters("r");
        assert_eq!(letters.len(), 1);
        assert_eq!(
            letters[0]["attempts"].as_array().unwrap().len(),
            1,
            "for its attempts it counts once: {}",
            letters[0]
        );
        assert_eq!(gateway.metric("hookgate_deliveries_total", &["outcome=\"status_4xx\""]), 1.0);
    }
}

#[test]
fn check_says_how_many_events_a_request_of_a_route_may_carry() {
    let text = config("http://127.0.0.1:9001/in", "memory", "", "");
    let dir = crate::commands::dir_with(&format!(
        "{text}\n[[route]]\nname = \"alone\"\nfrom = {{ source = \"s\" }}\nto = {{ http = \"http://127.0.0.1:9001/\" }}\n"
    ));
    let checked = hookgate(dir.path(), &["check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let rows: Vec<Vec<&str>> = checked.out.lines().map(columns).collect();
    let heading = rows.iter().find(|row| row.first() == Some(&"ROUTE")).unwrap();
    let at = heading.iter().position(|cell| *cell == "BATCH").unwrap();
    let batch_of = |route| rows.iter().find(|row| row.first() == Some(&route)).unwrap()[at];
    assert_eq!((batch_of("r"), batch_of("alone")), ("16", "-"));
}

/// The cells of a row: two spaces at least stand between them, and one in them.
fn columns(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn what_comes_again_goes_into_one_batch_with_what_is_new_each_with_its_own_attempt() {
    let (processor, gate) = processor(|ids| {
        let again = ids.len() == 4 && ids.iter().any(|id| id == "s:a");
        said(&json!({"failed": if again { vec![json!({"id": "s:a"}), json!({"id": "s:c"})] } else { vec![] }}))
    });
    let gateway = Gateway::start(&config(&processor.url("/"), "memory", "", ""));
    post_behind_one(&gateway, &processor, &["a", "b", "c", "d"]);
    gate.open();
    delivered(&gateway, 5);
    let attempts: Vec<_> = processor
        .received()
        .iter()
        .flat_map(|batch| ids(batch).into_iter().zip(events(batch)))
        .map(|(id, event)| (id, event["hookgateattempt"].as_u64().unwrap()))
        .collect();
    let of = |id: &str| attempts.iter().filter(|(known, _)| known == id).map(|(_, number)| *number).collect::<Vec<_>>();
    assert_eq!((of("s:a"), of("s:b"), of("s:c"), of("s:d")), (vec![1, 2], vec![1], vec![1, 2], vec![1]));
}
