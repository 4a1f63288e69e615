//! A server that is asked rather than told: by polls, with the connections, trust and credentials that routes have too.

use bytes::Bytes;
use http::Request;
use http::uri::PathAndQuery;
use http_body_util::Full;

use super::super::SinkError;
use super::Connection;
use super::connect::Target;
use super::request::Template;
use crate::config::HttpSink as HttpConfig;

/// Where it is, and what every request to it carries.
pub(crate) struct Server {
    target: Target,
    template: Template,
}

impl Server {
    /// Reads the files and builds the headers. `name` stands for it in errors.
    pub(crate) fn new(name: &str, config: &HttpConfig) -> Result<Self, SinkError> {
        Ok(Self { target: Target::new(name, config)?, template: Template::new(name, config)? })
    }

    /// A new connection, or why there is none. To be called inside a `LocalSet`.
    pub(crate) async fn connect(&self) -> Result<Connection, String> {
        self.target.connect().await.map_err(|failure| failure.detail)
    }

    /// A form that is posted to the URL as it is configured.
    pub(crate) fn post(&self, form: Bytes) -> Request<Full<Bytes>> {
        self.template.form(form)
    }

    /// A request for this.
    pub(crate) fn get(&self, target: PathAndQuery) -> Request<Full<Bytes>> {
        self.template.query(target)
    }
}
