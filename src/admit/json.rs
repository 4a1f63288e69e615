//! Members of a body that has been parsed, for the schemes that sign members rather than bytes.

use serde_json::Value;

use crate::config::Pointer;

/// The value that a pointer names.
pub(super) fn at<'v>(value: &'v Value, pointer: &Pointer) -> Option<&'v Value> {
    pointer.0.iter().try_fold(value, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A string, a number or a flag as text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
