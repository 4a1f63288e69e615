//! What a gateway counts, from its admin listener.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

/// The page of its metrics at a moment.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Asks for it.
    pub(crate) fn of(admin: SocketAddr) -> anyhow::Result<Self> {
        let mut stream =
            TcpStream::connect_timeout(&admin, PATIENCE).context("the gateway's admin listener is not there")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text).context("the gateway does not tell its metrics")?;
        Ok(Self(text))
    }

    /// One without labels; 0 if it is not there.
    pub(crate) fn value(&self, name: &str) -> f64 {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        self.0.lines().find_map(value).unwrap_or_default()
    }
}

const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let page = Metrics("# TYPE a_total counter\na_total_more 7\na_total 12\nb{x=\"y\"} 3\n".into());
        assert!((page.value("a_total") - 12.0).abs() < f64::EPSILON);
        assert!(page.value("b").abs() < f64::EPSILON);
    }
}
