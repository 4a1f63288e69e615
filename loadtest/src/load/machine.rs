//! Who used the processors while we measured: this client, the server under test, and strangers who spoil the figures.
//! All from `/proc`; elsewhere there is nothing to tell.

use std::fs;
use std::time::Duration;

/// CPU times up to a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu {
    /// Of the server under test, all its processes together.
    pub(crate) server: Option<Duration>,
    /// Of this process.
    own: Option<Duration>,
    /// Of the kernel's own threads: they write what the server has synced, and are no strangers.
    kernel: Duration,
    /// Of everything on this machine, and what its host took away.
    machine: Option<(Duration, Duration)>,
}

/// CPU time used by others between two moments.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Others {
    /// Cores that other processes kept busy, on average.
    pub(crate) cores_busy: f64,
    /// Cores that the host of this virtual machine took away, on average.
    pub(crate) cores_stolen: f64,
    /// Cores of this machine.
    pub(crate) cores: usize,
}

/// Time of the current thread on a core, and waiting for one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ThreadTime {
    pub(crate) running: Duration,
    pub(crate) runnable: Duration,
}

impl Cpu {
    /// The times now. `server` are the server's processes, which may be none.
    pub(crate) fn now(server: &[u32]) -> Self {
        let of_server = || server.iter().map(|pid| process(&pid.to_string())).sum();
        Self {
            server: if server.is_empty() { None } else { of_server() },
            own: process("self"),
            kernel: kernel_threads(),
            machine: fs::read_to_string("/proc/stat").ok().and_then(|text| parse_machine(&text)),
        }
    }

    /// What others used between `self` and `later`, `elapsed` apart.
    pub(crate) fn others_until(&self, later: &Self, elapsed: Duration) -> Option<Others> {
        let ((busy, stolen), (later_busy, later_stolen)) = (self.machine?, later.machine?);
        let own = later.own?.saturating_sub(self.own?);
        let server = later.server.unwrap_or_default().saturating_sub(self.server.unwrap_or_default());
        let kernel = later.kernel.saturating_sub(self.kernel);
        let others = later_busy.saturating_sub(busy).saturating_sub(own + server + kernel);
        let seconds = elapsed.as_secs_f64().max(f64::EPSILON);
        Some(Others {
            cores_busy: others.as_secs_f64() / seconds,
            cores_stolen: later_stolen.saturating_sub(stolen).as_secs_f64() / seconds,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
        })
    }
}

impl ThreadTime {
    /// The current thread's times.
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let mut nanos = text.split_ascii_whitespace().map_while(|number| number.parse().ok());
        let running = Duration::from_nanos(nanos.next().unwrap_or_default());
        Self { running, runnable: running + Duration::from_nanos(nanos.next().unwrap_or_default()) }
    }
}

fn process(pid: &str) -> Option<Duration> {
    parse_process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// CPU time of all children of `kthreadd`. A container sees none of them, nor their work.
fn kernel_threads() -> Duration {
    let Ok(processes) = fs::read_dir("/proc") else { return Duration::ZERO };
    processes
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| parent(stat) == Some(KTHREADD))
        .filter_map(|stat| parse_process(&stat))
        .sum()
}

fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// User and system time of a process and of its children that have ended, from its `stat`. Its name may hold spaces and
/// parentheses.
fn parse_process(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<u64> =
        fields.split_ascii_whitespace().skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| ticks(times.iter().sum()))
}

/// Busy and stolen time of the machine: user, nice, system, irq and softirq of the line `cpu`; steal.
fn parse_machine(stat: &str) -> Option<(Duration, Duration)> {
    let fields: Vec<u64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else { return None };
    Some((ticks(user + nice + system + irq + softirq), ticks(steal)))
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_secs(ticks) / (rustix::param::clock_ticks_per_second() as u32).max(1)
}

/// The process of which the kernel's threads are children.
const KTHREADD: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_strange_name_is_read() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 3 7 20 0 1 0";
        assert_eq!(parse_process(stat), Some(ticks(210)));
        assert_eq!(parent(stat), Some(1));
        assert_eq!(parse_process("42 (cut"), None);
    }

    #[test]
    fn idle_time_is_not_busy() {
        let stat = "cpu  100 10 20 9999 888 3 4 77 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(parse_machine(stat), Some((ticks(137), ticks(77))));
    }
}
