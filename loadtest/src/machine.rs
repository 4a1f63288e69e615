//! The machine that figures are of: without it they say nothing.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

/// What is known of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// When was measured.
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn describe() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let info = text("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        Self {
            cpu: model.trim_start_matches([' ', '\t', ':']).trim().to_owned(),
            cores: info.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }
}

/// Whether what is written in this directory stays in memory: syncing costs nothing there, and says nothing.
pub(crate) fn is_in_memory(directory: &Path) -> bool {
    const TMPFS: i128 = 0x0102_1994;
    const RAMFS: i128 = 0x8584_58f6;
    rustix::fs::statfs(directory).is_ok_and(|system| [TMPFS, RAMFS].contains(&i128::from(system.f_type)))
}
