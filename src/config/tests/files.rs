//! The main file and `routes.d` beside it, from a directory.

use std::path::Path;

use super::text_file;
use crate::config::{Config, Problems, SinkConfig};

const MAIN: &str = "[[source]]\nname = \"a\"\nauth = \"none\"\nack = \"memory\"\n";

fn route(name: &str) -> String {
    format!("[[route]]\nname = \"{name}\"\nfrom = {{ source = \"a\" }}\nto = \"stdout\"\n")
}

fn load(files: &[(&str, &str)]) -> Result<Config, Problems> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        text_file(directory.path(), name, text);
    }
    Config::load(&directory.path().join("hookgate.toml"))
}

#[test]
fn route_files_are_read_by_name_after_the_main_file() {
    let main = format!("{MAIN}{}", route("main"));
    let (b, c) = (route("b"), route("c"));
    let config = load(&[("hookgate.toml", &main), ("routes.d/2.toml", &c), ("routes.d/1.toml", &b)]).unwrap();
    let names: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["main", "b", "c"]);
}

#[test]
fn a_route_file_may_bring_its_pool() {
    let file = format!("[[pool]]\nname = \"p\"\n{}pool = \"p\"\n", route("r"));
    let config = load(&[("hookgate.toml", MAIN), ("routes.d/r.toml", &file)]).unwrap();
    assert_eq!(config.routes[0].pool, 1);
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let config = load(&[
        ("hookgate.toml", MAIN),
        ("routes.d/.r.toml", "broken"),
        ("routes.d/r.toml.bak", "broken"),
        ("routes.d/README", "broken"),
    ]);
    assert!(config.is_ok());
}

#[test]
fn a_route_file_holds_only_routes_and_pools() {
    let problems = load(&[("hookgate.toml", MAIN), ("routes.d/r.toml", "[gateway]\n")]).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert!(problem.file.ends_with("routes.d/r.toml"));
    assert!(problem.help.contains("in the main file"), "{problem}");
}

#[test]
fn a_name_that_another_file_has_names_that_file() {
    let main = format!("{MAIN}{}", route("r"));
    let problems = load(&[("hookgate.toml", &main), ("routes.d/r.toml", &route("r"))]).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert!(problem.what.contains("line 6 of ") && problem.what.contains("hookgate.toml"), "{problem}");
}

#[test]
fn paths_in_route_files_start_beside_the_main_file() {
    let file = "[[route]]\nname = \"r\"\nfrom = { source = \"a\" }\nto = { file = \"out.jsonl\" }";
    let directory = tempfile::tempdir().unwrap();
    let main = text_file(directory.path(), "hookgate.toml", MAIN);
    text_file(directory.path(), "routes.d/r.toml", file);
    let config = Config::load(&main).unwrap();
    let SinkConfig::File(sink) = &config.routes[0].to else { panic!("no file") };
    assert_eq!(sink.path, directory.path().join("out.jsonl"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = load(&[]).unwrap_err().to_string();
    assert!(problems.contains("hookgate.toml: the file cannot be read"), "{problems}");
}

#[test]
fn text_is_read_as_a_file_of_that_name() {
    let config = Config::parse(MAIN, Path::new("/etc/hookgate.toml")).unwrap();
    assert_eq!(config.journal.dir, Path::new("/etc/data"));
    let problems = Config::parse("x = 1", Path::new("/etc/hookgate.toml")).unwrap_err();
    assert!(problems.to_string().starts_with("/etc/hookgate.toml:1:1: unknown key `x`"), "{problems}");
}

#[test]
fn broken_files_are_reported_together() {
    let problems = load(&[("hookgate.toml", "a ="), ("routes.d/r.toml", "b =")]).unwrap_err();
    assert_eq!(problems.iter().count(), 2, "{problems}");
}
