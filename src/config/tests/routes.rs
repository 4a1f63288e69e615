//! `[[route]]`.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::{assert_mistake, config, route, source};
use crate::config::{
    BacklogConfig, BacklogFull, Comparison, Fill, From, FromStart, HttpAuth, Number, Reach, RouteConfig, Scalar,
    SinkConfig, Test, TypePattern, WhenFull,
};

fn read_route(keys: &str) -> RouteConfig {
    config(&route(keys)).routes.remove(0)
}

fn http(keys: &str) -> String {
    route(&format!("to = {{ http = \"https://example.com/in\", {keys} }}"))
}

#[test]
fn a_route_has_defaults() {
    let route = read_route("");
    assert_eq!(route.from, [From { source: 0, types: vec![TypePattern::Any] }]);
    assert_eq!((route.pool, route.in_flight, route.batch, route.max_rate), (0, 64, None, None));
    assert_eq!((route.queue.events, route.queue.bytes), (10_000, 64 << 20));
    assert_eq!((route.when_full, route.from_start), (WhenFull::Drop, FromStart::Now));
    assert_eq!((route.retry.attempts, route.retry.max), (12, Duration::from_mins(15)));
    assert_eq!((route.retry.final_statuses.len(), route.max_parked), (4, 100_000));
    assert_eq!((route.breaker.failures, route.breaker.pause_after_dead), (10, 100));
}

#[test]
fn everything_can_be_written() {
    let route = read_route(
        r#"
signed_type = false
pool = "default"
in_flight = 2
max_rate = 100
queue = { events = 5, bytes = "1MiB" }
when_full = "refuse"
from_start = "oldest"
max_parked = 9
retry = { attempts = 3, first = "10ms", max = "1s", age = "1m", final = [] }
breaker = { failures = 2, probe_every = "1s", pause_after_dead = 7 }
to = { http = "http://127.0.0.1:9001/x", headers = { X-Tenant = "t", X-Key = { env = "KEY" } }, basic = { user = "u", password = { env = "KEY" } }, sign = [{ env = "WHSEC" }], timeout = "1s", connect_timeout = "100ms" }
"#,
    );
    assert_eq!((route.in_flight, route.max_rate, route.when_full), (2, Some(100), WhenFull::Refuse));
    assert_eq!(route.retry.final_statuses, Vec::<StatusCode>::new());
    assert_eq!((route.breaker.failures, route.from_start, route.max_parked), (2, FromStart::Oldest, 9));
    let SinkConfig::Http(sink) = route.to else { panic!("no http") };
    assert_eq!(sink.url.host(), Some("127.0.0.1"));
    let tenant = sink.headers.iter().find(|(name, _)| *name == HeaderName::from_static("x-tenant"));
    assert!(matches!(tenant, Some((_, Fill::Text(text))) if text == "t"));
    assert!(matches!(sink.auth, Some(HttpAuth::Basic { ref user, .. }) if user == "u"));
    assert_eq!((sink.sign.len(), sink.timeout), (1, Duration::from_secs(1)));
}

#[test]
fn patterns_of_types_are_told_apart() {
    let exact = |text: &str| TypePattern::Exact(text.to_owned());
    let glob = |text: &str| TypePattern::Glob(text.to_owned());
    for (text, pattern) in [
        ("*", TypePattern::Any),
        ("a.b", exact("a.b")),
        ("a.*", TypePattern::Under("a.".to_owned())),
        ("a.b.*", TypePattern::Under("a.b.".to_owned())),
        ("a*", glob("a*")),
        ("*.b", glob("*.b")),
        ("*.*", glob("*.*")),
    ] {
        assert_eq!(TypePattern::parse(text), pattern, "{text}");
    }
}

#[test]
fn a_star_stands_for_all_sources() {
    let text = format!(
        "{}[[source]]\nname = \"b\"\nauth = \"none\"\nack = \"memory\"\n[[route]]\nname = \"r\"\nfrom = [{{ source = \"*\", types = \"x\" }}]\nto = \"stdout\"",
        source("auth = \"none\"")
    );
    let config = config(&text);
    let sources: Vec<usize> = config.routes[0].from.iter().map(|from| from.source).collect();
    assert_eq!(sources, [0, 1]);
    assert!(config.warnings.is_empty());
}

#[test]
fn a_route_takes_from_a_source_that_exists() {
    let text = |name: &str| {
        format!(
            "{}[[source]]\nname = \"github\"\nauth = \"none\"\nack = \"memory\"\n[[route]]\nname = \"r\"\nfrom = {{ source = \"{name}\" }}\nto = \"stdout\"",
            source("auth = \"none\"")
        )
    };
    assert_mistake(&text("gitub"), 11, "no source \"gitub\"", "did you mean \"github\"?");
    assert_mistake(&text("stripe"), 11, "no source \"stripe\"", "known: a, github");
}

#[test]
fn a_route_belongs_to_a_pool_that_exists() {
    assert_mistake(&route("pool = \"defualt\""), 8, "no pool \"defualt\"", "did you mean \"default\"?");
    assert_mistake(&route("pool = \"fast\""), 8, "no pool \"fast\"", "[[pool]]");
}

#[test]
fn a_list_of_types_is_not_empty() {
    let text = |types: &str| route("").replace("source = \"a\" }", &format!("source = \"a\", types = {types} }}"));
    assert_mistake(&text("[]"), 7, "the list is empty", "leave the key out");
    assert_mistake(&text("[\"\"]"), 7, "the value is empty", "at least one character");
}

#[test]
fn a_backlog_is_half_of_the_journal_unless_said_otherwise() {
    assert_eq!(read_route("").backlog, BacklogConfig { size: 50 << 30, when_full: BacklogFull::RefuseSource });
    let text = format!("{}[journal]\nmax_size = \"8GiB\"", route("backlog = { when_full = \"drop_oldest\" }"));
    let backlog = BacklogConfig { size: 4 << 30, when_full: BacklogFull::DropOldest };
    assert_eq!(config(&text).routes[0].backlog, backlog);
    assert_eq!(read_route("backlog = { size = \"20GiB\" }").backlog.size, 20 << 30);
}

#[test]
fn a_backlog_has_a_size_that_the_journal_can_hold_and_a_way_to_be_full() {
    assert_mistake(&route("backlog = { size = \"100GiB\" }"), 8, "full before this is", "\"100GiB\"");
    assert_mistake(&route("backlog = { size = 5 }"), 8, "needs a unit", "\"5B\"");
    assert_mistake(&route("backlog = \"20GiB\""), 8, "must be a table", "{ key = value");
    assert_mistake(&route("backlog = { max_size = \"1GiB\" }"), 8, "unknown key `max_size`", "size, when_full");
    assert_mistake(&route("backlog = { when_full = \"drop\" }"), 8, "not known", "\"drop_oldest\"");
}

#[test]
fn a_backlog_is_for_events_in_the_journal() {
    let text = route("backlog = { size = \"1GiB\" }");
    let warnings = config(&text).warnings;
    assert_eq!((warnings.len(), warnings[0].line), (1, 8));
    assert!(warnings[0].what.contains("nothing waits in the journal"), "{}", warnings[0]);
    assert!(config(&text.replace("ack = \"memory\"", "ack = \"durable\"")).warnings.is_empty());
}

#[test]
fn a_new_route_may_start_at_a_time() {
    let FromStart::At(time) = read_route("from_start = \"2026-11-25T08:30:00Z\"").from_start else { panic!("no time") };
    assert_eq!(humantime::format_rfc3339_seconds(time).to_string(), "2026-11-25T08:30:00Z");
    for wrong in ["2026-11-25", "2026-11-25T08:30:00+01:00", "2026-13-25T08:30:00Z", "5m"] {
        assert_mistake(&route(&format!("from_start = \"{wrong}\"")), 8, "not a time", "2026-11-25T08:30:00Z");
    }
}

#[test]
fn a_new_route_starts_now_or_with_the_oldest() {
    assert_mistake(&route("from_start = \"oldets\""), 8, "not known", "did you mean \"oldest\"?");
}

#[test]
fn when_full_is_for_events_in_memory() {
    let text = route("when_full = \"drop\"");
    assert!(config(&text).warnings.is_empty());
    let warnings = config(&text.replace("ack = \"memory\"", "ack = \"durable\"")).warnings;
    assert_eq!((warnings.len(), warnings[0].line), (1, 8));
    assert!(warnings[0].what.contains("wait in the journal"), "{}", warnings[0]);
}

#[test]
fn a_wait_can_still_grow() {
    assert_mistake(&route("retry = { first = \"2s\", max = \"1s\" }"), 8, "longer than `max`", "1s");
}

#[test]
fn a_success_is_not_final() {
    assert_mistake(&route("retry = { final = [200] }"), 8, "200 is out of bounds", "300 to 599");
}

#[test]
fn a_route_goes_somewhere() {
    assert_mistake(&route("to = \"stdot\""), 8, "not known", "did you mean \"stdout\"?");
    assert_mistake(&route("to = {}"), 8, "not said where", "\"stdout\"");
    assert_mistake(&route("to = 5"), 8, "must be a processor", "\"stdout\"");
    assert_mistake(&route("to = { http = \"http://h/\", file = \"f\" }"), 8, "stands beside", "only one");
}

#[test]
fn an_address_is_one_of_an_http_server() {
    for (url, what, help) in [
        ("127.0.0.1:80", "not the address", "http://127.0.0.1"),
        ("/path", "not the address", "http://127.0.0.1"),
        ("ftp://h/", "not the address", "http://127.0.0.1"),
        ("http://a b/", "not an address", "http://127.0.0.1"),
        ("http://u:p@h/", "credentials", "basic = {"),
        ("http://h/#f", "fragment", "'#'"),
    ] {
        assert_mistake(&route(&format!("to = {{ http = \"{url}\" }}")), 8, what, help);
    }
}

#[test]
fn headers_that_hookgate_writes_are_its_own() {
    for name in ["Webhook-Id", "hookgate-type", "Content-Length", "Host", "Transfer-Encoding", "Connection"] {
        assert_mistake(&http(&format!("headers = {{ {name} = \"x\" }}")), 8, "hookgate itself writes", "another name");
    }
    assert_mistake(&http("headers = { \"X Y\" = \"x\" }"), 8, "not a header name", "hyphens");
    assert_mistake(&http("headers = { X-A = \"x\", x-a = \"y\" }"), 8, "there twice", "once");
    assert_mistake(
        &http("bearer = { env = \"KEY\" }, headers = { Authorization = { env = \"KEY\" } }"),
        8,
        "writes this header",
        "one",
    );
}

#[test]
fn credentials_are_secrets_in_headers_too() {
    assert_mistake(&http("headers = { Authorization = \"x\" }"), 8, "may not stand in the file", "{ env");
}

#[test]
fn credentials_for_a_processor_are_of_one_kind() {
    let both = "bearer = { env = \"KEY\" }, basic = { user = \"u\", password = { env = \"KEY\" } }";
    assert_mistake(&http(both), 8, "`bearer` stands beside `basic`", "only one");
}

#[test]
fn tls_has_its_files() {
    assert_mistake(&http("tls = { ca = \"/absent.pem\" }"), 8, "/absent.pem cannot be read", "may read");
    assert_mistake(&http("tls = { cert = \"/dev/null\" }"), 8, "belong together", "key = ");
    assert_mistake(&route("to = { http = \"http://h/\", tls = {} }"), 8, "has no TLS", "https://");
}

#[test]
fn a_key_for_signing_is_base64() {
    assert_mistake(&http("sign = { env = \"KEY\" }"), 8, "not base64", "prefix");
}

fn second(keys: &str) -> String {
    format!("[[route]]\nname = \"s\"\nfrom = {{ source = \"a\" }}\n{keys}\n")
}

#[test]
fn a_handler_shares_its_pool_only_with_handlers() {
    let text = format!("{}{}", route("to = \"handler\""), second("to = \"stdout\""));
    assert_mistake(&text, 6, "would stop the route on line 11", "[[pool]] of its own");
    config(&format!("{}{}", route("to = \"handler\""), second("to = \"handler\"")));
    config(&format!("{}{}[[pool]]\nname = \"p\"", route("to = \"handler\""), second("to = \"stdout\"\npool = \"p\"")));
}

#[test]
fn a_file_belongs_to_one_route() {
    let text = format!("{}{}", route("to = { file = \"f\" }"), second("to = { file = \"f\" }"));
    assert_mistake(&text, 11, "route on line 6 writes to the same file", "its own file");
}

#[test]
fn a_file_has_its_limits() {
    let SinkConfig::File(file) = read_route("to = { file = \"f\", rotate = \"1MiB\", keep = 0 }").to else {
        panic!("no file")
    };
    assert_eq!((file.rotate, file.keep), (1 << 20, 0));
    assert_mistake(&route("to = { file = \"f\", rotat = \"1MiB\" }"), 8, "unknown key `rotat`", "`rotate`");
}

#[test]
fn a_demand_that_no_event_meets_is_warned_of() {
    let warnings = config(&route("signed_type = true")).warnings;
    assert_eq!((warnings.len(), warnings[0].line), (1, 8));
    assert!(warnings[0].what.contains("takes nothing from it"), "{}", warnings[0]);
}

#[test]
fn what_a_body_must_say_can_be_written() {
    let route = read_route(
        r#"where = [{ json = "/a/b", ge = 1, lt = 2.5 }, { json = "/c", one_of = ["x", 3, true] }, { json = "/d", exists = false }, { json = "/e", prefix = "in_" }]"#,
    );
    let [between, one_of, absent, prefix] = route.conditions.as_slice() else { panic!("{:?}", route.conditions) };
    assert_eq!(between.member.to_string(), "/a/b");
    let bounds = [Test::Compares(Comparison::Ge, Number::Whole(1)), Test::Compares(Comparison::Lt, Number::Float(2.5))];
    assert_eq!(between.tests, bounds);
    let scalars = vec![Scalar::Text("x".to_owned()), Scalar::Number(Number::Whole(3)), Scalar::Flag(true)];
    assert_eq!(one_of.tests, [Test::OneOf(scalars)]);
    assert_eq!(absent.tests, [Test::Exists(false)]);
    assert_eq!(prefix.tests, [Test::Prefix("in_".to_owned())]);
    assert_eq!(read_route(r#"where = { json = "/a", eq = "x" }"#).conditions.len(), 1);
    assert!(read_route("").conditions.is_empty());
}

#[test]
fn a_condition_that_says_nothing_or_nonsense_is_refused() {
    let condition = |inner: &str| route(&format!("where = [{{ {inner} }}]"));
    assert_mistake(&condition(r#"json = "/a""#), 8, "not said what", "exists = true");
    assert_mistake(&condition("gt = 1"), 8, "`json` is missing", "/data/amount");
    assert_mistake(&condition(r#"json = "a", gt = 1"#), 8, "does not point to a member", "slash");
    assert_mistake(&condition(r#"json = "/a", gt = "1""#), 8, "must be a number", "without quotes");
    assert_mistake(&condition(r#"json = "/a", eq = []"#), 8, "must be a string, a number, true or false", "10000");
    assert_mistake(&condition(r#"json = "/a", exists = 1"#), 8, "true or false", "without quotes");
    assert_mistake(&condition(r#"json = "/a", one_of = []"#), 8, "the list is empty", "at least one");
    assert_mistake(&condition(r#"json = "/a", gt = 1, gtt = 2"#), 8, "unknown key `gtt`", "`gt`");
    assert_mistake(&route("where = []"), 8, "the list is empty", "leave the key out");
}

#[test]
fn a_queue_that_is_smaller_than_a_request_is_warned_of() {
    let text = |keys: &str| route(keys).replace("auth = \"none\"", "auth = \"none\"\nsplit = \"\"");
    let warning =
        |keys: &str| config(&text(keys)).warnings.into_iter().next().map(|warning| (warning.line, warning.what));
    let refusing = warning("queue = { events = 9999 }\nwhen_full = \"refuse\"").unwrap();
    assert_eq!(refusing.0, 9);
    assert!(refusing.1.contains("more than 9999 events is refused each time"), "{}", refusing.1);
    assert!(warning("queue = { events = 9999 }").unwrap().1.contains("loses those beyond"));
    assert_eq!(warning("queue = { events = 10000 }"), None);
    let durable = text("queue = { events = 10 }").replace("\"memory\"", "\"durable\"");
    assert_eq!(config(&durable).warnings, []);
    assert_eq!(config(&route("queue = { events = 10 }")).warnings, []);
}

#[test]
fn private_addresses_are_denied_for_all_or_for_one() {
    let reach = |gateway: &str, keys: &str| {
        let SinkConfig::Http(sink) = config(&format!("{gateway}{}", http(keys))).routes.remove(0).to else {
            panic!("no http")
        };
        sink.reach
    };
    let all = "[gateway]\ndeny_private = true\n";
    let denying = Reach { deny_private: true, allow: Vec::new() };
    assert_eq!(reach("", "timeout = \"1s\""), Reach::default());
    assert_eq!(reach("", "deny_private = true"), denying);
    assert_eq!(reach(all, "timeout = \"1s\""), denying);
    assert_eq!(reach(all, "deny_private = false"), Reach::default());
    let allow = vec!["10.0.0.0/8".parse().unwrap()];
    assert_eq!(reach(all, "allow = \"10.0.0.0/8\""), Reach { allow, ..denying });

    let without = "nothing is refused without deny_private";
    assert_mistake(&http("allow = \"10.0.0.1\""), 8, without, "deny_private = true");
    let text = http("allow = \"10.0.0.1\", deny_private = false");
    assert_mistake(&text, 8, without, "deny_private = true");
    assert_mistake(&http("allow = \"10.0.0.1\", deny_private = \"true\""), 8, "true or false", "without quotes");
}

#[test]
fn a_batch_is_for_requests() {
    assert_eq!(read_route("batch = 64\nto = { http = \"https://example.com/in\" }").batch, Some(64));
    for to in ["\"discard\"", "{ file = \"events.jsonl\" }", "\"stdout\"", "\"handler\""] {
        assert_mistake(&route(&format!("batch = 64\nto = {to}")), 8, "only a request", "leave it out");
    }
    for batch in [0, 1_001] {
        let keys = format!("batch = {batch}\nto = {{ http = \"https://example.com/in\" }}");
        assert_mistake(&route(&keys), 8, "out of bounds", "from 1 to 1000");
    }
    let keys = "batch = 64\nto = { http = \"nowhere\" }";
    assert_mistake(&route(keys), 9, "not the address", "scheme, host and path");
}
