//! What the answer to an event costs that was taken, up to where hyper writes it.
//!
//! It holds up the decision that *a source's answers are made at start* (`hookgate`), so that an id is all that is filled in, in place, and
//! the headers go into the map of the request: beside it the same answer made for each request with what one has at hand (`made anew`).
//!
//! One source answers with hookgate's own JSON, which has the id in it; one with nothing (204); one with
//! XML in which the id is escaped, with an id that needs none and one that does. `cargo bench --features benches --bench reply`

#![allow(missing_docs)]

use std::hint::black_box;
use std::path::Path;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hookgate::bench::Answers;
use hookgate::config::Config;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::Full;

const SOURCES: &str = r#"
    [gateway]
    listen = "127.0.0.1:0"

    [[source]]
    name = "json"
    auth = "none"

    [[source]]
    name = "empty"
    auth = "none"
    reply = { status = 204 }

    [[source]]
    name = "xml"
    auth = "none"
    reply = { status = 200, content_type = "text/xml", body = "<received event='{id}' type='{type}'/>" }

    [[route]]
    name = "all"
    from = ["json", "empty", "xml"]
    to = "discard"
"#;

const ID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

const TYPE: &str = "issues.opened";

fn reply(criterion: &mut Criterion) {
    let config = Config::parse(SOURCES, Path::new("hookgate.toml")).expect("it is sound");
    let mut group = criterion.benchmark_group("reply");
    for source in &config.sources {
        let answers = Answers::new(source);
        let mut answer = |name: &str, id: &str| {
            let mut headers = Some(of_a_request());
            group.bench_function(BenchmarkId::new("hookgate", name), |bench| {
                bench.iter(|| {
                    let map = headers.take().unwrap_or_default();
                    headers = Some(answers.accepted(black_box(id), black_box(TYPE), map));
                });
            });
        };
        answer(&source.name, ID);
        if source.name == "xml" {
            answer("xml, escaped", "72d3162e&cc78<11e3>81ab");
        }
    }
    group.bench_function(BenchmarkId::new("made anew", "json"), |bench| {
        bench.iter(|| {
            made_anew(202, "application/json", format!(r#"{{"status":"accepted","id":"{}"}}"#, black_box(ID)))
        });
    });
    group.bench_function(BenchmarkId::new("made anew", "empty"), |bench| {
        bench.iter(|| Response::builder().status(black_box(204)).body(Full::new(Bytes::new())));
    });
    group.bench_function(BenchmarkId::new("made anew", "xml"), |bench| {
        bench.iter(|| {
            let body = format!("<received event='{}' type='{}'/>", black_box(ID), black_box(TYPE));
            made_anew(200, "text/xml", body)
        });
    });
    group.finish();
}

/// Without escaping anything.
fn made_anew(status: u16, content_type: &str, body: String) -> http::Result<Response<Full<Bytes>>> {
    Response::builder().status(status).header(CONTENT_TYPE, black_box(content_type)).body(Full::from(body))
}

fn of_a_request() -> HeaderMap {
    let names = ["host", "user-agent", "content-type", "x-github-event", "x-github-delivery", "x-hub-signature-256"];
    names.into_iter().map(|name| (name.parse().expect("a name"), HeaderValue::from_static("value"))).collect()
}

criterion_group!(benches, reply);
criterion_main!(benches);
