//! What clients were promised, held against what processors have taken.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, request};
use crate::gateway::{Gateway, PATIENCE};
use crate::processor::{Processor, Received};

/// The ids of the events that were answered with success.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<BTreeSet<String>>>);

/// What came of a ledger.
#[derive(Default)]
pub struct Balance {
    pub acknowledged: usize,
    pub lost: BTreeSet<String>,
    /// Deliveries of an event that a processor had been sent already: retries, and repetitions after a restart.
    pub repeated: usize,
}

impl Ledger {
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn note(&self, id: String) {
        self.0.lock().unwrap().insert(id);
    }

    /// Clients that post events named after `name`, one after the other each: `each` of them, or until the gateway is gone.
    pub fn load(&self, gateway: &Gateway, name: &str, each: usize) -> Vec<thread::JoinHandle<()>> {
        let client = |client: usize| {
            let (address, ledger, name) = (gateway.address, self.clone(), format!("{name}-{client}"));
            move || {
                // It may be gone before the first event.
                let Some(mut connection) = Client::try_connect(address) else { return };
                for event in 0..each {
                    let id = format!("{name}-{event}");
                    connection.send(&request("POST", "/hooks/s", &[("X-Id", &id)], body(&id).as_bytes()));
                    match connection.answer() {
                        Some(answer) if answer.status == 202 => ledger.note(id),
                        Some(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                        None => return,
                    }
                }
            }
        };
        (0..CLIENTS).map(|number| thread::spawn(client(number))).collect()
    }

    /// What became of them at a processor that gets one in each delivery.
    pub fn balance(&self, gateway: &Gateway, processor: &Processor) -> Balance {
        let ids = |deliveries: Vec<Received>| deliveries.into_iter().map(|delivery| id_of(&delivery.body));
        let lost = self.lost(gateway, || ids(processor.taken()).collect());
        let received: Vec<_> = ids(processor.received()).collect();
        Balance { acknowledged: self.len(), lost, repeated: repeated(&received) }
    }

    /// Those that are neither among what was taken nor dead. Waits for them, if it must: a gauge may be looked at while an
    /// event is on its way from one to another.
    pub fn lost(&self, gateway: &Gateway, taken: impl Fn() -> BTreeSet<String>) -> BTreeSet<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut done = taken();
            done.extend(dead(gateway));
            let lost: BTreeSet<_> = self.ids().difference(&done).cloned().collect();
            if lost.is_empty() || Instant::now() > until {
                return lost;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Balance {
    pub fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.lost.extend(other.lost);
        self.repeated += other.repeated;
    }
}

/// How many of these came before.
pub fn repeated(received: &[String]) -> usize {
    received.len() - received.iter().collect::<BTreeSet<_>>().len()
}

/// Waits until every event is delivered or dead.
pub fn settled(gateway: &Gateway) {
    for gauge in ["hookgate_route_lag", "hookgate_route_events", "hookgate_route_parked"] {
        gateway.wait_for_metric(gauge, &["route=\"r\""], 0.0);
    }
}

/// The ids in its dead letters. A line that was cut off by a kill is none.
fn dead(gateway: &Gateway) -> Vec<String> {
    let text = std::fs::read(gateway.dir().join("data/dead/r.ndjson")).unwrap_or_default();
    let letters = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    letters.map(|letter: serde_json::Value| letter["id"].as_str().unwrap().to_owned()).collect()
}

/// An event of 2 KB: some hundreds fill a small segment.
pub fn body(id: &str) -> String {
    format!("{id} {}", "a".repeat(2 << 10))
}

pub fn id_of(body: &[u8]) -> String {
    let id = body.split(|byte| *byte == b' ').next().unwrap_or_default();
    String::from_utf8(id.to_vec()).unwrap()
}

const CLIENTS: usize = 4;
