//! Destinations within a network: refused where that is wanted, whatever name or form leads there, unless they are allowed.

use crate::api::{Api, page, records};
use crate::commands::{dir_with, hookgate};
use crate::gateway::{Gateway, wait_until};
use crate::processor::Processor;

const SOURCE: &str = "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n";

fn route(name: &str, url: &str, keys: &str) -> String {
    format!(
        "[[route]]\nname = \"{name}\"\nfrom = {{ source = \"s\" }}\nretry = {{ attempts = 1 }}\n\
         to = {{ http = \"{url}\"{keys} }}\n"
    )
}

#[test]
fn a_route_reaches_no_private_address_by_any_name_or_form_unless_it_is_allowed() {
    let (processor, allowing) = (Processor::start(), Processor::start());
    let (port, open) = (processor.address.port(), allowing.address.port());
    let refused = [
        ("literal", format!("127.0.0.1:{port}")),
        ("named", format!("localhost:{port}")),
        ("mapped", format!("[::ffff:127.0.0.1]:{port}")),
        ("short", format!("127.1:{port}")),
    ];
    let routes: String = refused.iter().map(|(name, host)| route(name, &format!("http://{host}/"), "")).collect();
    let allowed = [
        route("allowed", &format!("http://localhost:{open}/"), ", allow = [\"127.0.0.0/8\", \"::1\"]"),
        route("free", &format!("http://localhost:{open}/"), ", deny_private = false"),
    ];
    let gateway = Gateway::start_with("deny_private = true", &format!("{SOURCE}{routes}{}", allowed.concat()));
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    allowing.wait_for(2);
    for (name, host) in refused {
        gateway.wait_for_metric("hookgate_dead_letters_total", &[&format!("route=\"{name}\"")], 1.0);
        let letter = gateway.dead_letters(name).remove(0);
        let detail = letter["attempts"][0]["detail"].as_str().unwrap();
        let host = host.replace(['[', ']'], "");
        for part in [&*format!("could not connect to {host}: "), " is a private address", "`allow = [\""] {
            assert!(detail.contains(part), "{part} is missing in: {detail}");
        }
        if name != "named" {
            assert!(detail.contains(": 127.0.0.1 is a private address"), "{detail}");
        }
    }
    assert!(processor.received().is_empty());
}

#[test]
fn nothing_is_refused_unless_that_is_wanted() {
    let processor = Processor::start();
    let gateway = Gateway::start(&format!("{SOURCE}{}", route("r", &processor.url("/"), "")));
    gateway.post("/hooks/s", &[], b"{}");
    processor.wait_for(1);
}

#[test]
fn a_poll_and_its_token_are_refused_alike() {
    let api = Api::start(|asked| match asked.path() {
        "/token" => page("", r#"{"access_token":"t","token_type":"Bearer"}"#),
        _ => page("", &records(1..=1)),
    });
    let poll = |name: &str, keys: &str| {
        format!(
            "[[poll]]\nname = \"{name}\"\nurl = \"{}\"\nevery = \"1h\"\nitems = \"/data\"\n\
             delivery_id = {{ json = \"/id\" }}\n{keys}\n",
            api.url(&format!("/{name}"))
        )
    };
    let (deny, allow) = ("deny_private = true", "allow = \"127.0.0.1\"");
    let oauth2 = |keys: &str| {
        let url = api.url("/token");
        format!(
            "oauth2 = {{ token_url = \"{url}\", client_id = \"me\", client_secret = {{ file = \"secret\" }}{keys} }}"
        )
    };
    let polls = [
        poll("denied", deny),
        poll("allowed", &format!("{deny}\n{allow}")),
        poll("tokenless", &format!("{deny}\n{allow}\n{}", oauth2(""))),
        poll("whole", &format!("{deny}\n{allow}\n{}", oauth2(&format!(", {allow}")))),
    ];
    let gateway = Gateway::start(&format!("{SOURCE}{}", polls.concat()));
    wait_until("those that are allowed are asked", || api.was_asked("/allowed") && api.was_asked("/whole"));
    for name in ["denied", "tokenless"] {
        let line = format!("poll=\"{name}\"");
        wait_until("it is refused", || gateway.metric("hookgate_poll_errors_total", &[&line]) >= 1.0);
        assert!(!api.was_asked(&format!("/{name}")));
    }
    let line = gateway.log().wait_for("127.0.0.1 is a private address, which `deny_private` refuses");
    assert!(line.contains("`allow = [\"127.0.0.1\"]`"), "{line}");
    assert_eq!(api.asked().iter().filter(|asked| asked.path() == "/token").count(), 1);
}

#[test]
fn check_tells_of_an_address_that_can_never_be_reached_and_of_allow_without_a_meaning() {
    let text = |keys: &str| format!("{SOURCE}{}", route("r", "http://[::ffff:10.0.0.7]:9001/", keys));
    let dir = dir_with(&text(", deny_private = true"));
    let checked = hookgate(dir.path(), &["check"]);
    let told = format!("{}{}", checked.out, checked.err);
    assert_eq!(checked.code, Some(0), "{told}");
    assert!(told.contains("10.0.0.7 is a private address") && told.contains("allow = [\"10.0.0.7\"]"), "{told}");

    let dir = dir_with(&text(", allow = \"10.0.0.7\""));
    let checked = hookgate(dir.path(), &["check"]);
    assert_eq!(checked.code, Some(2), "{}", checked.err);
    assert!(checked.err.contains("nothing is refused without deny_private"), "{}", checked.err);
}
