//! `[process]`: what the process may be and leave behind.

/// What `hookgate run` allows its process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessConfig {
    /// It may run as root.
    pub allow_root: bool,
    /// When it crashes its memory, secrets and all, may be written to a file.
    pub core_dumps: bool,
}
