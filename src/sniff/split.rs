//! The events of a body that carries several: where each of them lies in it.
//!
//! A body is taken apart only if all of it is JSON: what is refused here may come again, and what was taken apart wrongly
//! would be acknowledged.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::json;
use crate::config::{ITEMS_MAX, Pointer};

/// Why a body cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SplitError {
    /// It is not JSON, or there is no array in that place.
    NotABatch,
    /// There are more than [`ITEMS_MAX`].
    TooMany,
}

/// The elements of the array that a pointer leads to.
pub(crate) fn elements(body: &[u8], array: &Pointer) -> Result<Vec<Range<usize>>, SplitError> {
    if !is_json(json::without_mark(body)) {
        return Err(SplitError::NotABatch);
    }
    collect(json::elements(body, &array.0).ok_or(SplitError::NotABatch)?)
}

/// The lines that are not empty, each a JSON document, without white space around them.
pub(crate) fn lines(body: &[u8]) -> Result<Vec<Range<usize>>, SplitError> {
    let mark = body.len() - json::without_mark(body).len();
    let mut start = mark;
    collect(body.get(mark..).unwrap_or_default().split(|&byte| byte == b'\n').filter_map(|line| {
        let trimmed = line.trim_ascii_start();
        let at = start + line.len() - trimmed.len();
        start += line.len() + 1;
        let line = trimmed.trim_ascii_end();
        (!line.is_empty()).then(|| is_json(line).then_some(at..at + line.len()))
    }))
}

fn collect(items: impl Iterator<Item = Option<Range<usize>>>) -> Result<Vec<Range<usize>>, SplitError> {
    let mut all = Vec::new();
    for item in items {
        if all.len() == ITEMS_MAX {
            return Err(SplitError::TooMany);
        }
        all.push(item.ok_or(SplitError::NotABatch)?);
    }
    Ok(all)
}

/// Needs no stack for depth: nothing is built.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}
