//! Which thread sits on which core, and why.
//!
//! Threads are pinned only where there is a core for each of them and one to spare, and the cores are ours: under a quota
//! with the whole machine's mask, every container of a node would pin to core 0.

use std::fmt;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::config::Config;

/// The cores this process may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Numbers of the cores in its affinity mask.
    allowed: Vec<usize>,
    /// Cores the machine has.
    online: usize,
    /// Whole cores' worth of time that a control group grants, if it limits that.
    quota: Option<usize>,
}

/// Where each thread sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    /// One entry per io thread: its core, or `None` where the system chooses.
    pub(crate) io: Vec<Option<usize>>,
    /// One entry per pool, with one entry per worker.
    pub(crate) pools: Vec<Vec<Option<usize>>>,
    /// Cores there are for us.
    pub(crate) cores: usize,
    /// Why threads are pinned or not, as a sentence.
    pub(crate) reason: String,
    /// Pools whose workers spin without a core of their own.
    pub(crate) spinning_without_core: Vec<String>,
}

impl Cores {
    /// What the system says now.
    pub(crate) fn detect() -> Self {
        let online = std::thread::available_parallelism().map_or(1, usize::from);
        let allowed = match sched_getaffinity(None) {
            Ok(mask) => (0..CpuSet::MAX_CPU).filter(|&core| mask.is_set(core)).collect(),
            Err(_) => (0..online).collect(),
        };
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online")
            .ok()
            .and_then(|list| count_cores(list.trim()))
            .unwrap_or(online);
        Self { allowed, online, quota: quota() }
    }

    /// The smaller of the mask and the quota, at least one.
    fn usable(&self) -> usize {
        self.quota.map_or(self.allowed.len(), |quota| quota.min(self.allowed.len())).max(1)
    }

    fn are_ours(&self) -> bool {
        self.quota.is_none() || self.allowed.len() < self.online
    }
}

impl Placement {
    /// Places the threads of a configuration.
    pub(crate) fn plan(config: &Config, cores: &Cores) -> Self {
        let usable = cores.usable();
        let io_threads = config.gateway.io_threads.unwrap_or((usable / 2).max(1));
        let workers: Vec<usize> =
            config.pools.iter().map(|pool| pool.workers.unwrap_or(usable.saturating_sub(io_threads).max(1))).collect();
        let threads = io_threads + workers.iter().sum::<usize>();
        let pinned = usable > threads && cores.are_ours();
        let reason = if pinned {
            format!("pinned: {usable} cores for {threads} threads and one to spare")
        } else if usable <= threads {
            format!("not pinned: {usable} cores for {threads} threads, and pinning needs one more than threads")
        } else {
            "not pinned: the quota of a control group spans cores that others use too".to_owned()
        };

        let mut free = cores.allowed.iter().copied().filter(|_| pinned);
        let io = (0..io_threads).map(|_| free.next()).collect();
        let pools: Vec<Vec<Option<usize>>> = config
            .pools
            .iter()
            .zip(&workers)
            .map(|(pool, &count)| {
                let chosen = |worker: usize| pool.cpus.get(worker % pool.cpus.len().max(1)).copied();
                (0..count).map(|worker| chosen(worker).or_else(|| free.next())).collect()
            })
            .collect();
        let spinning_without_core = config
            .pools
            .iter()
            .zip(&pools)
            .filter(|(pool, cores)| !pool.spin.is_zero() && cores.iter().any(Option::is_none))
            .map(|(pool, _)| pool.name.clone())
            .collect();
        Self { io, pools, cores: usable, reason, spinning_without_core }
    }
}

/// A line per kind of thread.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)
    }
}

/// Pins the calling thread. A core that is not there is reported and costs nothing else.
pub(crate) fn pin(core: Option<usize>) {
    let Some(core) = core else { return };
    let mut mask = CpuSet::new();
    if core < CpuSet::MAX_CPU {
        mask.set(core);
    }
    if let Err(error) = sched_setaffinity(None, &mask) {
        let thread = std::thread::current();
        tracing::warn!(%error, core, "cannot pin {}; it runs where the system puts it", thread.name().unwrap_or("thread"));
    }
}

/// `0-3,8` is five cores.
fn count_cores(ranges: &str) -> Option<usize> {
    ranges
        .split(',')
        .map(|part| match part.split_once('-') {
            None => part.parse::<usize>().ok().map(|_| 1),
            Some((first, last)) => {
                let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
                Some(last.checked_sub(first)? + 1)
            }
        })
        .sum()
}

/// The quota of our control group, version 2 and then 1, in whole cores.
fn quota() -> Option<usize> {
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let read = |path: &str| std::fs::read_to_string(path).ok();
    // Inside a container the group's own path is often mounted at the root.
    read(&format!("/sys/fs/cgroup{path}/cpu.max"))
        .or_else(|| read("/sys/fs/cgroup/cpu.max"))
        .and_then(|text| quota_of(&text))
        .or_else(|| {
            let quota = read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")?;
            let period = read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")?;
            quota_of(&format!("{} {}", quota.trim(), period.trim()))
        })
}

/// `200000 100000` is two cores; `max` and negative quotas are none. Parts of a core count as one.
fn quota_of(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<usize>().ok()?, period.parse::<usize>().ok()?);
    Some(quota.checked_div(period)?.max(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::PoolConfig;

    fn cores(count: usize) -> Cores {
        Cores { allowed: (0..count).collect(), online: count, quota: None }
    }

    fn config(io_threads: Option<usize>, workers: Option<usize>) -> Config {
        let text = "[[source]]\nname = \"a\"\nauth = \"none\"\nack = \"memory\"\n";
        let mut config = Config::parse(text, std::path::Path::new("test.toml")).expect("a configuration");
        config.gateway.io_threads = io_threads;
        config.pools =
            vec![PoolConfig { name: "default".to_owned(), workers, cpus: Vec::new(), spin: Duration::from_micros(50) }];
        config
    }

    #[test]
    fn threads_are_pinned_where_there_is_a_core_for_each_and_one_to_spare() {
        let placement = Placement::plan(&config(Some(2), Some(1)), &cores(4));
        assert_eq!(placement.io, [Some(0), Some(1)]);
        assert_eq!(placement.pools, [[Some(2)]]);
        assert!(placement.spinning_without_core.is_empty());
    }

    #[test]
    fn threads_are_not_pinned_where_they_would_fill_the_machine() {
        let placement = Placement::plan(&config(None, None), &cores(4));
        assert_eq!((placement.io.len(), placement.pools[0].len()), (2, 2));
        assert!(placement.io.iter().all(Option::is_none));
        assert_eq!(placement.spinning_without_core, ["default"]);
    }

    #[test]
    fn a_quota_over_the_whole_machine_is_not_ours_to_pin_in() {
        let shared = Cores { quota: Some(8), ..cores(64) };
        assert!(Placement::plan(&config(Some(1), Some(1)), &shared).io[0].is_none());
        let narrowed = Cores { allowed: (8..16).collect(), online: 64, quota: Some(8) };
        assert_eq!(Placement::plan(&config(Some(1), Some(1)), &narrowed).io, [Some(8)]);
    }

    #[test]
    fn cores_chosen_for_a_pool_win() {
        let mut config = config(Some(1), Some(3));
        config.pools[0].cpus = vec![5, 6];
        let placement = Placement::plan(&config, &cores(2));
        assert_eq!(placement.pools, [[Some(5), Some(6), Some(5)]]);
    }

    #[test]
    fn quotas_and_core_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(quota_of("200000 100000\n"), Some(2));
        assert_eq!(quota_of("50000 100000"), Some(1));
        assert_eq!(quota_of("max 100000"), None);
        assert_eq!(quota_of("-1 100000"), None);
        assert_eq!(count_cores("0-3,8"), Some(5));
    }
}
