//! The processor's server: one listening socket, registered with every thread, each with its own runtime.

use std::convert::Infallible;
use std::io::IsTerminal as _;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::args::ProcessorArgs;
use super::counts::{Counts, Stats};
use crate::stop;

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
                LocalSet::new().block_on(&runtime, serve(&processor, listener, ended))
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
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.method() == Method::GET && request.uri().path() == "/stats" {
            let stats = serde_json::to_vec(&self.counts.read()).unwrap_or_default();
            let mut response = Response::new(Full::from(stats));
            let json = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert(http::header::CONTENT_TYPE, json);
            return Ok(response);
        }
        let (head, body) = request.into_parts();
        let Some(bytes) = length(body).await else { return Ok(empty(StatusCode::BAD_REQUEST)) };
        self.counts.arrived(bytes);
        let latency = self.latency + self.jitter.mul_f64(fastrand::f64());
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        // Of [0, 1): a rate of 1 fails always, one of 0 never.
        if fastrand::f64() < self.error_rate {
            self.counts.failed();
            return Ok(empty(self.error_status));
        }
        let distinct = self.counts.succeeded(head.headers.get(&self.id_header).map(http::HeaderValue::as_bytes));
        if self.events.is_some_and(|events| distinct >= events) {
            self.end.send_replace(true);
        }
        Ok(empty(self.status))
    }
}

/// Accepts and serves until the end; then connections finish what they are answering.
async fn serve(
    processor: &Arc<Processor>,
    listener: TcpListener,
    mut ended: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ended.wait_for(|ended| *ended) => break,
        };
        // Out of descriptors, or a client that was gone before it was accepted: both pass.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (processor, mut ended) = (Arc::clone(processor), ended.clone());
        connections.spawn_local(async move {
            let service = service_fn(|request| processor.answer(request));
            let io = TokioIo::new(stream);
            let mut connection = pin!(http1::Builder::new().serve_connection(io, service));
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = ended.wait_for(|ended| *ended) => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// Waits for the end, and on a terminal says every second how it stands.
async fn watch_over(processor: &Processor, mut ended: watch::Receiver<bool>) -> anyhow::Result<()> {
    let talk = async {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let (mut before, mut at) = (processor.counts.read(), Instant::now());
        loop {
            second.tick().await;
            let (now, seconds) = (processor.counts.read(), at.elapsed().as_secs_f64());
            if std::io::stderr().is_terminal() && now.requests != before.requests {
                eprintln!("{:.0}/s; {}", (now.requests - before.requests) as f64 / seconds, line(&now));
            }
            (before, at) = (now, Instant::now());
        }
    };
    tokio::select! {
        stopped = stop::requested() => stopped,
        _ = ended.wait_for(|ended| *ended) => Ok(()),
        () = talk => Ok(()),
    }
}

/// Reads a body to its end: its length, or `None` if it was cut off.
async fn length(body: Incoming) -> Option<u64> {
    let mut body = pin!(body);
    let mut length = 0;
    while !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => length += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) => return None,
            None => break,
        }
    }
    Some(length)
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn line(stats: &Stats) -> String {
    let Stats { requests, succeeded, failed, distinct, duplicates, without_id, bytes, seconds } = stats;
    format!(
        "{requests} deliveries, {bytes} bytes in {seconds:.1} s: {succeeded} succeeded ({distinct} distinct events, \
         {duplicates} duplicates, {without_id} without id), {failed} failed"
    )
}

/// How long answers may take once it is time to end.
const GRACE: Duration = Duration::from_secs(5);
