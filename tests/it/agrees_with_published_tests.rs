//! What others have published to test implementations with, all of it, through the front door: signed requests of providers,
//! MACs, and documents that are JSON or nearly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::Answer;
use crate::gateway::Gateway;
use crate::processor::Processor;

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap()
}

/// A published request, and the source that it is for.
struct Vector {
    value: Value,
    path: String,
    target: String,
    public_url: Option<String>,
}

impl Vector {
    fn new(value: Value) -> Self {
        let url = value["url"].as_str().map(|url| url.parse::<http::Uri>().unwrap());
        let target = url.as_ref().and_then(|url| url.path_and_query()).map(ToString::to_string);
        let path = url.as_ref().map(|url| url.path().to_owned());
        let public_url = url.map(|url| format!("{}://{}", url.scheme_str().unwrap(), url.authority().unwrap()));
        let own = "/hooks/own".to_owned();
        Self { path: path.unwrap_or_else(|| own.clone()), target: target.unwrap_or(own), public_url, value }
    }

    /// All that its source is made of but the path. Vectors that agree in it share one.
    fn source(&self, number: usize) -> String {
        let optional =
            |key: &str, value: Option<&str>| value.map_or(String::new(), |value| format!("{key} = {value:?}\n"));
        format!(
            "[[source]]\nname = \"s{number}\"\npreset = {:?}\nack = \"memory\"\nsecret = {{ file = \"secret-{number}\" }}\n{}{}",
            text(&self.value, "scheme"),
            optional("public_url", self.public_url.as_deref()),
            optional("key_id", self.value["key_id"].as_str()),
        )
    }

    fn same_source(&self, other: &Self) -> bool {
        let members = ["scheme", "secret", "key_id"];
        self.public_url == other.public_url && members.iter().all(|member| self.value[member] == other.value[member])
    }

    fn post(&self, gateway: &Gateway, number: usize) -> Answer {
        let headers = self.value["headers"].as_object().unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let own = format!("/hooks/s{number}");
        let target = if self.public_url.is_some() { &self.target } else { &own };
        gateway.client().request(text(&self.value, "method"), target, &headers, text(&self.value, "body").as_bytes())
    }
}

/// A gateway has one source for each path, so those that sign the same path with different secrets need one after the other.
#[test]
fn every_request_that_a_provider_has_published_is_answered_as_it_expects() {
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(fixtures("vectors.json")).unwrap()).unwrap();
    let mut left: Vec<Vector> = all.into_iter().map(Vector::new).collect();
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    while !left.is_empty() {
        let mut sources: Vec<Vector> = Vec::new();
        let mut now: Vec<(usize, Vector)> = Vec::new();
        let mut later = Vec::new();
        for vector in left {
            let is_free = vector.public_url.is_none() || sources.iter().all(|source| source.path != vector.path);
            if let Some(number) =
                sources.iter().position(|source| source.same_source(&vector) && source.path == vector.path)
            {
                now.push((number, vector));
            } else if is_free {
                sources.push(Vector::new(vector.value.clone()));
                now.push((sources.len() - 1, vector));
            } else {
                later.push(vector);
            }
        }
        left = later;
        let config: String = sources
            .iter()
            .enumerate()
            .map(|(number, source)| {
                let path = source.public_url.as_ref().map(|_| format!("path = {:?}\n", source.path));
                format!("{}{}", source.source(number), path.unwrap_or_default())
            })
            .collect();
        let gateway = Gateway::start_prepared(&config, |dir| {
            for (number, source) in sources.iter().enumerate() {
                std::fs::write(dir.join(format!("secret-{number}")), text(&source.value, "secret")).unwrap();
            }
        });
        for (number, vector) in now {
            let answer = vector.post(&gateway, number);
            let outcome = outcome_of(&vector.value, &answer);
            match outcome {
                Some(outcome) => *outcomes.entry(outcome).or_default() += 1,
                None => wrong.push(format!("{}: {} {}", vector.value["name"], answer.status, answer.text())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{outcomes:?}");
    assert_eq!(outcomes.values().sum::<usize>(), 329);
    assert_eq!(outcomes["accepted"], 42, "of requests without a time");
    assert_eq!(outcomes["old"], 18, "of requests whose signature is right, and their time past");
}

/// How it was answered, if rightly. What was published with a time is old by now; that is said only of what is well-formed.
fn outcome_of(vector: &Value, answer: &Answer) -> Option<&'static str> {
    match (text(vector, "method"), text(vector, "expect"), answer.status) {
        ("GET", _, 405) => Some("not posted"),
        (_, "accept", 200..300) => Some("accepted"),
        // Proven, and then looked into: the body of that example is none of the provider's.
        (_, "accept", 400) if answer.reason() == "not_a_batch" => Some("accepted"),
        (_, "accept", 401) if answer.reason() == "stale_timestamp" => Some("old"),
        (_, "reject", 401) => Some("refused"),
        _ => None,
    }
}

#[test]
fn every_mac_of_wycheproof_is_verified_and_none_that_is_truncated() {
    for (file, algorithm, bits, count) in
        [("sha1", "sha1", 160, 170), ("sha256", "sha256", 256, 174), ("sha512", "sha512", 512, 174)]
    {
        let name = format!("wycheproof/hmac_{file}_test.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(fixtures(&name)).unwrap()).unwrap();
        let groups = vectors["testGroups"].as_array().unwrap();
        let tests: Vec<(&Value, bool)> = groups
            .iter()
            .flat_map(|group| {
                let is_whole = group["tagSize"] == bits;
                group["tests"].as_array().unwrap().iter().map(move |test| (test, is_whole))
            })
            .collect();
        assert_eq!(tests.len(), count);
        let mut keys: Vec<&str> = tests.iter().map(|(test, _)| text(test, "key")).collect();
        keys.sort_unstable();
        keys.dedup();
        let config: String = (0..keys.len())
            .map(|number| {
                format!(
                    "[[source]]\nname = \"s{number}\"\nack = \"memory\"\nsecret = {{ file = \"key-{number}\" }}\n\
                     hmac = {{ header = \"X-Mac\", algorithm = {algorithm:?}, key = \"hex\" }}\n"
                )
            })
            .collect();
        let gateway = Gateway::start_prepared(&config, |dir| {
            for (number, key) in keys.iter().enumerate() {
                std::fs::write(dir.join(format!("key-{number}")), key).unwrap();
            }
        });
        let mut accepted = 0;
        for (test, is_whole) in tests {
            let number = keys.binary_search(&text(test, "key")).unwrap();
            let body = data_encoding::HEXLOWER.decode(text(test, "msg").as_bytes()).unwrap();
            let answer = gateway.post(&format!("/hooks/s{number}"), &[("X-Mac", text(test, "tag"))], &body);
            let expected = if is_whole && test["result"] == "valid" { 202 } else { 401 };
            assert_eq!(answer.status, expected, "{file} {}: {}", test["tcId"], test["comment"]);
            if !is_whole {
                assert_eq!(answer.reason(), "malformed_signature", "{file} {}", test["tcId"]);
            }
            accepted += usize::from(answer.status == 202);
        }
        assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), accepted as f64);
    }
}

/// Each file is posted as it is, and as a member before the type. Whatever it is, it is delivered as it came, with the type
/// that `serde_json` finds or, where that finds none, with one that stands there or none.
#[test]
fn every_document_of_the_json_test_suite_is_taken_and_typed() {
    let processor = Processor::start();
    let source = |name: &str, pointer: &str| {
        format!(
            "[[source]]\nname = {name:?}\nauth = \"none\"\nack = \"memory\"\nevent_type = {{ json = {pointer:?} }}\n"
        )
    };
    let gateway = Gateway::start(&format!(
        "{}{}{}[[route]]\nname = \"all\"\nfrom = {{ source = \"*\" }}\nto = {{ http = {:?} }}\n",
        source("element", "/0"),
        source("member", "/a"),
        source("behind", "/type"),
        processor.url("/")
    ));
    let mut files: Vec<_> =
        std::fs::read_dir(fixtures("json_test_suite")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    assert_eq!(files.len(), 318);
    let mut client = gateway.client();
    let (mut types, mut wrong) = (0, Vec::new());
    for (at, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let document = std::fs::read(file).unwrap();
        let within = [b"{\"x\":".as_slice(), &document, b",\"type\":\"marker\"}"].concat();
        let posts = [("element", "/0", &document), ("member", "/a", &document), ("behind", "/type", &within)];
        for (source, _, body) in posts {
            assert_eq!(client.post(&format!("/hooks/{source}"), &[], body).status, 202, "{name}");
        }
        let received = processor.wait_for((at + 1) * posts.len()).split_off(at * posts.len());
        for (source, pointer, body) in posts {
            let delivery = received.iter().find(|one| one.header("hookgate-source") == Some(source)).unwrap();
            assert_eq!(delivery.body, *body, "{name} for {source} is delivered as it came");
            let found = delivery.header("hookgate-type").map(without_escapes);
            let found = found.as_deref();
            let parsed = serde_json::from_slice::<Value>(body);
            assert!(parsed.is_ok() || !name.starts_with("y_"), "{name}");
            let is_right = match &parsed {
                Ok(document) => is_type_at(document.pointer(pointer), found) || has_a_key_twice(name),
                Err(_) => found.is_none_or(|found| stands_in(body, found)),
            };
            if !is_right {
                wrong.push(format!("{name} for {source} has the type {found:?}"));
            }
            types += usize::from(found.is_some());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(types > 150, "only {types} types");
    assert_eq!(gateway.post("/hooks/behind", &[], b"{}").status, 202);
    assert_eq!(gateway.admin_get("/healthz").status, 200);
}

/// A type is a text that is one, or a number as it stands there.
fn is_type_at(value: Option<&Value>, found: Option<&str>) -> bool {
    match value {
        Some(Value::String(text)) if !text.is_empty() && !text.chars().any(char::is_control) => found == Some(text),
        Some(Value::Number(number)) => found
            .is_some_and(|found| serde_json::from_str::<serde_json::Number>(found).is_ok_and(|found| found == *number)),
        _ => found.is_none(),
    }
}

/// What a header cannot hold is sent as `%XX`.
fn without_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).unwrap()
}

/// Of which `serde_json` keeps the last and hookgate the first.
fn has_a_key_twice(name: &str) -> bool {
    name.starts_with("y_object_duplicated_key")
}

/// A type out of what is not JSON is a whole string or number of it.
fn stands_in(body: &[u8], found: &str) -> bool {
    let stands = |token: &str| body.windows(token.len()).any(|window| window == token.as_bytes());
    stands(&format!("\"{found}\"")) || (found.parse::<f64>().is_ok() && stands(found))
}
