//! `[[source]]`.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::{assert_mistake, config, source};
use crate::config::{
    Ack, Algorithm, Encoding, Place, Pointer, Proof, Secrets, SignedPart, SourceConfig, Split, StampUnit,
};

fn open_source(keys: &str) -> String {
    source(&format!("auth = \"none\"\n{keys}"))
}

fn read_source(keys: &str) -> SourceConfig {
    config(&source(keys)).sources.remove(0)
}

fn hmac(inner: &str) -> String {
    source(&format!("secret = {{ env = \"KEY\" }}\nhmac = {{ header = \"X-Signature\", {inner} }}"))
}

#[test]
fn a_source_has_defaults() {
    let source = read_source("auth = \"none\"");
    assert_eq!((source.path.as_str(), source.max_body), ("/hooks/a", 1 << 20));
    assert_eq!(source.deadline, Duration::from_secs(10));
    assert_eq!(source.reply.status, StatusCode::ACCEPTED);
    assert_eq!(source.reply.body, r#"{{"status":"accepted","id":"{id}"}}"#);
    assert_eq!(source.refuse.status, None);
    assert!(!source.type_signed);
}

#[test]
fn the_erp_of_a_boomi_process_can_be_described() {
    let source = read_source(
        r#"
path = "/erp/{entity}"
basic = { user = "boomi", password = [{ env = "KEY" }, { env = "OTHER" }] }
url_credential = "boomi_auth"
event_type = [{ path = "entity" }, { query = "type" }, { constant = "unknown" }]
delivery_id = { json = "/a~1b/0" }
reply = { status = 200, content_type = "application/xml", body = "<ack id='{id}' type='{type}'/>" }
refuse = { status = 403, content_type = "text/plain", body = "no" }
keep_headers = ["X-Request-Id", "Content-Type", "x-request-id"]
max_body = "64KiB"
deadline = "1s"
"#,
    );
    let basic = source.auth.basic.unwrap();
    assert_eq!((basic.user.as_str(), basic.passwords.len()), ("boomi", 2));
    assert_eq!(basic.url_parameter.as_deref(), Some("boomi_auth"));
    assert_eq!(source.event_type[0].place, Place::Path("entity".to_owned()));
    assert_eq!(source.delivery_id[0].place, Place::Json(Pointer(vec!["a/b".to_owned(), "0".to_owned()])));
    assert_eq!(source.reply.content_type.as_deref(), Some("application/xml"));
    assert_eq!(source.refuse.status, Some(StatusCode::FORBIDDEN));
    assert_eq!(source.keep_headers, [HeaderName::from_static("x-request-id")]);
    assert_eq!((source.max_body, source.deadline), (64 << 10, Duration::from_secs(1)));
}

#[test]
fn a_scheme_can_be_described() {
    let text = hmac(
        r#"algorithm = "sha512", encoding = "base64", prefix = "v0=", signed = "{{v0}}{timestamp}{header:X-Id}{body}", timestamp = { header = "X-Time", unit = "ms", tolerance = "1m" }"#,
    );
    let Some(Proof::Signature(scheme)) = config(&text).sources.remove(0).auth.proof.map(|it| it.proof) else {
        panic!("a signature")
    };
    assert_eq!((scheme.algorithm, scheme.encoding), (Algorithm::Sha512, Encoding::Base64));
    let id = SignedPart::Header(HeaderName::from_static("x-id"));
    let brace = SignedPart::Literal("{v0}".to_owned());
    assert_eq!(scheme.signed, [brace, SignedPart::Timestamp, id, SignedPart::Body]);
    assert_eq!(scheme.timestamp.unwrap().unit, StampUnit::Milliseconds);
}

#[test]
fn a_type_is_signed_where_the_signature_covers_it() {
    let signed = |event_type: &str| {
        let text = format!(
            "path = \"/p/{{segment}}\"\nsecret = {{ env = \"KEY\" }}\nhmac = {{ header = \"X-S\", signed = \"{{header:X-Type}}.{{body}}\" }}\n{event_type}"
        );
        read_source(&text).type_signed
    };
    assert!(signed("event_type = { json = \"/type\" }"));
    assert!(signed("event_type = [{ header = \"X-Type\" }, { constant = \"c\" }]"));
    assert!(!signed("event_type = { header = \"X-Other\" }"));
    assert!(!signed("event_type = [{ json = \"/type\" }, { query = \"type\" }]"));
    assert!(!signed("event_type = { path = \"segment\" }"));
    assert!(!signed(""));
    assert!(!read_source("bearer = { env = \"KEY\" }\nevent_type = { json = \"/type\" }").type_signed);
}

#[test]
fn a_source_without_proof_must_say_so() {
    assert_mistake(&source(""), 1, "nothing says who may send", "auth = \"none\"");
    assert_mistake(&source("auth = \"none\"\nbearer = { env = \"KEY\" }"), 4, "stands beside `bearer`", "only one");
    assert_mistake(&source("auth = \"basic\""), 4, "not known", "\"none\"");
}

#[test]
fn a_secret_without_signature_proves_nothing() {
    assert_mistake(&open_source("secret = { env = \"KEY\" }"), 5, "nothing is signed", "preset");
}

#[test]
fn credentials_in_the_url_need_credentials() {
    assert_mistake(&open_source("url_credential = \"c\""), 5, "names no credentials", "basic = {");
}

#[test]
fn one_header_cannot_carry_two_credentials() {
    let text = source("basic = { user = \"u\", password = { env = \"KEY\" } }\nbearer = { env = \"KEY\" }");
    assert_mistake(&text, 5, "cannot carry", "url_credential");
}

#[test]
fn a_user_ends_at_its_colon() {
    assert_mistake(&source("basic = { user = \"u:v\", password = { env = \"KEY\" } }"), 4, "colon", "before the colon");
}

#[test]
fn an_acknowledgement_is_durable_unless_it_says_otherwise() {
    let text = |ack: &str| format!("[[source]]\nname = \"a\"\nauth = \"none\"\n{ack}");
    let ack = |written: &str| config(&text(written)).sources[0].ack;
    assert_eq!(ack(""), Ack::Durable);
    assert_eq!(ack("ack = \"durable\""), Ack::Durable);
    assert_eq!(ack("ack = \"memory\""), Ack::Memory);
    assert_mistake(&text("ack = \"disk\""), 4, "not known", "\"durable\" or \"memory\"");
}

#[test]
fn a_path_is_taken_once() {
    let second = |path: &str| {
        format!(
            "{}[[source]]\nname = \"b\"\nauth = \"none\"\nack = \"memory\"\npath = \"{path}\"",
            open_source("path = \"/x/{a}\"")
        )
    };
    assert_mistake(&second("/x/{b}"), 10, "on line 5 has the same path", "its own path");
    config(&second("/x/b"));
}

#[test]
fn a_path_is_one_that_a_request_can_have() {
    for (path, what, help) in [
        ("x", "begins with a slash", "/hooks/github"),
        ("/x?a=b", "no '?'", "path alone"),
        ("/x y", "cannot stand in a request", "percent-encode"),
        ("/{*rest}", "one whole segment", "{name}"),
        ("/v{n}", "one whole segment", "{name}"),
        ("/{a}/{a}", "there twice", "its own name"),
        ("/healthz", "balancers", "health_path"),
    ] {
        assert_mistake(&open_source(&format!("path = \"{path}\"")), 5, what, help);
    }
}

#[test]
fn a_locator_reads_a_segment_that_the_path_has() {
    assert_mistake(&open_source("event_type = { path = \"kind\" }"), 5, "no segment {kind}", "\"/hooks/a/{type}\"");
}

#[test]
fn a_locator_names_one_place() {
    assert_mistake(&open_source("event_type = \"/type\""), 5, "must be a place", "{ json = \"/type\" }");
    assert_mistake(&open_source("event_type = {}"), 5, "not said where", "{ json = \"/type\" }");
    assert_mistake(&open_source("event_type = { json = \"/a\", query = \"b\" }"), 5, "stands beside", "only one");
    assert_mistake(&open_source("event_type = { json = \"type\" }"), 5, "does not point", "begin with a slash");
    assert_mistake(&open_source("event_type = { json = \"/a~2\" }"), 5, "does not point", "begin with a slash");
    assert_mistake(&open_source("event_type = { header = \"X Type\" }"), 5, "not a header name", "hyphens");
}

#[test]
fn the_body_is_signed_once() {
    assert_mistake(&hmac("signed = \"{header:X-Id}\""), 5, "the body is not signed", "{timestamp}.{body}");
    assert_mistake(&hmac("signed = \"{body}{body}\""), 5, "more than once", "{body} once");
    assert_mistake(&hmac("signed = \"{body}{uri}\""), 5, "{uri} is not a part", "{header:X-Name}");
    assert_mistake(&hmac("signed = \"{body\""), 5, "brace is not closed", "}");
}

#[test]
fn a_timestamp_is_known_and_signed() {
    assert_mistake(&hmac("signed = \"{timestamp}.{body}\""), 5, "not said where", "timestamp = {");
    assert_mistake(
        &hmac("timestamp = { header = \"X-Time\" }"),
        5,
        "does not cover",
        "signed = \"{timestamp}.{body}\"",
    );
    assert_mistake(
        &hmac("signed = \"{timestamp}{body}\", timestamp = { pair = \"t\" }"),
        5,
        "no pairs",
        "pairs = \"v1\"",
    );
    config(&hmac("signed = \"{header:X-Time}{body}\", timestamp = { header = \"x-time\" }"));
}

#[test]
fn a_signature_has_one_layout() {
    assert_mistake(&hmac("prefix = \"a\", pairs = \"b\""), 5, "stands beside `prefix`", "only one");
    assert_mistake(&hmac("key_prefix = \"a\""), 5, "only a base64 key", "key = \"base64\"");
}

#[test]
fn a_handshake_says_what_it_is_told_by() {
    let at = |handshake: &str| open_source(&format!("handshake = {{ {handshake} }}"));
    assert_mistake(&at("body = \"x\""), 5, "every event would be taken", "url_verification");
    assert_mistake(&at("when = { is = \"x\" }"), 5, "not said where", "{ json = \"/challenge\" }");
    assert_mistake(&at("method = \"GET\", when = { json = \"/a\" }"), 5, "only a POST has a body", "the query");
    assert_mistake(&at("when = { json = \"/a\" }, body = \"{b}\""), 5, "not a part of a request", "{json:/challenge}");
    assert_mistake(&at("method = \"PUT\""), 5, "not known here", "POST");
}

#[test]
fn what_a_provider_signs_must_be_told_if_only_the_configuration_knows_it() {
    let preset = |name: &str, keys: &str| source(&format!("preset = \"{name}\"\nsecret = {{ env = \"KEY\" }}\n{keys}"));
    assert_mistake(&preset("square", ""), 1, "`public_url` is missing", "https://");
    assert_mistake(&preset("square", "public_url = \"hooks.example.com\""), 6, "not the scheme and host", "https://");
    assert_mistake(&preset("square", "public_url = \"https://a.b/c\""), 6, "not the scheme and host", "https://");
    config(&preset("square", "public_url = \"https://a.b\""));
    assert_mistake(&preset("pusher", ""), 1, "`key_id` is missing", "key_id =");
    assert_mistake(&preset("meta", ""), 1, "`verify_token` is missing", "verify_token =");
}

#[test]
fn a_preset_that_signs_nothing_wants_credentials() {
    assert_mistake(&source("preset = \"postmark\""), 1, "signs nothing", "basic");
    assert_mistake(
        &source("preset = \"postmark\"\nsecret = { env = \"KEY\" }\nauth = \"none\""),
        5,
        "nothing is signed with this secret",
        "hmac",
    );
    config(&source("preset = \"postmark\"\nauth = \"none\""));
}

#[test]
fn a_tenant_chooses_its_secret_and_proves_its_name() {
    let text = source(
        "path = \"/hooks/{tenant}\"\npreset = \"stripe\"\ntenants = { acme = { env = \"KEY\" }, globex = [{ env = \"OTHER\" }] }\n\
         event_type = { path = \"tenant\", append = \"/type\" }",
    );
    let source = config(&text).sources.remove(0);
    assert!(source.type_signed);
    let Secrets::OfTenants(tenants) = source.auth.proof.unwrap().secrets else { panic!("tenants") };
    assert_eq!(tenants.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["acme", "globex"]);
}

#[test]
fn tenants_need_their_segment() {
    let text = source("preset = \"stripe\"\ntenants = { acme = { env = \"KEY\" } }");
    assert_mistake(&text, 5, "no segment {tenant}", "/hooks/{tenant}");
}

#[test]
fn a_configuration_has_presets_of_its_own() {
    let row = "[[preset]]\nname = \"acme\"\nhmac = { header = \"X-Acme\", algorithm = \"md5\" }\nevent_type = { json = \"/kind\" }\n";
    let text = format!("{row}{}", source("preset = \"acme\"\nsecret = { env = \"KEY\" }"));
    let source = config(&text).sources.remove(0);
    assert_eq!(source.preset.as_deref(), Some("acme"));
    assert_eq!(source.event_type.len(), 1);
    assert!(source.type_signed);
}

#[test]
fn a_reply_is_a_success_that_can_be_written() {
    for (reply, what, help) in [
        ("{ status = 404 }", "404 is out of bounds", "200 to 299"),
        ("{ status = 204, content_type = \"text/plain\", body = \"x\" }", "has no body", "leave the body out"),
        ("{ body = \"x\" }", "no type", "content_type ="),
        ("{ content_type = \"text/plain\" }", "no body of this type", "body ="),
        ("{ content_type = \"text/plain\", body = \"{name}\" }", "{name} is not known", "{id} or {type}"),
        ("{ content_type = \"application/json\", body = '{\"id\":1}' }", "is not known to a reply", "{{ and }}"),
        ("{ content_type = \"a\\nb\", body = \"x\" }", "cannot be the value of a header", "line breaks"),
    ] {
        assert_mistake(&open_source(&format!("reply = {reply}")), 5, what, help);
    }
}

#[test]
fn a_reply_without_body_is_empty() {
    let reply = read_source("auth = \"none\"\nreply = { status = 204 }").reply;
    assert_eq!((reply.content_type, reply.body), (None, String::new()));
    let reply = read_source("auth = \"none\"\nreply = { status = 200, body = \"\" }").reply;
    assert_eq!((reply.content_type, reply.body), (None, String::new()));
}

#[test]
fn a_refusal_is_no_success() {
    assert_mistake(&open_source("refuse = { status = 200 }"), 5, "200 is out of bounds", "400 to 599");
}

#[test]
fn credentials_are_not_kept() {
    assert_mistake(
        &open_source("keep_headers = [\"X-A\", \"Authorization\"]"),
        5,
        "`authorization` carries",
        "leave it out",
    );
    let text = source("api_key = { header = \"X-Key\", key = { env = \"KEY\" } }\nkeep_headers = [\"x-key\"]");
    assert_mistake(&text, 5, "`x-key` carries", "leave it out");
    config(&source("preset = \"github\"\nsecret = { env = \"KEY\" }\nkeep_headers = [\"X-Hub-Signature-256\"]"));
}

#[test]
fn credentials_are_no_type() {
    assert_mistake(&open_source("event_type = { header = \"Cookie\" }"), 5, "`cookie` carries", "another header");
    let basic = "basic = { user = \"u\", password = { env = \"KEY\" } }\nurl_credential = \"c\"";
    let text = source(&format!("{basic}\nevent_type = {{ query = \"c\" }}"));
    assert_mistake(&text, 6, "parameter carries", "another parameter");
}

#[test]
fn a_source_that_no_route_reads_is_warned_of() {
    let warnings = config(&open_source("")).warnings;
    assert_eq!((warnings.len(), warnings[0].line), (1, 2));
    assert!(warnings[0].help.contains("source = \"a\""), "{}", warnings[0]);
}

#[test]
fn where_senders_may_be_and_how_much_they_may_send() {
    let keys = r#"auth = "none"
allow = ["192.0.2.0/24", "2001:db8::1"]
deny = "192.0.2.66"
max_rate = 500
max_rate_per_address = 50"#;
    let senders = config(&source(keys)).sources.remove(0).senders;
    assert_eq!((senders.allow.len(), senders.deny.len()), (2, 1));
    assert_eq!((senders.max_rate, senders.max_rate_per_address), (Some(500), Some(50)));
    assert_mistake(&source("auth = \"none\"\nallow = \"192.0.2.1/24\""), 5, "does not begin", "192.0.2.0/24");
    assert_mistake(&source("auth = \"none\"\nmax_rate = 0"), 5, "out of bounds", "from 1");
}

#[test]
fn a_certificate_is_a_proof_where_a_listener_asks_for_one() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["a.pem", "a.key", "ca.pem"] {
        super::text_file(directory.path(), file, "");
    }
    let text = format!(
        "[gateway]\ntls = {{ cert = \"a.pem\", key = \"a.key\", client_ca = \"ca.pem\" }}\n{}",
        source("client_cert = [\"Partner\", \"proxy.example.com\"]")
    );
    let config = super::read_in(directory.path(), &text).unwrap();
    assert_eq!(config.sources[0].auth.client_names, ["partner", "proxy.example.com"]);
    assert_mistake(&source("client_cert = \"partner\""), 4, "no listener asks", "client_ca");
}

#[test]
fn forms_xml_and_cloudevents_are_places_too() {
    let source = read_source(
        r#"
auth = "none"
event_type = [{ form = "MessageStatus" }, { xml = "/Envelope/Body/Status/@code" }, { cloudevent = "type" }]
"#,
    );
    let places: Vec<_> = source.event_type.into_iter().map(|locator| locator.place).collect();
    let [Place::Form(field), Place::Xml(path), Place::CloudEvent(attribute)] = places.as_slice() else {
        panic!("{places:?}");
    };
    assert_eq!((field.as_str(), path.to_string().as_str()), ("MessageStatus", "/Envelope/Body/Status/@code"));
    assert_eq!((attribute.header.as_str(), attribute.member.to_string().as_str()), ("ce-type", "/type"));
}

#[test]
fn a_place_that_cannot_be_is_refused() {
    let place = |place: &str| open_source(&format!("event_type = {place}"));
    assert_mistake(&place(r#"{ xml = "Envelope" }"#), 5, "does not lead to an element", "outermost");
    assert_mistake(&place(r#"{ xml = "/soapenv:Envelope/Body" }"#), 5, "does not lead", "leave prefixes out");
    assert_mistake(&place(r#"{ cloudevent = "ce-type" }"#), 5, "no attribute", "without ce-");
    assert_mistake(&place(r#"{ form = "" }"#), 5, "empty", "at least one character");
    assert_mistake(&place(r#"{ form = "a", json = "/a" }"#), 5, "stands beside", "only one");
}

#[test]
fn a_type_in_a_form_or_in_xml_is_signed_with_the_body_and_one_in_a_header_is_not() {
    let signed = |place: &str| {
        let text = hmac(r#"algorithm = "sha256", encoding = "hex", signed = "{body}""#);
        config(&format!("{text}event_type = {place}\n")).sources.remove(0).type_signed
    };
    assert!(signed(r#"{ form = "a" }"#) && signed(r#"{ xml = "/a" }"#));
    assert!(!signed(r#"{ cloudevent = "type" }"#));
}

#[test]
fn batches_are_described_by_where_they_are() {
    let split = |text: &str| read_source(&format!("auth = \"none\"\nsplit = \"{text}\"")).split;
    assert_eq!(split("lines"), Some(Split::Lines));
    assert_eq!(split(""), Some(Split::Array(Pointer(vec![]))));
    assert_eq!(split("/items"), Some(Split::Array(Pointer(vec!["items".to_owned()]))));
    assert_eq!(read_source("auth = \"none\"").split, None);
    assert_mistake(&open_source("split = \"items\""), 5, "what to take apart", "/items");
    assert_mistake(&open_source("split = true"), 5, "must be a string", "double quotes");
}

#[test]
fn a_source_of_cloudevents_knows_where_type_and_id_are() {
    let source = read_source("auth = \"none\"\nformat = \"cloudevents\"");
    assert!(source.cloudevents && source.split == Some(Split::CloudEvents));
    assert!(matches!(&source.event_type[0].place, Place::CloudEvent(attribute) if attribute.name == "type"));
    assert!(matches!(&source.delivery_id[0].place, Place::CloudEvent(attribute) if attribute.name == "id"));
    let own = read_source("auth = \"none\"\nformat = \"cloudevents\"\nevent_type = { cloudevent = \"subject\" }");
    assert!(matches!(&own.event_type[0].place, Place::CloudEvent(attribute) if attribute.name == "subject"));
    assert_mistake(&open_source("format = \"cloudevent\""), 5, "not known here", "did you mean \"cloudevents\"");
    assert_mistake(&open_source("format = \"cloudevents\"\nsplit = \"\""), 6, "as they are", "leave `split` out");
    let key = "api_key = { header = \"ce-key\", key = { env = \"KEY\" } }\nformat = \"cloudevents\"";
    assert_mistake(&super::source(key), 5, "kept as an attribute", "another header");
}

#[test]
fn the_acknowledgement_of_salesforce_has_a_name() {
    let reply = read_source("auth = \"none\"\nreply = \"salesforce\"").reply;
    assert_eq!((reply.status, reply.content_type.as_deref()), (StatusCode::OK, Some("text/xml; charset=utf-8")));
    assert!(reply.body.contains("<Ack>true</Ack>"));
    assert_mistake(&open_source("reply = \"sales force\""), 5, "not known here", "salesforce");
}

#[test]
fn a_type_outside_json_is_warned_of_where_requests_are_taken_apart() {
    let warnings = |keys: &str| {
        let all = config(&source(&format!("auth = \"none\"\n{keys}"))).warnings;
        all.into_iter().filter(|warning| warning.line >= 5).collect::<Vec<_>>()
    };
    for place in ["form = \"kind\"", "xml = \"/a/b\""] {
        let keys = format!("split = \"\"\nevent_type = [{{ json = \"/a\" }}, {{ {place} }}]");
        let warnings = warnings(&keys);
        assert!(warnings.len() == 1 && warnings[0].what.contains("pieces of JSON"), "{warnings:?}");
        assert_eq!(warnings[0].line, 6);
    }
    assert_eq!(warnings("event_type = { form = \"kind\" }"), []);
    assert_eq!(warnings("split = \"\"\nevent_type = { header = \"kind\" }"), []);
}
