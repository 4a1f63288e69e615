//! What the walk over JSON answers, against `serde_json` reading the same bytes; what is found in XML.

#![allow(clippy::unwrap_used)]

mod against_serde_json;

mod malformed;

mod members;

mod split;

mod xml;

use std::fs;
use std::path::{Path, PathBuf};

use super::agreement::text_at;
use super::json;
use super::text::Text;

fn path_of(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
}

fn find(body: &str, pointer: &str) -> Option<String> {
    text_at(body.as_bytes(), &path_of(pointer))
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
