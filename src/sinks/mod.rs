//! Where deliveries go.
//!
//! ```text
//!            ┌─▶ http      one request per event, over this worker's own idle connections
//!            │             (or, with `batch`, per batch of them)
//! delivery ──┼─▶ lines     file or standard output: a batch of lines of JSON, one write
//!            ├─▶ handler   a function of the embedding program, on the worker's thread
//!            └─▶ discard   nothing
//! ```
//!
//! [`factory`] does everything that can fail, once, before the route takes its first event. The sinks it makes live on one
//! worker thread each; what they share over threads is read-only, but for the one handle of an output file.

mod detail;

mod discard;

mod error;

mod handler;

mod http;

mod json;

mod lines;

use std::sync::Arc;

pub(crate) use error::SinkError;
pub(crate) use handler::Handler;
pub use handler::HandlerError;
pub(crate) use http::{Connection, Server, Trust, connect, connect_unix, retry_after};

use crate::config::{RouteConfig, SinkConfig};
use crate::routes::{Sink, SinkFactory};

/// The most events of one batch, where a sink takes several at once.
const BATCH_MAX: usize = 256;

/// Prepares the sink of a route: files, certificates, header values. The factory itself then cannot fail. `handler` is the
/// function registered for this route, if one is; other kinds of sink leave it alone.
pub(crate) fn factory(route: &RouteConfig, handler: Option<Handler>) -> Result<SinkFactory, SinkError> {
    let name = route.name.as_str();
    Ok(match &route.to {
        SinkConfig::Http(config) => {
            let processor = Arc::new(http::Processor::new(name, config)?);
            let sink = move || http::HttpSink::new(Arc::clone(&processor));
            match route.batch {
                None => making(sink),
                Some(events) => {
                    let final_statuses = Arc::from(route.retry.final_statuses.as_slice());
                    making(move || http::BatchSink::new(sink(), events, Arc::clone(&final_statuses)))
                }
            }
        }
        SinkConfig::File(config) => {
            let file = lines::file(name, config)?;
            making(move || lines::LineSink::new(Arc::clone(&file)))
        }
        SinkConfig::Stdout => {
            let stdout = lines::stdout(name)?;
            making(move || lines::LineSink::new(Arc::clone(&stdout)))
        }
        SinkConfig::Discard => making(|| discard::Discard),
        SinkConfig::Handler => {
            let handler = handler.ok_or_else(|| SinkError::NoHandler { route: name.to_owned() })?;
            making(move || handler::HandlerSink::new(Arc::clone(&handler)))
        }
    })
}

fn making<S: Sink + 'static>(make: impl Fn() -> S + Send + Sync + 'static) -> SinkFactory {
    Arc::new(move || Box::new(make()))
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests;
