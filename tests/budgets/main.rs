//! What one request may cost, in figures that do not depend on how busy the machine is: heap allocations of the answering
//! path, beside those of bare hyper with the same client.
//!
//! A figure that is exceeded is a regression, or a decision to be taken and written down here. One that has become smaller is
//! to be lowered.

#![allow(clippy::unwrap_used)]

mod bare;

mod client;

mod counting;

use std::net::SocketAddr;
use std::path::Path;

use hookgate::{Gateway, config::Config};

use self::client::Client;
use self::counting::Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes of a body.
const SIZES: [usize; 3] = [251, 7_300, 105_000];

/// Requests at once. What a batch of the journal allocates is shared by its events.
const CONNECTIONS: usize = 32;

/// Enough that what happens now and then does not show.
const TURNS: usize = 60;

/// Allocations a request at each of [`SIZES`]; bare hyper makes 8, its read buffer and the head (a little fewer of a large body
/// that happens to come in larger pieces, so that it is printed beside and not subtracted). For `memory` and `durable` nothing
/// reads the events, so that what is counted is the answering path and the journal alone. A small event costs fewer than
/// bare hyper's: its body is copied out, so that hyper keeps its read buffer, and the answer's headers go into the request's map.
const BUDGETS: [(&str, [f64; 3]); 3] =
    [("memory", [5.0, 5.0, 8.0]), ("memory with a route", [6.0, 6.0, 9.0]), ("durable", [9.0, 9.5, 13.5])];

/// One test, so that nothing else allocates while it counts.
#[test]
fn a_request_allocates_no_more_than_its_budget() {
    let dir = tempfile::tempdir().unwrap();
    let floor = measure(bare::serve());
    let mut over = Vec::new();
    for (name, budgets) in BUDGETS {
        let gateway = start(name, &dir.path().join(name));
        let costs = measure(gateway.addresses()[0]);
        for (((size, budget), cost), floor) in SIZES.into_iter().zip(budgets).zip(costs).zip(floor) {
            println!(
                "{name}, {size} B: {:.2} allocations and {:.0} B a request, bare hyper {:.2} and {:.0}",
                cost.allocations, cost.bytes, floor.allocations, floor.bytes
            );
            if cost.allocations > budget + TOLERANCE {
                over.push(format!("{name}, {size} B: {:.2} allocations, {budget} allowed", cost.allocations));
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

/// Of one request.
#[derive(Clone, Copy)]
struct Cost {
    allocations: f64,
    bytes: f64,
}

/// Buffers that grow now and then.
const TOLERANCE: f64 = 0.1;

fn measure(address: SocketAddr) -> [Cost; 3] {
    SIZES.map(|size| {
        let request = client::github_request(size);
        let mut client = Client::connect(address, CONNECTIONS);
        for _ in 0..TURNS / 2 {
            client.send(&request);
        }
        let before = Counting::now();
        for _ in 0..TURNS {
            client.send(&request);
        }
        let after = Counting::now();
        Cost {
            allocations: (after.allocations - before.allocations) as f64 / (TURNS * CONNECTIONS) as f64,
            bytes: (after.bytes - before.bytes) as f64 / (TURNS * CONNECTIONS) as f64,
        }
    })
}

fn start(name: &str, dir: &Path) -> Gateway {
    let ack = name.split(' ').next().unwrap();
    let types = if name.ends_with("route") { "*" } else { "none.of.them" };
    std::fs::create_dir(dir).unwrap();
    std::fs::write(dir.join("secret"), client::SECRET).unwrap();
    let text = format!(
        r#"
        [gateway]
        listen = "127.0.0.1:0"
        io_threads = 1
        [journal]
        dir = "data"
        [[source]]
        name = "github"
        path = "/hooks/github"
        preset = "github"
        secret = {{ file = "secret" }}
        ack = "{ack}"
        [[route]]
        name = "processor"
        from = {{ source = "github", types = ["{types}"] }}
        to = "discard"
        "#
    );
    let config = Config::parse(&text, &dir.join("hookgate.toml")).unwrap();
    Gateway::builder().config(config).start().unwrap()
}
