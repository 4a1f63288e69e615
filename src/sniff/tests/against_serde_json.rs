//! The same answer as `serde_json`, on payloads, on a test suite, and on documents made up and damaged.

use std::fs;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::agreement::{agree, pointers};
use super::*;

#[test]
fn every_pointer_into_every_payload_is_answered_alike() {
    let mut compared = 0;
    for folder in ["adyen", "constructed", "github", "slack", "stripe"] {
        for file in files_in(&fixtures().join(folder)) {
            compared += agree(&fs::read(&file).unwrap()).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display()));
        }
    }
    assert!(compared > 5_000, "only {compared} pointers compared");
}

#[test]
fn the_json_test_suite_is_read_right() {
    let files = files_in(&fixtures().join("json_test_suite"));
    let json = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let mut accepted = 0;
    for file in json {
        let name = file.file_name().unwrap().to_str().unwrap();
        let body = fs::read(file).unwrap();
        accepted += agree(&body).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        if name.starts_with("n_") {
            let found = ["", "/0", "/1", "/a", "/b", "/x", "/foo"].map(|pointer| find_in(&body, pointer));
            assert!(
                found.iter().flatten().all(|text| stands_in(&body, text)),
                "{name}: {found:?} does not stand there"
            );
        }
    }
    assert!(accepted > 100, "only {accepted} pointers compared");
}

fn find_in(body: &[u8], pointer: &str) -> Option<Text> {
    json::find(body, &path_of(pointer))
}

/// A text of a malformed body is at least a whole token of it.
fn stands_in(body: &[u8], text: &Text) -> bool {
    let Text::Plain(range) = text else { return true };
    let token = &body[range.clone()];
    let quoted = body.get(range.start.wrapping_sub(1)) == Some(&b'"') && body.get(range.end) == Some(&b'"');
    quoted || serde_json::from_slice::<serde_json::Number>(token).is_ok()
}

proptest! {
    #[test]
    fn every_pointer_into_any_document_is_answered_alike(document in document(), pretty: bool) {
        let body = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        agree(body.as_bytes()).map_err(TestCaseError::fail)?;
        let escaped = with_all_escaped(&document);
        prop_assert_eq!(&serde_json::from_str::<Value>(&escaped).unwrap(), &document);
        agree(escaped.as_bytes()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_damaged_document_is_answered_alike_or_not_at_all(
        document in document(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let whole = serde_json::to_vec(&document).unwrap();
        let mut body = whole.clone();
        for (at, byte) in damages {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        agree(&body).map_err(TestCaseError::fail)?;
        // Pointers of the document as it was: whatever they find now, they must not panic.
        for (pointer, _) in pointers(&document) {
            let _ = json::find(&body, &pointer);
        }
    }

    #[test]
    fn a_cut_document_gives_the_text_of_the_whole_one_or_none(document in document(), cut: prop::sample::Index) {
        let whole = serde_json::to_vec(&document).unwrap();
        let cut = &whole[..cut.index(whole.len())];
        for (pointer, _) in pointers(&document).into_iter().filter(|(pointer, _)| !pointer.is_empty()) {
            let found = text_at(cut, &pointer);
            prop_assert!(found.is_none() || found == text_at(&whole, &pointer), "{:?} gives {:?}", pointer, found);
        }
    }

    #[test]
    fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300), path in prop::collection::vec("[a0]?", 0..3)) {
        let _ = json::find(&body, &path);
    }
}

pub(super) fn document() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![4 => "[a-z_.]{0,12}", 2 => r#"[\\"\[\]{},:/]{0,8}"#, 1 => any::<String>()];
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        // Eighths: `serde_json` reads other fractions only nearly right.
        1 => any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..8).prop_map(|members| Value::from(Map::from_iter(members))),
        ]
    })
}

/// What most likely changes the meaning of a document.
fn damage() -> impl Strategy<Value = u8> {
    prop_oneof![4 => prop::sample::select(br#""\{}[],:0-. etfn"#.as_slice()), 1 => any::<u8>()]
}

/// The document with every character of every string as a `\u` escape.
fn with_all_escaped(document: &Value) -> String {
    let string = |text: &str| {
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        format!("\"{units}\"")
    };
    match document {
        Value::String(text) => string(text),
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(with_all_escaped).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{}:{}", string(key), with_all_escaped(value))).collect();
            format!("{{{}}}", members.join(" , "))
        }
        scalar => scalar.to_string(),
    }
}
