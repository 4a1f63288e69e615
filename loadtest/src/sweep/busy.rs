//! What a gateway was busy with, and what held it up: the CPU time of its threads, its disk, and the backlog of its routes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::server::thread_times;

/// Counters of a running gateway at a moment.
#[derive(Debug, Clone)]
pub(super) struct Look {
    at: Instant,
    /// CPU time by thread.
    threads: BTreeMap<String, Duration>,
    /// Time in which the disk was at work.
    disk: Option<Duration>,
    /// Events that routes have not delivered, and those they dropped.
    backlog: u64,
}

/// What happened between two looks.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Busy {
    /// Share of the time that each thread was on a core.
    pub(super) threads: BTreeMap<String, f64>,
    /// Share of the time that the disk was at work, where that can be seen.
    pub(super) disk: Option<f64>,
    /// By how many events routes fell behind, per second.
    pub(super) behind_per_s: f64,
}

impl Look {
    pub(super) fn at(pid: u32, admin: SocketAddr, data: &Path) -> Self {
        Self {
            at: Instant::now(),
            threads: thread_times(pid),
            disk: disk(data),
            backlog: backlog(admin).unwrap_or_default(),
        }
    }

    pub(super) fn until(&self, later: &Self) -> Busy {
        let seconds = later.at.saturating_duration_since(self.at).as_secs_f64().max(f64::EPSILON);
        let share = |time: Duration| time.as_secs_f64() / seconds;
        let before = |name: &String| self.threads.get(name).copied().unwrap_or_default();
        Busy {
            threads: later
                .threads
                .iter()
                .map(|(name, time)| (name.clone(), share(time.saturating_sub(before(name)))))
                .collect(),
            disk: self.disk.zip(later.disk).map(|(before, after)| share(after.saturating_sub(before))),
            behind_per_s: later.backlog.saturating_sub(self.backlog) as f64 / seconds,
        }
    }
}

impl Busy {
    /// What was used up, the most telling first; empty if nothing was.
    pub(super) fn used_up(&self, cores: usize) -> Vec<String> {
        let mut all = Vec::new();
        for (name, share) in self.threads.iter().filter(|(_, share)| **share > THREAD_FULL) {
            let kind = match name.split('-').next() {
                Some("io") => "io thread",
                _ if name == "journal" || name == "dispatch" || name == "disk" => "thread",
                _ => "worker",
            };
            all.push(format!("{kind} {name} ({:.0} % of a core)", share * 100.0));
        }
        let total: f64 = self.threads.values().sum();
        if all.is_empty() && total > CORES_FULL * cores as f64 {
            let mut threads: Vec<_> = self.threads.iter().filter(|(_, share)| **share > 0.05).collect();
            threads.sort_by(|a, b| b.1.total_cmp(a.1));
            let shares: Vec<_> =
                threads.iter().map(|(name, share)| format!("{name} {:.0} %", *share * 100.0)).collect();
            all.push(format!("the gateway's cores ({})", shares.join(", ")));
        }
        if let Some(share) = self.disk.filter(|share| *share > DISK_FULL) {
            all.push(format!("the disk (at work {:.0} % of the time)", share * 100.0));
        }
        all
    }
}

/// Time in which the device below a directory was at work; `None` for one that the kernel does not count.
fn disk(data: &Path) -> Option<Duration> {
    let device = fs::metadata(data).ok()?.dev();
    let numbers = [rustix::fs::major(device).to_string(), rustix::fs::minor(device).to_string()];
    let text = fs::read_to_string("/proc/diskstats").ok()?;
    let line = text.lines().find(|line| line.split_whitespace().take(2).eq(numbers.iter().map(String::as_str)))?;
    line.split_whitespace().nth(12)?.parse().ok().map(Duration::from_millis)
}

/// Of the gateway's admin listener.
fn backlog(admin: SocketAddr) -> Option<u64> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /routes HTTP/1.1\r\nhost: loadtest\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let routes: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
    let routes = routes.as_array().or_else(|| routes.get("routes")?.as_array())?;
    let count = |route: &Value, key: &str| route.get(key).and_then(Value::as_u64).unwrap_or_default();
    routes.iter().map(|route| count(route, "lag").max(count(route, "queued_events")) + count(route, "dropped")).max()
}

const THREAD_FULL: f64 = 0.9;

const CORES_FULL: f64 = 0.93;

const DISK_FULL: f64 = 0.9;

const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(threads: &[(&str, f64)], disk: Option<f64>) -> Busy {
        let threads = threads.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
        Busy { threads, disk, behind_per_s: 0.0 }
    }

    #[test]
    fn a_full_thread_is_named_and_so_are_full_cores_and_disks() {
        let used_up = |threads: &[(&str, f64)], disk| busy(threads, disk).used_up(1).join("; ");
        assert_eq!(used_up(&[("io-0", 0.95), ("journal", 0.03)], None), "io thread io-0 (95 % of a core)");
        assert_eq!(used_up(&[("io-0", 0.6), ("journal", 0.38)], None), "the gateway's cores (io-0 60 %, journal 38 %)");
        assert_eq!(used_up(&[("io-0", 0.3)], Some(0.97)), "the disk (at work 97 % of the time)");
        assert_eq!(used_up(&[("io-0", 0.3)], Some(0.2)), "");
    }
}
