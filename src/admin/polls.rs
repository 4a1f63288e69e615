//! What a poll is told to do.

use http::StatusCode;
use serde_json::json;

use super::observed::Observed;
use super::server::{JSON, TEXT};
use crate::poll::{NotDone, ObservedPoll};
use crate::sniff;

/// Status, content type and body of an answer.
type Told = (StatusCode, &'static str, String);

/// Does what is posted to a path below `/polls/`, and answers when it is done.
pub(super) async fn command(observed: &Observed, path: &str, query: &str) -> Told {
    let words = path.strip_prefix("/polls/").and_then(|rest| rest.split_once('/'));
    let Some((name, verb @ ("run" | "reset"))) = words else {
        return (StatusCode::NOT_FOUND, TEXT, "known: POST /polls/NAME/run …/reset\n".to_owned());
    };
    let Some(poll) = observed.poll(name) else {
        let known: Vec<&str> = observed.polls.iter().map(|poll| poll.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return (StatusCode::NOT_FOUND, TEXT, format!("no poll is called {name:?}; there are {known}\n"));
    };
    let done = if verb == "run" { run(poll).await } else { reset(poll, sniff::parameter(query, "to")).await };
    match done {
        Ok(document) => (StatusCode::OK, JSON, format!("{document}\n")),
        Err(NotDone::Failed(why)) => (StatusCode::CONFLICT, TEXT, format!("poll {name}: {why}\n")),
        Err(NotDone::Busy) => {
            (StatusCode::SERVICE_UNAVAILABLE, TEXT, "the gateway is stopping, or has much to do\n".to_owned())
        }
    }
}

async fn run(poll: &ObservedPoll) -> Result<serde_json::Value, NotDone> {
    let taken = poll.run().await?;
    Ok(json!({ "poll": poll.name, "records": taken.records, "duplicates": taken.duplicates }))
}

async fn reset(poll: &ObservedPoll, to: Option<String>) -> Result<serde_json::Value, NotDone> {
    let cursor = poll.reset(to).await?;
    Ok(json!({ "poll": poll.name, "cursor": cursor }))
}
