//! What was refused and is kept: to be looked at, let in or forgotten.

use bytes::Bytes;
use data_encoding::BASE64;
use http::StatusCode;
use humantime::format_rfc3339_millis;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;

use super::follow::Lines;
use crate::quarantine::{Again, Ask, Dropped, Entry, Quarantine, Summary, Verdict, Which};
use crate::sniff;

/// The answer to a question.
pub(super) enum Told {
    Json(Value),
    /// A verdict on each, a line of JSON.
    Lines(Lines),
    Refused(StatusCode, String),
}

const UNKNOWN: &str = "nothing of this id is in quarantine: it was let in, dropped, or displaced by newer ones; \
                       `hookgate quarantine list` prints what is";

/// Answers a request below `/quarantine`. `None` for a method and path that mean nothing.
pub(super) async fn answer(quarantine: &Quarantine, method: &str, path: &str, query: &str) -> Option<Told> {
    let told = match (method, path.strip_prefix("/quarantine")?) {
        ("GET", "") => list(quarantine, sniff::parameter(query, "source")).await,
        ("POST", "/retry") => retry(quarantine, query).await,
        ("POST", "/drop") => forget(quarantine, query).await,
        ("GET", id) => show(quarantine, id.strip_prefix('/')?).await,
        _ => return None,
    };
    Some(told.unwrap_or_else(|refused| refused))
}

async fn list(quarantine: &Quarantine, source: Option<String>) -> Result<Told, Told> {
    let all = ask(quarantine, |told| Ask::List { source, told }).await?;
    Ok(Told::Json(json!({ "quarantine": all.iter().map(summary).collect::<Vec<_>>() })))
}

async fn show(quarantine: &Quarantine, id: &str) -> Result<Told, Told> {
    let id = id.to_owned();
    match ask(quarantine, |told| Ask::Show { id, told }).await? {
        Some(entry) => Ok(Told::Json(whole(&entry))),
        None => Err(Told::Refused(StatusCode::NOT_FOUND, UNKNOWN.to_owned())),
    }
}

async fn forget(quarantine: &Quarantine, query: &str) -> Result<Told, Told> {
    let (which, dry_run) = (which(query)?, sniff::parameter(query, "dry_run").is_some());
    let dropped: Dropped = ask(quarantine, |told| Ask::Drop { which, dry_run, told }).await?;
    Ok(Told::Json(json!(dropped)))
}

async fn retry(quarantine: &Quarantine, query: &str) -> Result<Told, Told> {
    let is_said = |name| sniff::parameter(query, name).is_some();
    let how = Again { ignore_age: is_said("ignore_age"), trust: is_said("trust"), dry_run: is_said("dry_run") };
    let (told, mut verdicts) = unbounded_channel::<Verdict>();
    if !quarantine.ask(Ask::Retry { which: which(query)?, how, told }).await {
        return Err(stopping());
    }
    let (lines, body) = Lines::channel();
    tokio::task::spawn_local(async move {
        while let Some(verdict) = verdicts.recv().await {
            // Its client is gone: what is not judged yet stays as it is.
            if lines.send(line(&json!(verdict))).await.is_err() {
                return;
            }
        }
        let _ = lines.send(line(&json!({ "is_over": true }))).await;
    });
    Ok(Told::Lines(body))
}

async fn ask<T>(quarantine: &Quarantine, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Told> {
    let (told, answer) = oneshot::channel();
    if !quarantine.ask(ask(told)).await {
        return Err(stopping());
    }
    answer.await.map_err(|_| stopping())
}

fn stopping() -> Told {
    Told::Refused(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping".to_owned())
}

fn which(query: &str) -> Result<Which, Told> {
    let parameter = |name| sniff::parameter(query, name);
    match (parameter("id"), parameter("source"), parameter("all")) {
        (Some(ids), None, None) => Ok(Which::Ids(ids.split(',').map(str::to_owned).collect())),
        (None, Some(source), None) => Ok(Which::Source(source)),
        (None, None, Some(_)) => Ok(Which::All),
        _ => {
            let said = "say which: id=ID,ID, source=SOURCE or all, one of them".to_owned();
            Err(Told::Refused(StatusCode::BAD_REQUEST, said))
        }
    }
}

fn summary(summary: &Summary) -> Value {
    json!({
        "id": summary.id,
        "source": summary.source,
        "reason": summary.reason,
        "received": format_rfc3339_millis(summary.received()).to_string(),
        "address": summary.address,
        "bytes": summary.bytes,
    })
}

fn whole(entry: &Entry) -> Value {
    let mut told = summary(&entry.summary);
    told["method"] = json!(entry.method);
    told["target"] = json!(entry.target);
    let headers = entry.headers.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
    told["headers"] = json!(headers.collect::<Vec<_>>());
    match std::str::from_utf8(&entry.body) {
        Ok(text) => told["body"] = json!(text),
        Err(_) => told["body_base64"] = json!(BASE64.encode(&entry.body)),
    }
    told
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}
