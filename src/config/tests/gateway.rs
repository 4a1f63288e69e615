//! `[gateway]`, `[journal]`, `[process]` and `[[pool]]`.

use std::path::Path;
use std::time::Duration;

use super::{assert_mistake, config, read, read_in, text_file};
use crate::config::{ForwardedHeader, JournalConfig, ListenConfig, ProcessConfig, QuarantineConfig, RetainConfig};

fn plain(address: &str) -> ListenConfig {
    address.parse::<std::net::SocketAddr>().unwrap().into()
}

#[test]
fn what_is_not_written_has_a_default() {
    let config = config("");
    assert_eq!(config.gateway.listen, [plain("127.0.0.1:8080")]);
    assert_eq!(config.gateway.admin.unwrap().to_string(), "127.0.0.1:9090");
    assert_eq!((config.gateway.max_body, config.gateway.memory_budget), (1 << 20, 256 << 20));
    assert_eq!(config.gateway.idle_timeout, Duration::from_secs(75));
    assert_eq!(config.journal.dir, Path::new("data"));
    assert_eq!((config.journal.max_size, config.journal.segment_size), (100 << 30, 64 << 20));
    assert_eq!(config.journal.attempts, Some(256 << 20));
    assert_eq!(config.journal.retain, RetainConfig { age: Duration::from_hours(72), size: 20 << 30 });
    assert_eq!(config.pools[0].name, "default");
}

#[test]
fn everything_can_be_written() {
    let config = config(
        r#"
[gateway]
listen = ["0.0.0.0:80", "[::]:81"]
io_threads = 2
max_body = "2MiB"
memory_budget = "1GiB"
max_connections = 5
health_path = "/ready"
head_timeout = "1s"
body_timeout = "2s"
idle_timeout = "3s"
drain_delay = "0s"
drain_timeout = "5s"
admin = "127.0.0.1:9090"
admin_token = { env = "KEY" }
admin_hosts = ["Admin.Example.com"]
[journal]
dir = "/var/lib/hookgate"
max_size = "1GiB"
retain = { age = "0s", size = "1MiB" }
segment_size = "16MiB"
attempts = "off"
[[pool]]
name = "fast"
workers = 2
cpus = [4, 5]
spin = "50us"
"#,
    );
    let gateway = &config.gateway;
    assert_eq!((gateway.listen.len(), gateway.io_threads, gateway.max_connections), (2, Some(2), 5));
    assert_eq!((gateway.max_body, gateway.memory_budget), (2 << 20, 1 << 30));
    let admin = gateway.admin.as_ref().unwrap();
    assert_eq!(admin.token.as_ref().unwrap().expose(), b"hush-hush-hush-hush");
    assert_eq!(admin.hosts, ["admin.example.com"]);
    assert_eq!(
        config.journal,
        JournalConfig {
            dir: "/var/lib/hookgate".into(),
            max_size: 1 << 30,
            retain: RetainConfig { age: Duration::ZERO, size: 1 << 20 },
            segment_size: 16 << 20,
            attempts: None,
        }
    );
    assert_eq!((config.pools[1].workers, config.pools[1].spin), (Some(2), Duration::from_micros(50)));
    assert_eq!(config.pools[1].cpus, [4, 5]);
}

#[test]
fn the_data_directory_lies_beside_the_file() {
    let config = read_in(Path::new("/etc/hookgate"), "[journal]\ndir = \"here\"").unwrap();
    assert_eq!(config.journal.dir, Path::new("/etc/hookgate/here"));
}

#[test]
fn a_written_default_pool_comes_first_once() {
    let config = config("[[pool]]\nname = \"p\"\n[[pool]]\nname = \"default\"\nworkers = 3");
    let names: Vec<&str> = config.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["default", "p"]);
    assert_eq!(config.pools[0].workers, Some(3));
}

#[test]
fn a_host_name_is_not_an_address() {
    assert_mistake("[gateway]\nlisten = \"localhost:8081\"", 2, "not an address", "\"0.0.0.0:8081\"");
    assert_mistake("[gateway]\nlisten = \":8081\"", 2, "not an address", "\"0.0.0.0:8081\"");
}

#[test]
fn an_address_is_listened_on_once() {
    assert_mistake("[gateway]\nlisten = [\"127.0.0.1:1\",\n\"127.0.0.1:1\"]", 3, "twice", "once");
    assert_mistake(
        "[gateway]\nlisten = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:1\"",
        3,
        "`listen` has",
        "port of its own",
    );
}

#[test]
fn the_process_gives_up_what_is_not_asked_for() {
    assert_eq!(config("").process, ProcessConfig::default());
    let process = config("[process]\nallow_root = true\ncore_dumps = true").process;
    assert!(process.allow_root && process.core_dumps);
    assert_mistake("[process]\nalow_root = true", 2, "unknown key `alow_root`", "did you mean `allow_root`?");
}

#[test]
fn admin_can_be_left_out() {
    assert!(config("[gateway]\nadmin = false").gateway.admin.is_none());
    assert!(config("[gateway]\nadmin = \"off\"").gateway.admin.is_none());
    assert_mistake("[gateway]\nadmin = true", 2, "must be a string", "quotes");
}

#[test]
fn admin_that_others_can_reach_needs_a_token_and_tls() {
    let directory = tempfile::tempdir().unwrap();
    let pem = text_file(directory.path(), "pem", "");
    let tls = format!("admin_tls = {{ cert = \"{0}\", key = \"{0}\" }}", pem.display());
    let token = "admin_token = { env = \"KEY\" }";
    let open = |address: &str, keys: &str| format!("[gateway]\nadmin = \"{address}\"\n{keys}");
    for address in ["0.0.0.0:9090", "[::]:9090", "10.0.0.3:9090"] {
        for keys in ["", token, &tls] {
            assert_mistake(&open(address, keys), 2, "needs a token and TLS", "admin_token = { env");
        }
        assert!(read(&open(address, &format!("{token}\n{tls}"))).is_ok());
    }
    assert!(read(&open("[::1]:9090", "")).is_ok());
}

#[test]
fn admin_can_be_a_socket_in_the_file_system() {
    let gateway = config("[gateway]\nadmin = \"unix:/run/hookgate/admin.sock\"").gateway;
    assert_eq!(gateway.admin.unwrap().to_string(), "unix:/run/hookgate/admin.sock");
    assert_mistake("[gateway]\nadmin = \"unix:\"", 2, "names no socket", "unix:/run");
}

#[test]
fn admin_hosts_are_names() {
    for name in ["https://a.example", "a.example:9090", "*"] {
        let text = format!("[gateway]\nadmin_hosts = [\"{name}\"]");
        assert_mistake(&text, 2, "not the name of a host", "the name alone");
    }
}

#[test]
fn a_small_journal_keeps_half_of_itself_for_deliveries() {
    let journal = |keys: &str| config(&format!("[journal]\nmax_size = \"10GiB\"\n{keys}")).journal;
    assert_eq!(journal("").retain.size, 5 << 30);
    assert_eq!(journal("retain = { age = \"1d\" }").retain.size, 5 << 30);
}

#[test]
fn a_journal_has_room_for_what_must_be_delivered() {
    assert_mistake("[journal]\nmax_size = \"100MiB\"", 2, "room for 4 segments", "max_size = \"256MiB\"");
    assert_mistake("[journal]\nsegment_size = \"1KiB\"", 2, "too small", "\"1MiB\" or more");
    assert_mistake("[journal]\nattempts = \"1KiB\"", 2, "no room", "\"1MiB\" or more, or \"off\"");
    assert_mistake(
        "[journal]\nmax_size = \"1GiB\"\nretain = { size = \"1GiB\" }",
        3,
        "leaves no room",
        "a larger max_size",
    );
    assert_mistake("[journal]\nretain = { days = 3 }", 2, "unknown key `days`", "age, size");
}

#[test]
fn a_body_must_fit_into_the_budget() {
    assert_mistake("[gateway]\nmemory_budget = \"1MiB\"\nmax_body = \"2MiB\"", 3, "memory_budget", "smaller");
    assert_mistake("[gateway]\nmemory_budget = \"1KiB\"", 2, "max_body", "at least");
    assert_mistake("[gateway]\nmemory_budget = \"4GiB\"\nmax_body = \"2GiB\"", 3, "out of bounds", "\"1GiB\"");
}

#[test]
fn a_health_path_is_a_path() {
    assert_mistake("[gateway]\nhealth_path = \"healthz\"", 2, "not a path", "/healthz");
}

#[test]
fn a_limit_is_more_than_nothing() {
    assert_mistake("[gateway]\nhead_timeout = \"0s\"", 2, "more than nothing", "5s");
}

#[test]
fn a_pool_names_each_core_once() {
    assert_mistake("[[pool]]\nname = \"p\"\ncpus = [1, 1]", 3, "twice", "once");
}

#[test]
fn an_idle_pool_is_warned_of() {
    let config = config("[[pool]]\nname = \"p\"");
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].what.contains("no route uses"), "{}", config.warnings[0]);
}

#[test]
fn an_address_may_have_tls_of_its_own_or_that_of_the_gateway() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["a.pem", "a.key", "b.pem", "b.key", "ca.pem"] {
        super::text_file(directory.path(), file, "");
    }
    let listen = |text: &str| read_in(directory.path(), &format!("[gateway]\n{text}")).unwrap().gateway.listen;
    let both = r#"
listen = ["127.0.0.1:8443", { address = "127.0.0.1:8080" }]
tls = { cert = "a.pem", key = "a.key", client_ca = "ca.pem" }"#;
    let [with, without] = listen(both).try_into().unwrap();
    let tls = with.tls.unwrap();
    assert_eq!(tls.certificates[0].cert, directory.path().join("a.pem"));
    assert_eq!(tls.client_ca, Some(directory.path().join("ca.pem")));
    assert_eq!(without, plain("127.0.0.1:8080"));

    let own = r#"
trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
forwarded_header = "Forwarded"
listen = { address = "[::]:443", proxy_protocol = true, tls = { certificates = [{ cert = "a.pem", key = "a.key" }, { cert = "b.pem", key = "b.key" }] } }"#;
    let gateway = read_in(directory.path(), &format!("[gateway]\n{own}")).unwrap().gateway;
    assert_eq!(gateway.listen[0].tls.as_ref().unwrap().certificates.len(), 2);
    assert!(gateway.listen[0].proxy_protocol);
    assert_eq!(gateway.trusted_proxies.len(), 2);
    assert_eq!(gateway.forwarded_header, ForwardedHeader::Forwarded);
    assert!(listen("tls = { cert = \"a.pem\", key = \"a.key\" }")[0].tls.is_some(), "for the default address too");
}

#[test]
fn listeners_that_cannot_be_meant_are_mistakes() {
    let one = |text: &str, what: &str, help: &str| assert_mistake(&format!("[gateway]\n{text}\n"), 2, what, help);
    one("listen = { address = \"0.0.0.0:1\", proxy = true }", "unknown key `proxy`", "known here");
    one("listen = { tls = 1, address = \"0.0.0.0:1\" }", "must be a table", "write {");
    one("listen = { proxy_protocol = false }", "`address` is missing", "8443");
    one("tls = { cert = \"/nowhere.pem\", key = \"Cargo.toml\" }", "cannot be read", "name a file");
    one("tls = { cert = \"Cargo.toml\" }", "`key` is missing", "key.pem");
    one("trusted_proxies = \"10.0.0.1/8\"", "does not begin", "10.0.0.0/8");
    one("trusted_proxies = \"ten\"", "neither an address", "192.0.2.0/24");
    one("forwarded_header = \"Forwarded\"", "nobody is believed", "trusted_proxies");
    let proxy = "[gateway]\nlisten = { address = \"0.0.0.0:1\", proxy_protocol = true }\n";
    assert_mistake(proxy, 1, "lets whoever connects choose", "trusted_proxies");
    let unused =
        "[gateway]\ntls = { cert = \"Cargo.toml\", key = \"Cargo.toml\" }\nlisten = { address = \"0.0.0.0:1\" }\n";
    assert_mistake(unused, 2, "no address takes this", "within `listen`");
}

#[test]
fn an_address_has_a_quarter_of_the_connections_or_some_hundred_unless_it_is_said() {
    let gateway = |text: &str| config(&format!("[gateway]\n{text}")).gateway;
    assert_eq!(gateway("").max_connections_per_address, 2_500);
    assert_eq!(gateway("max_connections = 2001").max_connections_per_address, 501);
    assert_eq!(gateway("max_connections = 2").max_connections_per_address, 256);
    let written = gateway("max_connections_per_address = 7\nmax_requests_per_address = 8");
    assert_eq!((written.max_connections_per_address, written.max_requests_per_address), (7, 8));
}

#[test]
fn a_quarantine_is_there_where_a_source_is_durable_or_it_is_written() {
    let durable = "[[source]]\nname = \"s\"\nauth = \"none\"";
    let quarantine = config(durable).quarantine.unwrap();
    let defaults = QuarantineConfig {
        dir: "data/quarantine".into(),
        max_size: 64 << 20,
        max_events: 10_000,
        max_age: Duration::from_hours(168),
    };
    assert_eq!(quarantine, defaults);
    assert_eq!(config(&format!("{durable}\nack = \"memory\"")).quarantine, None);
    assert_eq!(config(&format!("[quarantine]\nmax_size = \"off\"\n{durable}")).quarantine, None);
    let written = config("[quarantine]\nmax_size = \"1MiB\"\nmax_events = 7\nmax_age = \"1h\"").quarantine.unwrap();
    assert_eq!((written.max_size, written.max_events, written.max_age), (1 << 20, 7, Duration::from_hours(1)));
    assert_mistake("[quarantine]\nmax_size = \"1KiB\"", 2, "no room", "\"1MiB\" or more");
    assert_mistake("[quarantine]\nmax_events = 0", 2, "out of bounds", "from 1 to");
    assert_mistake("[quarantine]\nage = \"1d\"", 2, "unknown key", "max_age");
}
