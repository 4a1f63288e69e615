//! The commands: what they print, on which stream, and how they exit.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use hookgate::config::{Algorithm, Proof, Scheme};

use crate::client::Client;
use crate::encrypted::Authority;
use crate::gateway::{Gateway, SECRET};

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The binary, in a directory, with nothing of this test's environment that it would listen to.
pub fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOOKGATE_") {
            command.env_remove(name);
        }
    }
    command.env("HOOKGATE_ALLOW_ROOT", "1");
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("CLICOLOR");
    command
}

pub fn end(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it to its end.
pub fn hookgate(dir: &Path, arguments: &[&str]) -> Ended {
    end(&mut command(dir, arguments))
}

/// A directory with this configuration and a secret.
pub fn dir_with(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hookgate.toml"), config).unwrap();
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    std::fs::set_permissions(dir.path().join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    dir
}

/// The names that `hookgate presets` lists.
fn presets() -> Vec<String> {
    let listed = hookgate(Path::new("."), &["presets"]);
    assert_eq!(listed.code, Some(0));
    listed.out.lines().skip(1).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

const CONFIG: &str = r#"
[gateway]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
[[source]]
name = "payments"
path = "/hooks/pay"
preset = "stripe"
secret = { file = "secret" }
ack = "memory"
[[route]]
name = "billing"
from = { source = "payments", types = ["invoice.*"] }
to = { http = "http://127.0.0.1:9001/stripe?key=hidden" }
in_flight = 7
[[route]]
name = "archive"
from = { source = "*" }
to = "discard"
"#;

#[test]
fn check_prints_the_picture_and_no_secret() {
    let dir = dir_with(CONFIG);
    let checked = hookgate(dir.path(), &["check"]);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    for part in [
        "payments  /hooks/pay  HMAC-SHA-256 in stripe-signature",
        "memory",
        "billing  payments: invoice.*",
        "http://127.0.0.1:9001/stripe\n",
        "archive",
        "discard",
        "THREADS",
        "pinned",
    ] {
        assert!(checked.out.contains(part), "{part} is missing in:\n{}", checked.out);
    }
    assert!(!checked.out.contains("hidden") && !checked.out.contains(SECRET), "{}", checked.out);
}

#[test]
fn check_reports_every_mistake_with_its_place_and_its_remedy() {
    let text = "[gateway]\n\
                lsten = \"127.0.0.1:0\"\n\
                head_timeout = \"soon\"\n\
                [[source]]\n\
                name = \"a\"\n\
                preset = \"githb\"\n\
                secret = { env = \"NOT_SET_ANYWHERE\" }\n\
                ack = \"memory\"\n\
                [[route]]\n\
                name = \"r\"\n\
                from = { source = \"b\" }\n\
                to = \"nowhere\"\n";
    let dir = dir_with(text);
    for command in ["check", "run"] {
        let checked = hookgate(dir.path(), &[command]);
        assert_eq!((checked.code, checked.out.as_str()), (Some(2), ""), "{}", checked.err);
        for line in [2, 3, 6, 7, 11, 12] {
            let place = format!("hookgate.toml:{line}:");
            let mut lines = checked.err.lines().skip_while(|line| !line.contains(&place));
            assert!(lines.next().is_some(), "nothing about {place} in:\n{}", checked.err);
            assert!(
                lines.next().is_some_and(|help| help.starts_with("    ")),
                "{place} without help:\n{}",
                checked.err
            );
        }
        assert!(checked.err.contains("github"), "the nearest preset: {}", checked.err);
        assert!(checked.err.contains("listen"), "the nearest key: {}", checked.err);
    }
}

#[test]
fn check_says_what_is_right_but_not_for_run() {
    let handler = CONFIG.replace("to = \"discard\"", "to = \"handler\"\npool = \"own\"\n[[pool]]\nname = \"own\"");
    let dir = dir_with(&handler);
    let checked = hookgate(dir.path(), &["check"]);
    assert_eq!(checked.code, Some(0));
    assert!(checked.err.contains("route archive"), "{}", checked.err);
    let run = hookgate(dir.path(), &["run"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("route archive"), "{}", run.err);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let checked = hookgate(dir.path(), &["check", "--config", "elsewhere.toml"]);
    assert_eq!(checked.code, Some(2));
    assert!(checked.err.contains("elsewhere.toml"), "{}", checked.err);
}

/// A secret of the form that this preset's are.
fn secret_for(preset: &str) -> &'static str {
    match preset {
        "adyen-classic" | "adyen-platform" | "discord" | "discord-events" => {
            "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056"
        }
        "sendgrid" | "standard-webhooks-v1a" => "c2VjcmV0",
        _ => SECRET,
    }
}

#[test]
fn what_init_prints_is_accepted_by_check_once_its_secrets_are_set() {
    let mut choices: Vec<Vec<String>> = presets().into_iter().map(|preset| vec![preset]).collect();
    choices.push(presets());
    choices.push(Vec::new());
    for choice in choices {
        let mut arguments = vec!["init"];
        arguments.extend(choice.iter().map(String::as_str));
        let starter = hookgate(Path::new("."), &arguments);
        assert_eq!((starter.code, starter.err.as_str()), (Some(0), ""));
        let dir = dir_with(&starter.out);
        let variables: Vec<&str> =
            starter.out.split("env = \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let unset = hookgate(dir.path(), &["check"]);
        let complete = if variables.is_empty() { Some(0) } else { Some(2) };
        assert_eq!(unset.code, complete, "without its secrets {choice:?} is not complete");

        let mut check = command(dir.path(), &["check"]);
        for name in variables {
            assert!(unset.err.contains(name), "{name} is not asked for:\n{}", unset.err);
            let preset = name.trim_end_matches("_TOKEN").trim_end_matches("_SECRET").to_lowercase().replace('_', "-");
            check.env(name, secret_for(&preset));
        }
        let checked = end(&mut check);
        // Here one secret stands for all providers at once, and that is warned of.
        let warnings = checked.err.lines().filter(|line| line.starts_with("warning:"));
        let other = warnings.filter(|line| !line.contains("this is the secret of")).collect::<Vec<_>>();
        assert_eq!((checked.code, other), (Some(0), Vec::new()), "{choice:?}");
    }
}

#[test]
fn a_starter_takes_its_secret_from_a_file_as_well() {
    let starter = hookgate(Path::new("."), &["init", "github", "stripe"]);
    let dir = dir_with(&starter.out.replace("env = \"", "file = \"secret\" } # { x = \"").replace("} }", "}"));
    assert_eq!(hookgate(dir.path(), &["check"]).code, Some(0));
}

#[test]
fn what_is_known_of_a_provider_is_said_in_words() {
    let shown = hookgate(Path::new("."), &["presets", "show", "stripe"]);
    assert_eq!(shown.code, Some(0));
    for words in [
        "HMAC-SHA-256 in stripe-signature",
        "{timestamp}.{body}",
        "t= of the signature, seconds, at most 5m",
        "body, time",
        "/type",
        "tries again for up to 3 days",
        "invoice.paid",
        "https://docs.stripe.com/webhooks",
    ] {
        assert!(shown.out.contains(words), "{words}:\n{}", shown.out);
    }
    let mailgun = hookgate(Path::new("."), &["presets", "show", "mailgun"]).out;
    assert!(mailgun.contains("time, NOT the body"), "{mailgun}");
}

#[test]
fn the_page_of_presets_is_current() {
    let page = hookgate(Path::new("."), &["presets", "--markdown"]).out;
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/presets.md")).unwrap();
    assert!(page == kept, "run `hookgate presets --markdown > docs/presets.md`");
}

/// The presets whose senders and receivers share a text, and whether they sign with it rather than show it.
pub fn playable() -> Vec<(&'static str, bool)> {
    let playable = |preset: &'static hookgate::config::Preset| match &preset.proof {
        Proof::Signature(scheme) if !is_public_key(scheme) => Some((preset.name.as_str(), true)),
        Proof::Token(_) => Some((preset.name.as_str(), false)),
        _ => None,
    };
    hookgate::config::presets().iter().filter_map(playable).collect()
}

fn is_public_key(scheme: &Scheme) -> bool {
    matches!(scheme.algorithm, Algorithm::Ed25519 | Algorithm::EcdsaP256 | Algorithm::RsaSha1 | Algorithm::RsaSha256)
}

#[test]
fn send_is_accepted_with_the_right_secret_and_not_with_another() {
    const KEYS: &str = "public_url = \"https://hooks.example.com\"\nkey_id = \"k\"\n\
                        verify_token = { file = \"secret\" }\nack = \"memory\"\n";
    let sources: String = playable()
        .iter()
        .map(|(name, _)| {
            format!("[[source]]\nname = \"{name}\"\npreset = \"{name}\"\nsecret = {{ file = \"{name}\" }}\n{KEYS}")
        })
        .collect();
    let gateway = Gateway::start_prepared(&sources, |dir| {
        for (name, _) in playable() {
            std::fs::write(dir.join(name), secret_for(name)).unwrap();
        }
    });
    for (name, signs) in playable() {
        let payload = match name {
            "adyen-classic" => "{\"notificationItems\":[{\"NotificationRequestItem\":{\"pspReference\":\"1\"}}]}",
            "asana" | "line" | "pusher" | "xero" => "{\"events\":[{\"type\":\"a.b\"}]}",
            "okta" => "{\"data\":{\"events\":[{\"eventType\":\"a.b\"}]}}",
            "hubspot-v1" | "hubspot-v2" | "hubspot-v3" => "[{\"subscriptionType\":\"a.b\"}]",
            "microsoft-graph" => "{\"value\":[{\"changeType\":\"created\"}]}",
            _ => "{\"type\":\"a.b\",\"action\":\"opened\"}",
        };
        std::fs::write(gateway.dir().join("payload.json"), payload).unwrap();
        let url = format!("http://{}/hooks/{name}", gateway.address);
        let public = format!("https://hooks.example.com/hooks/{name}");
        let post = [
            "send",
            "--preset",
            name,
            "--type",
            "issues",
            "--public-url",
            &public,
            "--key-id",
            "k",
            "payload.json",
            &url,
        ];
        let sent = hookgate(gateway.dir(), &[&post[..], &["--secret-file", name]].concat());
        assert_eq!(sent.code, Some(0), "{name}: {}{}", sent.err, sent.out);
        assert!(sent.err.starts_with("20"), "{name}: the status is on standard error: {}", sent.err);

        let wrong = [&post[..], &["--secret-env", "WRONG"]].concat();
        let other = if secret_for(name) == SECRET { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" } else { "00" };
        let sent = end(command(gateway.dir(), &wrong).env("WRONG", other));
        assert_eq!(sent.code, Some(1), "{name}");
        let reason = if signs { "wrong_signature" } else { "wrong_credentials" };
        // Meta, Figma and Xero want another status or no body.
        let is_told = ["meta", "figma", "xero"].contains(&name) || sent.out.contains(reason);
        assert!(sent.err.starts_with('4') && is_told, "{name}: {}{}", sent.err, sent.out);
    }
    for (name, words) in [("discord", "private key"), ("postmark", "signs nothing"), ("sendgrid", "private key")] {
        let post = ["send", "--preset", name, "--secret-file", "github", "payload.json", "http://127.0.0.1:1/"];
        let sent = hookgate(gateway.dir(), &post);
        assert!(sent.code == Some(1) && sent.err.contains(words), "{name}: {}", sent.err);
    }
    let without = hookgate(gateway.dir(), &["send", "--preset", "github", "payload.json", "http://127.0.0.1:1/"]);
    assert_eq!(without.code, Some(2));
    assert!(without.err.contains("--secret-env"), "{}", without.err);
    let stray = hookgate(gateway.dir(), &["send", "--type", "issues", "payload.json", "http://127.0.0.1:1/"]);
    assert_eq!(stray.code, Some(2));
    assert!(stray.err.contains("--preset"), "{}", stray.err);
}

#[test]
fn send_without_a_preset_posts_what_it_is_told_and_says_when_nobody_listens() {
    let gateway = Gateway::start(
        "[[source]]\nname = \"erp\"\nack = \"memory\"\napi_key = { header = \"X-Key\", key = { file = \"secret\" } }\n",
    );
    std::fs::write(gateway.dir().join("payload.json"), "{}").unwrap();
    let url = format!("http://{}/hooks/erp", gateway.address);
    let key = format!("X-Key: {SECRET}");
    assert_eq!(hookgate(gateway.dir(), &["send", "--header", &key, "payload.json", &url]).code, Some(0));
    assert_eq!(hookgate(gateway.dir(), &["send", "payload.json", &url]).code, Some(1));
    // What others of the machine must not see among the arguments.
    std::fs::write(gateway.dir().join("credentials"), format!("Accept: */*\n\n{key}\n")).unwrap();
    assert_eq!(hookgate(gateway.dir(), &["send", "-H", "@credentials", "payload.json", &url]).code, Some(0));
    std::fs::write(gateway.dir().join("credentials"), format!("Accept: */*\n{SECRET}\n")).unwrap();
    let wrong = hookgate(gateway.dir(), &["send", "-H", "@credentials", "payload.json", &url]);
    assert!(wrong.code == Some(1) && wrong.err.contains("line 2 of credentials"), "{}", wrong.err);
    assert!(!wrong.err.contains(SECRET), "{}", wrong.err);

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = hookgate(gateway.dir(), &["send", "payload.json", &format!("http://{closed}/x?token=hidden")]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.contains("is the gateway running?"), "{}", nobody.err);
    assert!(!nobody.err.contains("hidden"), "{}", nobody.err);
}

#[test]
fn send_to_a_server_that_hangs_up_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("payload"), vec![b'a'; 8 << 20]).unwrap();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", server.local_addr().unwrap());
    let hanging_up = std::thread::spawn(move || drop(server.accept().unwrap()));
    let sent = hookgate(dir.path(), &["send", "payload", &url]);
    hanging_up.join().unwrap();
    assert_eq!(sent.code, Some(1), "{}", sent.err);
}

#[test]
fn a_misspelt_preset_is_answered_with_the_nearest() {
    for arguments in [&["init", "githb"][..], &["send", "--preset", "githb", "-", "http://127.0.0.1:1/"]] {
        let ended = hookgate(Path::new("."), arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains("githb") && ended.err.contains("'github'"), "{}", ended.err);
    }
}

#[test]
fn every_command_shows_how_it_is_used() {
    fn look(path: &[String]) {
        let mut arguments: Vec<_> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = hookgate(Path::new("."), &arguments);
        assert_eq!(help.code, Some(0));
        let example = format!("  hookgate {}", path.join(" "));
        assert!(help.out.contains("Example") && help.out.contains(example.trim_end()), "{path:?}:\n{}", help.out);
        let commands = help.out.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in commands.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  ")) {
            let Some(name) = line.split_whitespace().next().filter(|name| *name != "help") else { continue };
            if line.starts_with("   ") {
                continue;
            }
            look(&[path, &[name.to_owned()]].concat());
        }
    }
    look(&[]);
}

#[test]
fn presets_are_listed_with_what_to_know_of_them() {
    let listed = hookgate(Path::new("."), &["presets"]);
    for part in ["github", "stripe", "slack", "shopify", "standard-webhooks", "x-hub-signature-256", "stripe-signature"]
    {
        assert!(listed.out.contains(part), "{part} is missing in:\n{}", listed.out);
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let dir = dir_with(CONFIG);
    for arguments in [&["presets"][..], &["init"], &["init", "github"], &["check"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = end(command(dir.path(), arguments).stdout(writer));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn an_exit_code_does_not_depend_on_who_reads_the_errors() {
    let dir = dir_with("[gateway]\nlsten = \"x\"\n");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(end(command(dir.path(), &["check"]).stderr(writer)).code, Some(2));
}

#[test]
fn a_gateway_whose_log_nobody_reads_any_more_goes_on() {
    let dir = dir_with(CONFIG);
    let mut child = command(dir.path(), &["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = log.find_map(|line| line.ok().filter(|line| line.contains("listening on http://"))).unwrap();
    let address = line.rsplit("http://").next().unwrap().parse().unwrap();
    drop(log);
    // Each of these is worth a line in the log.
    let statuses: Vec<_> = ["/a", "/hooks/pay"]
        .iter()
        .map(|path| {
            let mut client = Client::connect(address);
            client.send(&crate::client::request("POST", path, &[], b"{}"));
            client.answer().map(|answer| answer.status)
        })
        .collect();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(statuses, [Some(404), Some(401)]);
}

#[test]
fn every_example_runs() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let configurations: Vec<_> = std::fs::read_dir(&examples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    assert!(configurations.len() > 2, "{configurations:?}");
    for path in configurations {
        let dir = dir_with("");
        let dir = dir.path().join("examples");
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(examples.join("demo-secret"), dir.join("demo-secret")).unwrap();
        Authority::new().write(&dir, "tls-cert", "localhost");
        std::fs::rename(dir.join("tls-cert.key"), dir.join("tls-key.pem")).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        for port in [":8080\"", ":8443\"", ":9090\""] {
            text = text.replace(port, ":0\"");
        }
        std::fs::write(dir.join("example.toml"), text).unwrap();
        let arguments = ["run", "--config", "example.toml"];
        let mut child = command(&dir, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = Vec::new();
        let log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listens = log.inspect(|line| told.push(line.clone())).any(|line| line.contains("listening on http"));
        let _ = child.kill();
        let _ = child.wait();
        assert!(listens, "{}: {told:?}", path.display());
    }
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = dir_with(&CONFIG.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{address}\"")));
    let ended = hookgate(dir.path(), &["run"]);
    assert_eq!(ended.code, Some(1));
    let told = ended.err.lines().last().unwrap();
    assert!(told.starts_with("hookgate: ") && told.contains("change `listen`"), "{}", ended.err);
    assert_eq!(told.matches(&address).count(), 1, "it is said once: {told}");

    let admin = CONFIG.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{address}\""));
    let ended = hookgate(dir_with(&admin).path(), &["run"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("change `admin`"), "{}", ended.err);
}

#[test]
fn routes_are_listed_and_switched_through_the_admin_address() {
    let gateway = Gateway::start(
        "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n\
         [[route]]\nname = \"r\"\nfrom = { source = \"s\" }\nto = \"discard\"\n",
    );
    let admin = gateway.admin.to_string();
    let route = |verb: &[&str]| hookgate(gateway.dir(), &[&["route"], verb, &["--admin", &admin]].concat());
    assert_eq!(route(&["pause", "r"]).code, Some(0));
    let listed = route(&["list"]);
    assert!(listed.out.contains("r      paused"), "{}", listed.out);
    assert_eq!(route(&["resume", "r"]).code, Some(0));
    let listed = route(&["list", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(document["routes"][0]["state"], "running");
    let unknown = route(&["pause", "x"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("no route is called x"), "{}", unknown.err);
}

#[test]
fn colour_is_only_where_it_is_wanted() {
    let help = |variables: &[(&str, &str)]| {
        end(command(Path::new("."), &["--help"]).envs(variables.iter().copied())).out.contains('\u{1b}')
    };
    assert!(!help(&[]), "this is no terminal");
    assert!(help(&[("CLICOLOR_FORCE", "1")]));
    assert!(!help(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}
