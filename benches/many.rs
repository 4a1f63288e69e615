//! What a request costs a gateway with 1,000 sources and 1,000 routes, beside one with a single source and route.
//!
//! It holds up two decisions: a source is found by its path in a radix tree (`gateway/sources.rs`), and the routes of an event
//! by a hash of its type, prefixes likewise, so that only patterns with a star elsewhere are tried one by one
//! (`routes/table.rs`).
//!
//! `answered` is a request and its answer over one connection, `ack = "memory"`: it costs the same in all shapes but the last,
//! `1,000 globs`, which shows what the others are spared. `delivered` is the way of a durable event from its request to its
//! handler, its journal in memory where the system has a file system that is. There 1,000 routes cost more than one: `dispatch`
//! looks at each of them once in a turn, after the answers, and here a turn has a single event. `cargo bench --bench many`

#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use criterion::{Criterion, criterion_group, criterion_main};
use hookgate::{Gateway, config::Config};

/// How many sources and routes there are, and how routes are told apart.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    sources: usize,
    /// All of the last source, of which the last one takes the event.
    routes: usize,
    types: fn(usize) -> String,
}

const SHAPES: [Shape; 5] = [
    Shape { name: "1 source, 1 route", sources: 1, routes: 1, types: exact },
    Shape { name: "1,000 sources", sources: 1_000, routes: 1, types: exact },
    Shape { name: "1,000 routes", sources: 1, routes: 1_000, types: exact },
    Shape { name: "1,000 sources, 1,000 prefixes", sources: 1_000, routes: 1_000, types: prefix },
    Shape { name: "1,000 globs", sources: 1, routes: 1_000, types: glob },
];

fn exact(route: usize) -> String {
    format!("type-{route}.done")
}

fn prefix(route: usize) -> String {
    format!("type-{route}.*")
}

fn glob(route: usize) -> String {
    format!("*-{route}.done")
}

struct Running {
    _gateway: Gateway,
    _dir: tempfile::TempDir,
    connection: TcpStream,
    request: Vec<u8>,
    delivered: Receiver<()>,
    answer: Vec<u8>,
}

impl Running {
    fn start(shape: Shape, ack: &str) -> Self {
        let in_memory = Path::new("/dev/shm");
        let dir = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() }.unwrap();
        let (last_source, last_route) = (shape.sources - 1, shape.routes - 1);
        let mut text = "[gateway]\nlisten = \"127.0.0.1:0\"\nio_threads = 1\n\
                        [journal]\ndir = \"data\"\nsegment_size = \"4MiB\"\nmax_size = \"64MiB\"\n\
                        retain = { age = \"1s\", size = \"4MiB\" }\n\
                        [[pool]]\nname = \"own\"\nworkers = 1\n"
            .to_owned();
        for at in 0..shape.sources {
            let source = format!(
                "[[source]]\nname = \"source-{at}\"\nauth = \"none\"\nack = \"{ack}\"\nevent_type = {{ json = \"/type\" }}\n"
            );
            text.push_str(&source);
        }
        for at in 0..shape.routes {
            let to = if at == last_route { "\"handler\"\npool = \"own\"" } else { "\"discard\"" };
            let types = (shape.types)(at);
            write!(
                text,
                "[[route]]\nname = \"route-{at}\"\nfrom = {{ source = \"source-{last_source}\", types = [\"{types}\"] }}\n\
                 queue = {{ events = 100 }}\nto = {to}\n"
            )
            .unwrap();
        }
        let config = Config::parse(&text, &dir.path().join("hookgate.toml")).unwrap();
        let (taken, delivered) = channel();
        let handler = move |deliveries: &[hookgate::Delivery]| {
            deliveries.iter().for_each(|_| taken.send(()).unwrap());
            Ok(())
        };
        let gateway =
            Gateway::builder().config(config).handler(format!("route-{last_route}"), handler).start().unwrap();
        let connection = TcpStream::connect(gateway.addresses()[0]).unwrap();
        connection.set_nodelay(true).unwrap();
        let body = format!(r#"{{"type":"type-{last_route}.done","amount":4200}}"#);
        let head = format!("POST /hooks/source-{last_source} HTTP/1.1\r\nhost: localhost\r\n");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes();
        Self { _gateway: gateway, _dir: dir, connection, request, delivered, answer: vec![0; 4096] }
    }

    /// An answer comes in one piece.
    fn ask(&mut self) {
        self.connection.write_all(&self.request).unwrap();
        let read = self.connection.read(&mut self.answer).unwrap();
        assert!(self.answer[..read].starts_with(b"HTTP/1.1 202"));
    }
}

fn answered(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("answered");
    for shape in SHAPES {
        let mut running = Running::start(shape, "memory");
        group.bench_function(shape.name, |bench| bench.iter(|| running.ask()));
        while running.delivered.try_recv().is_ok() {}
    }
    group.finish();
}

fn delivered(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("delivered");
    for shape in SHAPES {
        let mut running = Running::start(shape, "durable");
        group.bench_function(shape.name, |bench| {
            bench.iter(|| {
                running.ask();
                running.delivered.recv().unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, answered, delivered);
criterion_main!(benches);
