//! What the admin address asks of the quarantine's thread.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::entry::{Entry, Summary};

/// A question, and where its answer goes. Who has asked may be gone.
#[derive(Debug)]
pub(crate) enum Ask {
    /// What is kept of a source, or of all, oldest first.
    List { source: Option<String>, told: oneshot::Sender<Vec<Summary>> },
    /// One of them.
    Show { id: String, told: oneshot::Sender<Option<Entry>> },
    /// To forget them.
    Drop { which: Which, dry_run: bool, told: oneshot::Sender<Dropped> },
    /// To judge them once more, oldest first, and to let in those that are right now. A verdict each, as it is passed; ends
    /// when nobody listens.
    Retry { which: Which, how: Again, told: UnboundedSender<Verdict> },
}

/// Which of those that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Source(String),
    Ids(Vec<String>),
}

/// How they are judged.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Again {
    /// Whatever the age of their timestamps.
    pub(crate) ignore_age: bool,
    /// Without the credentials that were removed from them.
    pub(crate) trust: bool,
    /// None is let in.
    pub(crate) dry_run: bool,
}

/// How many are gone, and which were not there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dropped {
    pub(crate) dropped: usize,
    pub(crate) unknown: Vec<String>,
}

/// What became of one that was judged once more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// Its id in the quarantine.
    pub(crate) id: String,
    pub(crate) source: Option<String>,
    pub(crate) accepted: bool,
    /// The id of the event that it has become. Not of a batch, nor in a dry run.
    pub(crate) event: Option<String>,
    /// Why it is not accepted, or what else there is to say.
    pub(crate) why: Option<String>,
}

impl Verdict {
    /// Of one that has not been judged.
    pub(crate) fn unjudged(id: String) -> Self {
        Self { id, source: None, accepted: false, event: None, why: None }
    }
}
