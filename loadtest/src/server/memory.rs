//! The memory of processes, as the system counts it.

/// What of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory {
    Resident,
    /// The most that was resident.
    Peak,
    /// Resident, and in no file.
    Anonymous,
}

/// Bytes of all these processes.
pub(crate) fn memory(pids: &[u32], what: Memory) -> u64 {
    let name = match what {
        Memory::Resident => "VmRSS:",
        Memory::Peak => "VmHWM:",
        Memory::Anonymous => "RssAnon:",
    };
    let of = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    pids.iter().filter_map(of).sum()
}
