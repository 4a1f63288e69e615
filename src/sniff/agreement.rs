//! What `serde_json` says of a body beside what the walk over it says, for tests and fuzzing.

use serde_json::Value;

use super::json;
use super::unique_keys::UniqueKeys;

pub(super) fn text_at(body: &[u8], path: &[String]) -> Option<String> {
    json::find(body, path).map(|text| text.in_body(body).to_owned())
}

/// If `serde_json` takes the body: how many pointers are answered as it answers them. A body with a key that is there
/// twice is not compared, because `serde_json` keeps the last.
pub(super) fn agree(body: &[u8]) -> Result<usize, String> {
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return Ok(0) };
    if serde_json::from_slice::<UniqueKeys>(body).is_err() {
        return Ok(0);
    }
    let pointers = pointers(&document);
    for (path, value) in &pointers {
        let found = text_at(body, path);
        let same = match (*value, &found) {
            (Some(Value::String(text)), Some(found)) => text == found,
            (Some(Value::Number(number)), Some(found)) => {
                serde_json::from_str(found).is_ok_and(|found: serde_json::Number| found == *number)
            }
            (Some(Value::String(_) | Value::Number(_)), None) | (_, Some(_)) => false,
            (_, None) => true,
        };
        if !same {
            return Err(format!("{path:?} is {value:?}, found {found:?} in {}", String::from_utf8_lossy(body)));
        }
    }
    Ok(pointers.len())
}

/// Every path of the document, and beside each container one that is not there.
pub(super) fn pointers(document: &Value) -> Vec<(Vec<String>, Option<&Value>)> {
    let mut all = vec![(Vec::new(), Some(document))];
    let mut at = 0;
    while let Some((path, value)) = all.get(at).cloned() {
        at += 1;
        let children: Vec<(String, Option<&Value>)> = match value {
            Some(Value::Object(members)) => members
                .iter()
                .map(|(key, value)| (key.clone(), Some(value)))
                .chain([("nowhere".to_owned(), members.get("nowhere"))])
                .collect(),
            Some(Value::Array(elements)) => elements
                .iter()
                .enumerate()
                .map(|(index, value)| (index.to_string(), Some(value)))
                .chain([(elements.len().to_string(), None)])
                .collect(),
            _ => Vec::new(),
        };
        all.extend(
            children.into_iter().map(|(segment, value)| (path.iter().cloned().chain([segment]).collect(), value)),
        );
    }
    all
}
