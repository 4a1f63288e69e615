//! Mistakes that any key can have, and many of them at once.

use proptest::prelude::*;

use super::{assert_mistake, config, problems, read, route, source};

#[test]
fn an_empty_file_is_a_configuration() {
    let config = config("");
    assert!(config.sources.is_empty() && config.routes.is_empty());
    assert_eq!(config.pools.len(), 1);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    assert_mistake("[gateway]\nmax_boddy = \"1MiB\"", 2, "unknown key `max_boddy`", "did you mean `max_body`?");
    assert_mistake("[gatway]\n", 1, "unknown key `gatway`", "did you mean `gateway`?");
}

#[test]
fn an_unknown_key_that_is_near_none_is_answered_with_all() {
    assert_mistake("[[pool]]\nname = \"p\"\ncolour = 1", 3, "unknown key `colour`", "name, workers, cpus, spin");
}

#[test]
fn an_unknown_key_in_an_inline_table_is_found() {
    assert_mistake(&route("queue = { event = 5 }"), 8, "unknown key `event`", "did you mean `events`?");
}

#[test]
fn a_value_of_another_type_is_refused() {
    assert_mistake("[gateway]\nlisten = 8080", 2, "must be a string, not an integer", "double quotes");
    assert_mistake("[gateway]\nmax_connections = \"5\"", 2, "must be a whole number, not a string", "1 to 1000000");
    assert_mistake("gateway = 5", 1, "must be a table, not an integer", "{ key = value");
    assert_mistake("[source]\nname = \"a\"", 1, "not a list of tables", "[[source]]");
}

#[test]
fn a_number_out_of_bounds_is_refused() {
    assert_mistake("[gateway]\nmax_connections = 0", 2, "0 is out of bounds", "from 1 to");
    assert_mistake("[gateway]\nmax_connections = -1", 2, "-1 is out of bounds", "from 1 to");
    assert_mistake("[gateway]\nmax_connections = 99999999999999999999", 2, "out of bounds", "from 1 to");
}

#[test]
fn another_unit_is_answered_with_the_right_one() {
    assert_mistake("[gateway]\nhead_timeout = \"5 sec\"", 2, "not a duration", "write \"5s\"");
    assert_mistake("[gateway]\nhead_timeout = 5", 2, "needs a unit", "write \"5s\"");
    assert_mistake("[gateway]\nmax_body = \"1mib\"", 2, "not a size", "write \"1MiB\"");
    assert_mistake("[gateway]\nmax_body = 1024", 2, "needs a unit", "write \"1024B\"");
}

#[test]
fn a_word_that_is_not_known_is_answered_with_those_that_are() {
    assert_mistake(&route("when_full = \"dropp\""), 8, "not known", "did you mean \"drop\"?");
    assert_mistake(&route("when_full = \"wait\""), 8, "not known", "\"drop\" or \"refuse\"");
}

#[test]
fn a_missing_key_is_shown_as_it_is_written() {
    assert_mistake("[[pool]]\nworkers = 1", 1, "`name` is missing", "name = \"…\"");
}

#[test]
fn a_name_must_be_fit_for_a_file() {
    for name in ["a/b", "..", ".hidden", "", "a b", "é"] {
        assert_mistake(&format!("[[pool]]\nname = \"{name}\""), 2, "cannot be that of a file", "letters, digits");
    }
}

#[test]
fn a_name_that_is_taken_names_the_line_of_the_first() {
    let text = "[[pool]]\nname = \"p\"\n\n[[pool]]\nname = \"p\"";
    let problems = problems(text);
    assert_eq!(problems[0].line, 5);
    assert!(problems[0].what.contains("taken on line 2"), "{}", problems[0]);
}

#[test]
fn broken_syntax_is_reported_with_its_line() {
    assert_mistake("[gateway]\nlisten = \"a", 2, "", "mend the TOML");
    assert_mistake("[gateway]\nmax_body = \"1B\"\nmax_body = \"1B\"", 3, "duplicate key", "once");
}

#[test]
fn several_lines_of_broken_syntax_are_reported_together() {
    let lines: Vec<usize> = problems("a = \n[gateway]\nb = = 1\nc = 2\nd = \"").iter().map(|it| it.line).collect();
    assert_eq!(lines, [1, 3, 5]);
}

#[test]
fn a_problem_reads_as_place_key_sentence_and_help() {
    let problems = read("[[pool]]\nname = \"p\"\nspin = 5").unwrap_err();
    let lines = ["hookgate.toml:3:8: [[pool]] \"p\": spin: a duration needs a unit", "    write \"5s\" for seconds"];
    assert_eq!(problems.to_string(), lines.join("\n"));
}

#[test]
fn ten_mistakes_are_reported_at_once_by_line() {
    let text = r#"
[gateway]
listen = "localhost"
max_body = "1 MB"
head_timeout = 5
speed = "high"

[[source]]
name = "github"
preset = "githup"
secret = "hunter2"

[[source]]
name = "github"
path = "/hooks/github"
auth = "none"
ack = "disk"

[[route]]
name = "r"
from = { source = "gitub" }
pool = "fast"
to = "stdin"
"#;
    let problems = problems(text);
    let found: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    // Line 14 has the name of line 9 and line 15 its path.
    assert_eq!(found, [3, 4, 5, 6, 10, 11, 14, 15, 17, 21, 22, 23], "{problems:#?}");
    assert!(problems.iter().all(|problem| !problem.help.is_empty() && !problem.what.is_empty()));
}

#[test]
fn columns_count_characters() {
    let problems = problems("[[pool]]\n\"é\" = 1\nname = \"p\"");
    assert_eq!((problems[0].line, problems[0].column), (2, 1));
    let problems =
        super::problems(&source("auth = \"none\"\nreply = { body = \"é\", bdoy = 1, content_type = \"text/plain\" }"));
    assert_eq!((problems[0].line, problems[0].column), (5, 23));
}

/// Text made of what configurations are made of, so that it often gets past the parser.
fn configuration_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "\\[\\[?(gateway|journal|source|route|pool)\\]\\]?",
        "(name|path|listen|from|to|secret|hmac|reply|event_type|types|max_body|deadline|queue|cpus) = [0-9]{1,3}",
        "(name|path|from|to|preset|ack|auth|types|spin|when_full) = \"[a-z/{}*.0-9é]{0,8}\"",
        "(hmac|from|to|event_type|reply|queue|basic|handshake|token|signature|jwt) = \\{ (header|source|http|json|signed|body|file) = \"[a-z/{}~:é]{0,9}\" \\}",
        "(from|event_type|secret|keep_headers|cpus) = \\[(\"a\"|1|\\{\\}|\\[\\])?\\]",
        "\\PC{0,12}",
    ];
    prop::collection::vec(line, 0..16).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), configuration_like()]) {
        if let Err(problems) = read(&text) {
            prop_assert!(problems.iter().count() > 0);
            prop_assert!(!problems.to_string().is_empty());
        }
    }
}
