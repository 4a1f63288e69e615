//! `hookgate send --handshake`: plays a provider that wants to know who owns an endpoint, and judges the answer as it would.
//!
//! ```text
//! preset's row ─▶ what tells a handshake, filled with a challenge of our own ─▶ signed, if it is proven ─▶ asked
//!              └▶ what the provider wants to hear, filled with the same ────────────────────────────────▶ compared
//! ```
//!
//! Where the provider signs, the same is asked once more with a wrong signature, which must be refused.

use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Uri};
use serde_json::Value;

use super::client::{Answer, Request};
use super::visible::visible;
use crate::admit::{Message, Signer};
use crate::config::{AnswerPart, Expected, Field, Handshake, Preset, Proof, Secret, Split};
use crate::event::IdSource;

/// Whom to play, and to whom.
pub(super) struct Play<'a> {
    pub(super) preset: &'a Preset,
    pub(super) signer: Option<Signer>,
    pub(super) secret: Option<Secret>,
    pub(super) verify_token: Option<Secret>,
    /// In place of headers that the handshake has itself.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) url: &'a Uri,
}

/// The texts of one handshake: those that tell it, and those that its answer has to repeat.
struct Texts<'a>(Vec<(&'a Field, String)>);

impl Play<'_> {
    /// Plays each of the provider's handshakes. An error says what the provider would not take.
    pub(super) fn run(self) -> anyhow::Result<String> {
        let provider = &self.preset.provider;
        if self.preset.handshakes.is_empty() {
            bail!("{provider} has no handshake: it begins with its first event");
        }
        let told: Vec<String> =
            self.preset.handshakes.iter().map(|handshake| self.play(handshake)).collect::<anyhow::Result<_>>()?;
        Ok(format!("{provider} would take this endpoint: {}", told.join(", ")))
    }

    fn play(&self, handshake: &Handshake) -> anyhow::Result<String> {
        let would_not = || format!("{} would not take this endpoint", self.preset.provider);
        let texts = self.texts(handshake)?;
        let mut wanted = Vec::with_capacity(handshake.headers.len());
        for (name, parts) in &handshake.headers {
            wanted.push((name, self.filled(parts, &texts)?));
        }
        let wanted_body = self.filled(&handshake.body, &texts)?;
        let answer = self.ask(handshake, &texts, true)?;
        judge(handshake, &answer, &wanted, &wanted_body).with_context(would_not)?;
        let told = format!("its {} was answered {}", handshake.method, answer.status);
        if !handshake.proven {
            return Ok(told);
        }
        let forged = self.ask(handshake, &texts, false)?;
        self.judge_forged(&forged).with_context(would_not)?;
        Ok(format!("{told}, and {} with a wrong signature", forged.status))
    }

    fn judge_forged(&self, answer: &Answer) -> anyhow::Result<()> {
        let status = answer.status;
        match self.preset.refuse.status {
            Some(wanted) => {
                ensure!(status == wanted, "with a wrong signature it was answered {status}, and not {wanted}");
            }
            None => {
                ensure!(status.is_client_error(), "with a wrong signature it was answered {status}, and not refused");
            }
        }
        Ok(())
    }

    /// What stands in each field that tells the handshake or comes back in its answer.
    fn texts<'h>(&self, handshake: &'h Handshake) -> anyhow::Result<Texts<'h>> {
        let mut texts = Texts(Vec::new());
        for clue in &handshake.when {
            let text = match &clue.is {
                Expected::Text(text) => text.clone(),
                Expected::Anything => challenge(),
                Expected::VerifyToken => {
                    let token = self.verify_token.as_ref();
                    let token =
                        token.context("give its verify token with --verify-token-env or --verify-token-file")?;
                    String::from_utf8_lossy(token.expose()).into_owned()
                }
            };
            texts.set(&clue.field, text);
        }
        let parts = handshake.body.iter().chain(handshake.headers.iter().flat_map(|(_, parts)| parts));
        for part in parts {
            if let AnswerPart::Field(field) | AnswerPart::Mac(field, _) = part
                && texts.get(field).is_none()
            {
                texts.set(field, challenge());
            }
        }
        if let Some(field) = &handshake.learn {
            // The first one stays: a made-up one would lock the provider out.
            let secret = self.secret.as_ref().context(
                "this handshake hands over the secret, and the source keeps the first that comes: give it with --secret-env or --secret-file",
            )?;
            texts.set(field, String::from_utf8_lossy(secret.expose()).into_owned());
        }
        Ok(texts)
    }

    fn filled(&self, parts: &[AnswerPart], texts: &Texts<'_>) -> anyhow::Result<String> {
        let one = |part: &AnswerPart| match part {
            AnswerPart::Literal(text) => Ok(text.clone()),
            AnswerPart::Field(field) => Ok(texts.get(field).unwrap_or_default().to_owned()),
            AnswerPart::Mac(field, encoding) => {
                let text = texts.get(field).unwrap_or_default();
                let mac = self.signer.as_ref().and_then(|signer| signer.mac(text.as_bytes(), *encoding));
                mac.context("the answer is computed with the secret: give it with --secret-env or --secret-file")
            }
        };
        parts.iter().map(one).collect()
    }

    /// Sends the handshake, and if it has to be proven with a signature that is right or not.
    fn ask(&self, handshake: &Handshake, texts: &Texts<'_>, rightly: bool) -> anyhow::Result<Answer> {
        let mut body = self.body(handshake, texts);
        let mut headers = Vec::new();
        if handshake.proven {
            let signer = self.signer.as_ref();
            let signer =
                signer.context("it signs its handshake: give the secret with --secret-env or --secret-file")?;
            let now = SystemTime::now();
            let id = made_up(now);
            let with_proof = signer.body(&Message { body: &body, event_type: None, id: &id, now })?;
            body = with_proof.unwrap_or(body);
            // A signature of something else is as well-formed as the right one.
            let other = [body.as_slice(), b" "].concat();
            let covered = if rightly { &body } else { &other };
            headers = signer.headers(&Message { body: covered, event_type: None, id: &id, now });
        }
        if !body.is_empty() {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        for (field, text) in &texts.0 {
            if let Field::Header(name) = field {
                let value = HeaderValue::from_str(text).with_context(|| format!("{name} cannot carry that text"))?;
                headers.push((name.clone(), value));
            }
        }
        for (name, value) in &self.headers {
            headers.retain(|(there, _)| there != name);
            headers.push((name.clone(), value.clone()));
        }
        let url = self.with_query(texts)?;
        Request { method: handshake.method.clone(), url, headers, body: body.into() }.send()
    }

    /// Empty where nothing of the handshake is in it, as of a provider that only looks whether anybody is there.
    fn body(&self, handshake: &Handshake, texts: &Texts<'_>) -> Vec<u8> {
        let in_query = texts.0.iter().any(|(field, _)| matches!(field, Field::Query(_)));
        if handshake.method != Method::POST || in_query {
            return Vec::new();
        }
        let mut document = Value::Object(serde_json::Map::new());
        if let Some(Split::Array(list)) = &self.preset.split {
            put(&mut document, &list.0, Value::Array(Vec::new()));
        }
        for (field, text) in &texts.0 {
            if let Field::Json(pointer) = field {
                let number = text.parse::<u64>().map(Value::from);
                put(&mut document, &pointer.0, number.unwrap_or_else(|_| Value::from(text.clone())));
            }
        }
        document.to_string().into_bytes()
    }

    fn with_query(&self, texts: &Texts<'_>) -> anyhow::Result<Uri> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (field, text) in &texts.0 {
            if let Field::Query(name) = field {
                query.append_pair(name, text);
            }
        }
        let query = query.finish();
        if query.is_empty() {
            return Ok(self.url.clone());
        }
        let joint = if self.url.query().is_some() { '&' } else { '?' };
        format!("{}{joint}{query}", self.url).parse().context("the URL cannot carry the handshake's parameters")
    }
}

impl<'a> Texts<'a> {
    fn get(&self, field: &Field) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == field).map(|(_, text)| text.as_str())
    }

    fn set(&mut self, field: &'a Field, text: String) {
        self.0.retain(|(known, _)| *known != field);
        self.0.push((field, text));
    }
}

/// An error says in what the answer is not what was wanted.
fn judge(handshake: &Handshake, answer: &Answer, headers: &[(&HeaderName, String)], body: &str) -> anyhow::Result<()> {
    let (status, given) = (answer.status, visible(&answer.body));
    ensure!(status == handshake.status, "it was answered {status}, and not {}: {}", handshake.status, given.trim_end());
    for (name, wanted) in headers {
        let given = answer.headers.get(*name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let shown = given.as_ref().map_or("not there".to_owned(), |given| format!("{given:?}"));
        ensure!(given.as_deref() == Some(wanted), "the header {name} of the answer is {shown}, and not {wanted:?}");
    }
    if handshake.method == Method::HEAD || body.is_empty() {
        return Ok(());
    }
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let wanted_kind = handshake.content_type.as_deref().map(essence).unwrap_or_default();
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(essence).unwrap_or_default();
    ensure!(kind == wanted_kind, "the answer's content type is {kind:?}, and not {wanted_kind:?}");
    // JSON may be written in any way; a text must come back as it is.
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let is_json = kind == "application/json";
    let is_right =
        if is_json { json(&answer.body).is_some_and(|it| Some(it) == json(body)) } else { answer.body == body };
    ensure!(is_right, "the body of the answer is {given:?}, and not {body:?}");
    Ok(())
}

/// Whether a signature is what the provider proves itself with: then there is something to sign with.
pub(super) fn signs(preset: &Preset) -> bool {
    matches!(preset.proof, Proof::Signature(_))
}

/// With a character that has to be encoded in a query.
fn challenge() -> String {
    format!("hookgate+{}", made_up(SystemTime::now()))
}

fn made_up(now: SystemTime) -> String {
    String::from_utf8_lossy(&IdSource::new().next(IdSource::unix_ms(now))).into_owned()
}

/// Puts a value where a pointer points, and the objects on the way if they are not there.
fn put(document: &mut Value, pointer: &[String], value: Value) {
    match pointer.split_first() {
        None => *document = value,
        Some((segment, rest)) => {
            if let Some(members) = document.as_object_mut() {
                put(
                    members.entry(segment.clone()).or_insert_with(|| Value::Object(serde_json::Map::new())),
                    rest,
                    value,
                );
            }
        }
    }
}
