//! The admin listener: who reaches it, what must be shown, and the commands that do.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use crate::client::Client;
use crate::commands::{Ended, command, dir_with, end, hookgate};
use crate::encrypted::{Authority, encrypt};
use crate::gateway::{Gateway, wait_until};

const CONFIG: &str = r#"
[[source]]
name = "shop"
auth = "none"
[[route]]
name = "r"
from = { source = "shop" }
to = "discard"
"#;

const TOKEN: &str = "a-token-that-nobody-can-guess";

const ENCRYPTED: &str = r#"
admin = "127.0.0.1:0"
admin_token = { file = "token" }
admin_tls = { cert = "admin.pem", key = "admin.key" }
admin_hosts = ["admin.example"]
"#;

/// One that others could reach, but for its address.
fn encrypted(authority: &Authority) -> Gateway {
    Gateway::start_listening(ENCRYPTED, CONFIG, |dir| {
        authority.write(dir, "admin", "admin.example");
        std::fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
        write_token(dir, TOKEN);
    })
}

fn write_token(dir: &Path, token: &str) {
    std::fs::write(dir.join("token"), token).unwrap();
    std::fs::set_permissions(dir.join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The status of a request to it, by TLS.
fn status(gateway: &Gateway, authority: &Authority, path: &str, headers: &str) -> u16 {
    let config = Arc::new(authority.client(&["h2", "http/1.1"]));
    let mut client = Client::over(encrypt(gateway.admin, &config, "admin.example").unwrap());
    client.send(format!("GET {path} HTTP/1.1\r\n{headers}\r\n").as_bytes());
    client.answer().unwrap().status
}

#[test]
fn behind_tls_everything_but_health_wants_the_token_and_a_known_name() {
    let authority = Authority::new();
    let gateway = encrypted(&authority);
    let ask = |path: &str, headers: &str| status(&gateway, &authority, path, headers);
    let right = format!("authorization: Bearer {TOKEN}\r\n");
    for path in ["/metrics", "/readyz", "/routes", "/events?id=1", "/nothing"] {
        assert_eq!(ask(path, "host: admin.example\r\n"), 401, "{path}");
        assert_eq!(ask(path, &format!("host: evil.example\r\n{right}")), 421, "{path}");
        for wrong in [TOKEN.to_uppercase(), TOKEN[1..].to_owned(), format!("{TOKEN}x"), String::new()] {
            let wrong = format!("host: admin.example\r\nauthorization: Bearer {wrong}\r\n");
            assert_eq!(ask(path, &wrong), 401, "{path}");
        }
    }
    assert_eq!(ask("/healthz", "host: admin.example\r\n"), 200);
    assert_eq!(ask("/metrics", &format!("host: Admin.Example:9090\r\n{right}")), 200);
    assert_eq!(ask("/metrics", &format!("host: 127.0.0.1\r\n{right}")), 200);
    let mut clear = Client::connect(gateway.admin);
    clear.send(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(clear.ends_badly(), "nothing is answered in the clear");
}

#[test]
fn commands_reach_it_by_its_own_certificate_or_its_authority() {
    let authority = Authority::new();
    let gateway = encrypted(&authority);
    let address = gateway.admin.to_string();
    let list = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(gateway.dir(), &[&["route", "list"], arguments].concat());
        command.envs(variables.iter().copied());
        end(&mut command)
    };
    let is_listed = |ended: &Ended| ended.code == Some(0) && ended.out.lines().any(|line| line.starts_with("r "));

    let own = list(&["--admin", &address], &[]);
    assert!(is_listed(&own), "certificate and token of the configuration: {}", own.err);
    // With a scheme it might be another gateway: nothing of this configuration is shown to it.
    let named = format!("https://localhost:{}", gateway.admin.port());
    assert!(list(&["--admin", &named], &[]).err.contains("certificate"), "the system's authorities do not know it");
    let wrong_name = list(&["--admin", &named, "--admin-ca", "ca.pem"], &[("HOOKGATE_ADMIN_TOKEN", TOKEN)]);
    assert!(wrong_name.code == Some(1) && wrong_name.err.contains("admin.example"), "{}", wrong_name.err);
    let wrong = list(&["--admin", &address], &[("HOOKGATE_ADMIN_TOKEN", "another")]);
    assert!(wrong.code == Some(1) && wrong.err.contains("401"), "the variable counts: {}", wrong.err);
    write_token(gateway.dir(), "not the token any more");
    let by_variable = list(&["--admin", &address], &[("HOOKGATE_ADMIN_TOKEN", TOKEN)]);
    assert!(is_listed(&by_variable), "{}", by_variable.err);
    std::fs::write(gateway.dir().join("admin.pem"), authority.pem()).unwrap();
    let stranger = list(&["--admin", &address], &[("HOOKGATE_ADMIN_TOKEN", TOKEN)]);
    assert!(stranger.code == Some(1) && stranger.err.contains("certificate"), "{}", stranger.err);
}

#[test]
fn a_changed_certificate_of_the_admin_address_is_in_use_without_a_restart() {
    let authority = Authority::new();
    let gateway = encrypted(&authority);
    let other = Authority::new();
    other.write(gateway.dir(), "admin", "admin.example");
    gateway.log().wait_for("a changed certificate is in use");
    assert_eq!(status(&gateway, &other, "/healthz", "host: admin.example\r\n"), 200);
}

#[test]
fn a_socket_in_the_file_system_serves_its_user_and_is_gone_after_a_stop() {
    let gateway = Gateway::start_with("admin = \"unix:admin.sock\"", CONFIG);
    let socket = gateway.dir().join("admin.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = Client::over(UnixStream::connect(&socket).unwrap());
    client.send(b"GET /metrics HTTP/1.1\r\nhost: hookgate\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 200);

    gateway.post("/hooks/shop", &[], b"{}");
    for arguments in
        [&["route", "list"][..], &["route", "pause", "r"], &["route", "list", "--admin", "unix:admin.sock"]]
    {
        let ended = hookgate(gateway.dir(), arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
    }
    let replayed = hookgate(gateway.dir(), &["replay", "--route", "r", "--from", "1h", "--dry-run"]);
    assert!(replayed.out.contains("1 events"), "{}{}", replayed.out, replayed.err);

    let remains = gateway.end();
    assert!(!socket.exists());
    // One that is killed leaves it, and the next takes its place.
    let remains = remains.start().kill();
    assert!(socket.exists());
    let again = remains.start();
    let mut found = false;
    wait_until("the socket answers", || {
        found = UnixStream::connect(&socket).is_ok();
        found
    });
    let second = hookgate(again.dir(), &["run"]);
    assert!(second.code == Some(1), "{}", second.err);
}

#[test]
fn nothing_is_served_to_other_machines_without_token_and_tls() {
    let dir = dir_with(&format!("[gateway]\nadmin = \"0.0.0.0:0\"\n{CONFIG}"));
    let ended = hookgate(dir.path(), &["run"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("needs a token and TLS"), "{}", ended.err);
}
