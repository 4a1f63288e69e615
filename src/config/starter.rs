//! The configuration that `hookgate init` prints: complete, commented and ready to run once its secrets are set.

use std::fmt::Write as _;

use super::{Handshake, Preset, Proof, address_list};

/// A configuration with a source for each preset, a route to a processor for each source and one to standard output.
/// Without presets it has a source of a kind that any sender can be taught.
pub fn starter(presets: &[&Preset]) -> String {
    let mut text = HEAD.to_owned();
    if presets.is_empty() {
        text.push_str(GENERIC_SOURCE);
        push_route(&mut text, "events");
    }
    for preset in presets {
        push_source(&mut text, preset);
    }
    for preset in presets {
        push_route(&mut text, &preset.name);
    }
    text.push_str(TAIL);
    text
}

/// The variable in which a source of this preset looks for its secret: `STANDARD_WEBHOOKS_SECRET`.
fn variable(preset: &Preset) -> String {
    format!("{}_SECRET", preset.name.to_uppercase().replace('-', "_"))
}

fn push_source(text: &mut String, preset: &Preset) {
    let Preset { provider, name, document, .. } = preset;
    let waits = if preset.waits.is_empty() { String::new() } else { format!(" It waits {}.", preset.waits) };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        r#"
# {provider}.{waits}
# {document}
[[source]]
name = "{name}"
path = "/hooks/{name}"
preset = "{name}"
"#
    );
    let variable = variable(preset);
    let learns = preset.handshakes.iter().any(|handshake| handshake.learn.is_some());
    let line = match &preset.proof {
        Proof::Own => {
            format!(
                "basic = {{ user = \"{name}\", password = {{ env = \"{variable}\" }} }}   # it signs nothing itself\n"
            )
        }
        _ if learns => "# Its secret comes in its first request, and is kept.\n".to_owned(),
        _ => format!(
            "secret = {{ env = \"{variable}\" }}   # or {{ file = \"…\" }}; a list of these while the secret is rotated\n"
        ),
    };
    text.push_str(&line);
    if preset.handshakes.iter().any(Handshake::wants_verify_token) {
        let _ = writeln!(text, "verify_token = {{ env = \"{variable}_TOKEN\" }}   # what you give it beside the URL");
    }
    if let Proof::Signature(scheme) = &preset.proof {
        if scheme.signs_url() {
            text.push_str("public_url = \"https://hooks.example.com\"   # it signs the URL that it posts to\n");
        }
        if scheme.wants_key_id() {
            text.push_str("key_id = \"…\"   # see `hookgate presets show`\n");
        }
    }
    if address_list(name).is_some() {
        let _ = writeln!(
            text,
            "# allow = [\"{name}\"]   # only from where it says that it sends: see `hookgate ranges show {name}`"
        );
    }
}

fn push_route(text: &mut String, source: &str) {
    let _ = write!(
        text,
        r#"
# To the processor of these events. What it does not take is tried again, and kept as a dead letter in the end.
[[route]]
name = "{source}"
from = {{ source = "{source}", types = ["*"] }}   # or some types, as in ["invoice.*", "charge.refunded"]
to = {{ http = "http://127.0.0.1:9001/{source}" }}
"#
    );
}

const HEAD: &str = r#"# hookgate: check this file with `hookgate check`, run it with `hookgate run`.
# What is not written here has a default. Routes may also stand in files of their own, in routes.d beside this one.

[gateway]
listen = "127.0.0.1:8080"   # "0.0.0.0:8080" lets others in
admin = "127.0.0.1:9090"    # health, metrics and control; any other than a loopback address needs admin_token and admin_tls

# Senders are answered when their event is synced to disk here. A source with ack = "memory" is answered sooner, once every
# matching route has the event in memory: for events that may be lost with the process.
[journal]
dir = "data"
max_size = "100GiB"                       # where that is reached, senders are refused
retain = { age = "3d", size = "20GiB" }   # what stays after it was delivered
"#;

const GENERIC_SOURCE: &str = r#"
# Whoever knows the key may send: curl -H "X-Api-Key: $EVENTS_KEY" -d '{"type":"test"}' http://127.0.0.1:8080/hooks/events
# `hookgate presets` lists the providers that sign what they send; `hookgate init NAME` writes a source for one.
[[source]]
name = "events"
path = "/hooks/events"
api_key = { header = "X-Api-Key", key = { env = "EVENTS_KEY" } }
event_type = { json = "/type" }
delivery_id = { json = "/id" }
"#;

const TAIL: &str = r#"
# A line of JSON for each event, to look at. Remove it once the processors are there.
[[route]]
name = "look"
from = { source = "*" }
to = "stdout"
"#;
