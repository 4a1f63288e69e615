//! What a client thread sends next: without a signature to be computed, an allocation or a wait on its own part.
//!
//! Requests that can be reused are patched on the client's thread. Requests that cannot are printed in batches by a
//! `sign-N` thread, two batches ahead. A batch covers half a second, so that a signed timestamp is young when it is sent;
//! one that has aged nonetheless is thrown away.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;

use super::id::Ids;
use super::prepare::{Press, Request, Template};

/// The requests of one client thread.
pub(crate) enum Supply {
    /// The same requests in turn, each time under another id.
    Patched {
        /// Never empty.
        templates: Vec<Template>,
        /// How many were sent.
        sent: usize,
        /// Their ids.
        ids: Ids,
    },
    /// Requests that were signed one by one.
    Signed {
        /// From the `sign-N` thread, which ends when this is dropped.
        batches: Receiver<Batch>,
        /// What is left of the batch in use.
        batch: Batch,
        /// The age at which a batch is of no use any more.
        stale_after: Duration,
    },
}

/// Requests signed at one time.
pub(crate) struct Batch {
    requests: std::vec::IntoIter<Request>,
    signed: Instant,
}

impl Supply {
    /// The supply of thread `thread`, which sends `rate` requests per second, or as many as it can.
    pub(crate) fn new(press: &Arc<Press>, run: u32, thread: u16, rate: Option<u64>) -> anyhow::Result<Self> {
        let ids = Ids::new(run, thread);
        if press.is_reusable() {
            let templates = press.templates(SystemTime::now())?;
            // Threads start at different payloads, or all would send the large ones at the same time.
            return Ok(Supply::Patched { templates, sent: usize::from(thread) * 7, ids });
        }
        let size = rate.map_or(MAX_BATCH, |rate| (rate / 2).clamp(1, MAX_BATCH));
        let stale_after = press.signing().tolerance().map_or(Duration::MAX, |tolerance| tolerance / 2);
        let (sender, batches) = sync_channel(1);
        let press = Arc::clone(press);
        std::thread::Builder::new()
            .name(format!("sign-{thread}"))
            .spawn(move || {
                let (mut ids, mut nth) = (ids, usize::from(thread) * 7);
                loop {
                    let (signed, now) = (Instant::now(), SystemTime::now());
                    let requests: Vec<_> = (0..size)
                        .filter_map(|_| {
                            nth += 1;
                            press.print(nth, ids.next(), now)
                        })
                        .collect();
                    if sender.send(Batch { requests: requests.into_iter(), signed }).is_err() {
                        return;
                    }
                }
            })
            .context("cannot start a thread that signs")?;
        let batch = batches.recv().context("the thread that signs has ended")?;
        Ok(Supply::Signed { batches, batch, stale_after })
    }

    /// Puts the next request's head into `head` and gives its id and its body. `None` if the signing thread has ended.
    ///
    /// Where signing has not kept up, this waits for it: the thread's slip then tells of it.
    pub(crate) fn next(&mut self, head: &mut Vec<u8>) -> Option<([u8; Ids::WIDTH], Bytes)> {
        match self {
            Supply::Patched { templates, sent, ids } => {
                let template = templates.get(*sent % templates.len())?;
                *sent += 1;
                head.clear();
                head.extend_from_slice(&template.request.head);
                let id = *ids.next();
                if let Some(slot) = template.slot.clone() {
                    head.get_mut(slot)?.copy_from_slice(&id);
                }
                Some((id, template.request.body.clone()))
            }
            Supply::Signed { batches, batch, stale_after } => loop {
                if batch.signed.elapsed() < *stale_after
                    && let Some(request) = batch.requests.next()
                {
                    *head = request.head;
                    return Some((request.id, request.body));
                }
                *batch = batches.recv().ok()?;
            },
        }
    }
}

/// Requests in a batch, at most.
const MAX_BATCH: u64 = 1024;
