//! The processor's server: one listening socket, registered with every thread, each with its own runtime.

use std::io::IsTerminal as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::args::ProcessorArgs;
use super::counts::{Counts, Stats};
use crate::accept::{empty, serve};
use crate::delivery;
use crate::load::Work;
use crate::stop::Stop;

/// Serves until a signal comes or all expected events are there, and prints the counts.
pub(crate) fn run(args: &ProcessorArgs) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("cannot listen on {}: is another processor running there?", args.listen))?;
    listener.set_nonblocking(true)?;
    eprintln!("listening on http://{}", listener.local_addr()?);

    let (end, ended) = watch::channel(false);
    let processor = Arc::new(Processor {
        latency: args.latency,
        jitter: args.latency_jitter,
        error_rate: args.error_rate,
        error_status: args.error_status,
        status: args.status,
        id_header: args.id_header.clone(),
        events: args.events,
        counts: Counts::new(),
        end,
    });
    let mut threads = Vec::new();
    for at in 0..args.threads {
        let (processor, listener, ended) = (Arc::clone(&processor), listener.try_clone()?, ended.clone());
        let thread = std::thread::Builder::new()
            .name(format!("processor-{at}"))
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let answer = move |request| {
                    let processor = Arc::clone(&processor);
                    async move { processor.answer(request).await }
                };
                LocalSet::new().block_on(&runtime, serve(answer, listener, ended, Work::default()))
            })
            .context("cannot start a thread")?;
        threads.push(thread);
    }
    drop(listener);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch_over(&processor, ended))?;
    processor.end.send_replace(true);
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread of the processor has panicked"))??;
    }
    let stats = processor.counts.read();
    if args.json {
        println!("{}", serde_json::to_string(&stats)?);
    } else {
        println!("{}", line(&stats));
    }
    Ok(())
}

struct Processor {
    latency: Duration,
    jitter: Duration,
    error_rate: f64,
    error_status: StatusCode,
    status: StatusCode,
    id_header: http::HeaderName,
    events: Option<u64>,
    counts: Counts,
    /// True once it is time to end.
    end: watch::Sender<bool>,
}

impl Processor {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() == Method::GET && request.uri().path() == "/stats" {
            let stats = serde_json::to_vec(&self.counts.read()).unwrap_or_default();
            return json(StatusCode::OK, stats);
        }
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return empty(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        if delivery::is_batch(&head.headers) {
            let ids = delivery::ids(&body);
            self.counts.arrived(ids.as_ref().map_or(1, Vec::len), body.len());
            self.take_time().await;
            return match ids {
                Some(ids) => self.answer_batch(&ids),
                None => {
                    self.counts.failed(1);
                    empty(StatusCode::BAD_REQUEST)
                }
            };
        }
        self.counts.arrived(1, body.len());
        self.take_time().await;
        if self.fails() {
            self.counts.failed(1);
            return empty(self.error_status);
        }
        self.succeeded(head.headers.get(&self.id_header).map(http::HeaderValue::as_bytes));
        empty(self.status)
    }

    /// Names the events that fail, unless those are all.
    fn answer_batch(&self, ids: &[Option<String>]) -> Response<Full<Bytes>> {
        // One without an id cannot be named.
        let (failed, taken): (Vec<_>, Vec<_>) = ids.iter().partition(|id| id.is_some() && self.fails());
        let status = self.error_status.as_u16();
        let named: Vec<_> = failed.iter().map(|id| serde_json::json!({ "id": id, "status": status })).collect();
        let answer = serde_json::json!({ "failed": named }).to_string();
        if !failed.is_empty() && (taken.is_empty() || answer.len() > ANSWER_MAX) {
            self.counts.failed(ids.len());
            return empty(self.error_status);
        }
        self.counts.failed(failed.len());
        taken.into_iter().for_each(|id| self.succeeded(id.as_ref().map(String::as_bytes)));
        if failed.is_empty() { empty(self.status) } else { json(self.status, answer.into_bytes()) }
    }

    async fn take_time(&self) {
        let latency = self.latency + self.jitter.mul_f64(fastrand::f64());
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }

    /// Of [0, 1): a rate of 1 fails always, one of 0 never.
    fn fails(&self) -> bool {
        fastrand::f64() < self.error_rate
    }

    fn succeeded(&self, id: Option<&[u8]>) {
        let distinct = self.counts.succeeded(id);
        if self.events.is_some_and(|events| distinct >= events) {
            self.end.send_replace(true);
        }
    }
}

/// What a gateway reads at least of an answer that names events.
const ANSWER_MAX: usize = 64 << 10;

fn json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// Waits for the end, and on a terminal says every second how it stands.
async fn watch_over(processor: &Processor, mut ended: watch::Receiver<bool>) -> anyhow::Result<()> {
    let talk = async {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let (mut before, mut at) = (processor.counts.read(), Instant::now());
        loop {
            second.tick().await;
            let (now, seconds) = (processor.counts.read(), at.elapsed().as_secs_f64());
            if std::io::stderr().is_terminal() && now.events != before.events {
                eprintln!("{:.0}/s; {}", (now.events - before.events) as f64 / seconds, line(&now));
            }
            (before, at) = (now, Instant::now());
        }
    };
    let mut stop = Stop::listen()?;
    tokio::select! {
        () = stop.requested() => Ok(()),
        _ = ended.wait_for(|ended| *ended) => Ok(()),
        () = talk => Ok(()),
    }
}

fn line(stats: &Stats) -> String {
    let Stats { requests, events, succeeded, failed, distinct, duplicates, without_id, bytes, seconds } = stats;
    format!(
        "{events} events in {requests} requests, {bytes} bytes in {seconds:.1} s: {succeeded} succeeded ({distinct} distinct events, \
         {duplicates} duplicates, {without_id} without id), {failed} failed"
    )
}
