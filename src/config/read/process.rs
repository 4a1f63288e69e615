//! `[process]`.

use crate::config::ProcessConfig;
use crate::config::table::Table;

/// `[process]`, its defaults where it is not written.
pub(in crate::config) fn process(root: &mut Table<'_>) -> ProcessConfig {
    let Some(mut table) = root.section("process") else {
        return ProcessConfig::default();
    };
    let mut flag = |key| table.get(key).and_then(|node| node.flag()).unwrap_or(false);
    let process = ProcessConfig { allow_root: flag("allow_root"), core_dumps: flag("core_dumps") };
    table.finish();
    process
}
