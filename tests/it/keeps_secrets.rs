//! A hunt: every command and every way to fail, with marked secrets, and then a look for them in all that came out, as they
//! are and as hexadecimal, base64 and URL encoding would have them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

use crate::client::Client;
use crate::commands::{command, end, hookgate};
use crate::gateway::{Gateway, Remains, wait_until};
use crate::processor::{Processor, Received};

/// The secrets, by the files they are in. Each has characters that encodings change.
const SECRETS: [(&str, &str); 11] = [
    ("signature", "mark/signature+4f1c=&97d2"),
    ("tenant", "mark/tenant+80aa=&1e42"),
    ("password", "mark/password+6b03=&c3f9"),
    ("api-key", "mark/api-key+19e7=&d40b"),
    ("bearer", "mark/bearer+a2f5=&0c6e"),
    ("verify", "mark/verify+57d8=&b1a0"),
    ("admin", "mark/admin+e96b=&2d73"),
    ("sink-bearer", "mark/sink-bearer+3c08=&f8e1"),
    ("sink-header", "mark/sink-header+d1b4=&6a95"),
    ("sink-sign", "whsec_bWFyay9zaW5rLXNpZ24rN2Q1MD0mZTJhOA=="),
    ("poll", "mark/poll+b85f=&403c"),
];

/// What is in the last but one of [`SECRETS`].
const SIGNING_KEY: &str = "mark/sink-sign+7d50=&e2a8";

fn secret(file: &str) -> &'static str {
    SECRETS.iter().find(|(name, _)| *name == file).unwrap().1
}

/// All spellings in which a secret could be found.
fn spellings(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut all = vec![secret.to_owned(), HEXLOWER.encode(bytes), HEXUPPER.encode(bytes)];
    all.push(form_urlencoded::byte_serialize(bytes).collect());
    all.push(bytes.iter().map(|byte| format!("%{byte:02x}")).collect());
    all.push(bytes.iter().map(|byte| format!("%{byte:02X}")).collect());
    // Of base64 what does not depend on what stands before and behind, at each of the places it may begin.
    for before in 0..3 {
        let text = [&b"..."[..before], bytes].concat();
        for base64 in [BASE64.encode(&text), BASE64URL.encode(&text)] {
            let begin = (before * 8).div_ceil(6);
            all.push(base64[begin..text.len() * 8 / 6].to_owned());
        }
    }
    all
}

/// What came out, and where.
#[derive(Default)]
struct Haul(Vec<(String, Vec<u8>)>);

impl Haul {
    fn take(&mut self, from: impl Into<String>, what: impl Into<Vec<u8>>) {
        self.0.push((from.into(), what.into()));
    }

    /// Runs a command of a user who has the token by other means than an argument.
    fn run(&mut self, dir: &Path, arguments: &[&str]) -> Option<i32> {
        let ended = hookgate(dir, arguments);
        self.take(arguments.join(" "), format!("{}{}", ended.out, ended.err));
        ended.code
    }

    /// All files below, but those with secrets in them on purpose.
    fn take_files(&mut self, below: &Path) {
        for entry in std::fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.take_files(&path);
            } else if !SECRETS.iter().any(|(file, _)| path.ends_with(file)) {
                self.take(path.display().to_string(), std::fs::read(&path).unwrap_or_default());
            }
        }
    }

    fn assert_clean(&self) {
        let secrets = SECRETS.iter().map(|(_, secret)| *secret).chain([SIGNING_KEY]);
        for (secret, spelling) in secrets.flat_map(|secret| spellings(secret).into_iter().map(move |it| (secret, it))) {
            for (from, what) in &self.0 {
                let found = memchr::memmem::find(what, spelling.as_bytes());
                assert!(found.is_none(), "{secret} came out as {spelling}: {from}");
            }
        }
    }
}

fn config(processor: &Processor, api: SocketAddr) -> String {
    let url = processor.url("/take?key=of-the-url");
    format!(
        r#"
admin_token = {{ file = "admin" }}
[[source]]
name = "signed"
preset = "github"
secret = {{ file = "signature" }}
[[source]]
name = "tenants"
path = "/hooks/tenants/{{tenant}}"
preset = "stripe"
tenants = {{ acme = {{ file = "tenant" }} }}
[[source]]
name = "erp"
basic = {{ user = "boomi", password = {{ file = "password" }} }}
url_credential = "boomi_auth"
keep_headers = ["X-Request-Id"]
[[source]]
name = "key"
api_key = {{ header = "X-Key", key = {{ file = "api-key" }} }}
ack = "memory"
[[source]]
name = "app"
bearer = {{ command = ["cat", "bearer"] }}
[[source]]
name = "meta"
preset = "meta"
secret = {{ file = "signature" }}
verify_token = {{ file = "verify" }}
[[poll]]
name = "api"
url = "http://{api}/orders"
every = "1s"
items = ""
delivery_id = {{ json = "/id" }}
bearer = {{ file = "poll" }}
[[route]]
name = "out"
from = {{ source = "*" }}
to = {{ http = "{url}", bearer = {{ file = "sink-bearer" }}, headers = {{ X-Key = {{ file = "sink-header" }} }}, sign = {{ file = "sink-sign" }} }}
retry = {{ attempts = 2, first = "1ms", max = "1ms" }}
breaker = {{ failures = 1000 }}
[[route]]
name = "lines"
from = {{ source = "*" }}
to = {{ file = "events.ndjson" }}
"#
    )
}

/// Answers whatever it is asked with 401 and what it was asked with.
fn echoing_api() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let reader = BufReader::new(stream.try_clone().unwrap());
            let head = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let body = head.collect::<Vec<_>>().join("\n");
            let _ = write!(
                stream,
                "HTTP/1.1 401 Go away\r\nx-echo: yes\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

fn echoed(received: &Received, _: usize) -> Vec<u8> {
    let body = received.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
    format!("HTTP/1.1 500 Broken\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn basic(password: &str) -> String {
    BASE64.encode(format!("boomi:{password}").as_bytes())
}

/// Requests that are right, and that come close.
fn knock(gateway: &Gateway, haul: &mut Haul) {
    let mut post = |path: &str, headers: &[(&str, &str)]| {
        let answer = gateway.post(path, headers, b"{\"id\":1}");
        haul.take(format!("the answer at {path}"), format!("{:?}{}", answer.headers, answer.text()));
        answer.status
    };
    let credential = basic(secret("password"));
    let escaped: String = form_urlencoded::byte_serialize(credential.as_bytes()).collect();
    let bearer = format!("Bearer {}", secret("bearer"));
    assert_eq!(post("/hooks/erp", &[("Authorization", &format!("Basic {credential}")), ("X-Request-Id", "7")]), 202);
    assert_eq!(post(&format!("/hooks/erp?a=b&boomi_auth={escaped}&c=d"), &[]), 202);
    assert_eq!(post("/hooks/app", &[("Authorization", &bearer)]), 202);
    assert_eq!(post("/hooks/key", &[("X-Key", secret("api-key"))]), 202);
    // Right, and in the wrong place: nothing tells what was sent.
    assert_eq!(post(&format!("/hooks/erp?boomi_auth={escaped}x"), &[]), 401);
    assert_eq!(post("/hooks/app", &[("Authorization", &format!("{bearer}x"))]), 401);
    assert_eq!(post("/hooks/key", &[("X-Key", &format!("{}x", secret("api-key")))]), 401);
    assert_eq!(post("/hooks/signed", &[("X-Hub-Signature-256", secret("signature"))]), 401);
    assert_eq!(post("/hooks/tenants/acme", &[("Stripe-Signature", secret("tenant"))]), 401);
    let verify: String = form_urlencoded::byte_serialize(secret("verify").as_bytes()).collect();
    let target = format!("/hooks/meta?hub.mode=subscribe&hub.challenge=7&hub.verify_token={verify}");
    let verified = gateway.client().request("GET", &target, &[], b"");
    assert_eq!((verified.status, verified.text().as_str()), (200, "7"));
    haul.take("the answer to a handshake", verified.text());
}

/// What the running gateway says to those with and without the token.
fn ask_admin(gateway: &Gateway, haul: &mut Haul) {
    let right = format!("Bearer {}", secret("admin"));
    for path in ["/healthz", "/readyz", "/metrics", "/routes", "/events?id=nope", "/nothing", "/polls", "/quarantine"] {
        for authorization in [&right, &format!("{right}x")] {
            let answer = Client::connect(gateway.admin).request("GET", path, &[("Authorization", authorization)], b"");
            haul.take(format!("admin {path}"), format!("{:?}{}", answer.headers, answer.text()));
        }
    }
}

/// What follows the events as they come.
fn follow(gateway: &Gateway, dir: &Path, haul: &mut Haul) {
    for format in [&["tail"][..], &["tail", "--json"]] {
        let admin = gateway.admin.to_string();
        let mut tail = command(dir, &[format, &["--since", "5m", "--admin", &admin]].concat());
        let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(tail.stdout.take().unwrap());
        let mut first = String::new();
        assert!(out.read_line(&mut first).unwrap() > 0, "it follows");
        tail.kill().unwrap();
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).unwrap();
        tail.stderr.take().unwrap().read_to_end(&mut rest).unwrap();
        tail.wait().unwrap();
        haul.take(format.join(" "), [first.as_bytes(), &rest].concat());
    }
}

/// A provider's handshake, with the token and with another.
fn be_challenged(url: &str, dir: &Path, haul: &mut Haul) {
    for (file, code) in [("verify", 0), ("poll", 1)] {
        let arguments = ["send", "--preset", "meta", "--handshake", "--verify-token-file", file, url];
        assert_eq!(haul.run(dir, &arguments), Some(code), "{file}");
    }
}

/// What a gateway leaves that ends where it stands.
fn crash(remains: &Remains, haul: &mut Haul) {
    let gateway = remains.start();
    let log = gateway.log().clone();
    gateway.signal("ABRT");
    assert_eq!(gateway.wait().signal(), Some(6));
    haul.take("a crash", log.text());
}

/// Secrets where none belongs, and references that lead nowhere.
fn misconfigure(dir: &Path, haul: &mut Haul) {
    let good = std::fs::read_to_string(dir.join("hookgate.toml")).unwrap();
    let mut broken: Vec<String> = Vec::new();
    for (file, secret) in SECRETS {
        broken.push(good.replace(&format!("{{ file = \"{file}\" }}"), &format!("\"{secret}\"")));
        broken.push(good.replace(&format!("{{ file = \"{file}\" }}"), &format!("{{ env = \"{secret}\" }}")));
        broken.push(good.replace(&format!("{{ file = \"{file}\" }}"), &format!("{{ credential = \"{secret}\" }}")));
        let command = format!("{{ command = [\"sh\", \"-c\", \"cat {file}; exit 1\"] }}");
        broken.push(good.replace(&format!("{{ file = \"{file}\" }}"), &command));
        broken.push(good.replace("\"/orders\"", &format!("\"/orders?key={secret}\"")).replace("every = \"1s\"", ""));
    }
    for (nth, text) in broken.iter().enumerate() {
        std::fs::write(dir.join("broken.toml"), text).unwrap();
        for verb in ["check", "run"] {
            if verb == "run" && nth % 7 > 0 {
                continue;
            }
            let ended = hookgate(dir, &[verb, "--config", "broken.toml"]);
            haul.take(format!("{verb} of a broken configuration"), format!("{}{}", ended.out, ended.err));
        }
    }
    std::fs::remove_file(dir.join("broken.toml")).unwrap();
}

#[test]
fn no_secret_comes_out_of_any_command_log_answer_or_file() {
    let mut haul = Haul::default();
    let processor = Processor::behaving(echoed);
    let (gateway_keys, rest) = {
        let config = config(&processor, echoing_api());
        let (keys, rest) = config.trim_start().split_once('\n').unwrap();
        (keys.to_owned(), rest.to_owned())
    };
    let gateway = Gateway::start_tracing(&gateway_keys, &rest, |dir| {
        for (file, secret) in SECRETS {
            std::fs::write(dir.join(file), secret).unwrap();
        }
        std::fs::write(dir.join("payload.json"), "{\"id\":1}").unwrap();
    });
    let dir = gateway.dir().to_owned();
    let (admin, url) = (gateway.admin.to_string(), format!("http://{}", gateway.address));
    haul.take("/proc/PID/cmdline", gateway.proc("cmdline"));

    knock(&gateway, &mut haul);
    let send = |haul: &mut Haul, file: &str, preset: &str, path: &str| {
        let url = format!("{url}{path}");
        haul.run(&dir, &["send", "--preset", preset, "--secret-file", file, "payload.json", &url])
    };
    assert_eq!(send(&mut haul, "signature", "github", "/hooks/signed"), Some(0));
    assert_eq!(send(&mut haul, "tenant", "stripe", "/hooks/tenants/acme"), Some(0));
    assert_eq!(send(&mut haul, "signature", "stripe", "/hooks/tenants/acme"), Some(1));
    assert_eq!(send(&mut haul, "absent", "github", "/hooks/signed"), Some(1));
    wait_until("dead letters", || gateway.dead_letters("out").len() >= 6);
    gateway.log().wait_for("api");
    ask_admin(&gateway, &mut haul);
    follow(&gateway, &dir, &mut haul);
    be_challenged(&format!("{url}/hooks/meta"), &dir, &mut haul);
    let token = format!("Bearer {}", secret("admin"));
    let refused =
        Client::connect(gateway.admin).request("GET", "/quarantine", &[("Authorization", &token)], b"").json();
    let refused = refused["quarantine"][0]["id"].as_str().unwrap().to_owned();

    let id = gateway.dead_letters("out")[0]["id"].as_str().unwrap().to_owned();
    for arguments in [
        &["check"][..],
        &["init", "github", "stripe"],
        &["presets"],
        &["presets", "show", "github"],
        &["route", "list", "--admin", &admin],
        &["route", "list", "--admin", &admin, "--token-file", "poll"],
        &["route", "pause", "lines", "--admin", &admin],
        &["route", "resume", "lines", "--admin", &admin],
        &["route", "forget", "lines", "--admin", &admin],
        &["show", &id, "--admin", &admin],
        &["show", &id, "--json", "--admin", &admin],
        &["show", "nope", "--admin", &admin],
        &["replay", "--route", "lines", "--from", "1h", "--admin", &admin],
        &["dead", "list"],
        &["dead", "list", "--json"],
        &["dead", "show", &id],
        &["dead", "show", &id, "--json"],
        &["dead", "retry", "out", "--all", "--admin", &admin],
        &["dead", "drop", "out", "--all", "--yes", "--dry-run", "--admin", &admin],
        &["quarantine", "list", "--admin", &admin],
        &["quarantine", "list", "--json", "--admin", &admin],
        &["quarantine", "show", &refused, "--admin", &admin],
        &["quarantine", "show", &refused, "--json", "--admin", &admin],
        &["quarantine", "retry", &refused, "--admin", &admin],
        &["quarantine", "retry", "--source", "signed", "--ignore-age", "--dry-run", "--admin", &admin],
        &["quarantine", "drop", "--source", "tenants", "--dry-run", "--admin", &admin],
        &["quarantine", "drop", "--all", "--yes", "--admin", &admin],
        &["poll", "list", "--admin", &admin],
        &["poll", "list", "--json", "--admin", &admin],
        &["poll", "run", "api", "--admin", &admin],
        &["poll", "reset", "api", "--admin", &admin],
        &["ranges"],
        &["ranges", "show", "github"],
        &["journal", "stats"],
        &["run"],
        &["replay", "--route", "nope", "--from", "1h", "--admin", &admin],
    ] {
        haul.run(&dir, arguments);
    }
    let wrong = end(command(&dir, &["route", "list", "--admin", &admin]).env("HOOKGATE_ADMIN_TOKEN", secret("poll")));
    haul.take("route list with another token", format!("{}{}", wrong.out, wrong.err));
    misconfigure(&dir, &mut haul);

    let log = gateway.log().clone();
    let remains = gateway.end();
    crash(&remains, &mut haul);
    for arguments in [
        &["journal", "stats"][..],
        &["journal", "verify"],
        &["journal", "repair", "--dry-run"],
        &["show", &id],
        &["dead", "list"],
    ] {
        haul.run(&dir, arguments);
    }
    assert!(log.text().lines().count() > 10, "the log tells something");
    haul.take("the log", log.text());
    haul.take_files(remains.path());
    haul.assert_clean();
}

#[test]
fn the_hunt_finds_a_secret_in_every_spelling() {
    for (from, spelling) in spellings(secret("password")).into_iter().enumerate() {
        let mut haul = Haul::default();
        haul.take(from.to_string(), format!("…{spelling}…"));
        assert!(std::panic::catch_unwind(|| haul.assert_clean()).is_err(), "{spelling}");
    }
    let mut haul = Haul::default();
    haul.take("a header", basic(secret("password")));
    assert!(std::panic::catch_unwind(|| haul.assert_clean()).is_err(), "behind a user");
}
