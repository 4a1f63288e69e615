//! The tables that hookgate brings along, which are read as a configuration is.

use std::path::Path;
use std::time::SystemTime;

use super::document::{Reading, Sheet};
use super::problem::Problem;
use super::table::Table;

/// What `read` makes of a table, and what is wrong with the rest of it.
pub(super) fn read_built_in<T>(
    file: &str,
    text: &str,
    read: impl FnOnce(&mut Table<'_>) -> Vec<T>,
) -> (Vec<T>, Vec<Problem>) {
    let reading = Reading::new(Path::new(""), &|_| None, SystemTime::UNIX_EPOCH);
    let sheet = Sheet { file: Path::new(file), text, reading: &reading };
    let document = sheet.parse();
    let mut root = Table::root(&sheet, &document);
    let rows = read(&mut root);
    root.finish();
    (rows, reading.problems.take())
}
