//! What an earlier process knew of ids, taken up again at start: from index pages, or from the events of segments that have none,
//! which get one by this.

use std::time::{Duration, SystemTime};

use super::catalog::Kept;
use super::disk::Disk;
use super::ids::Ids;
use super::index::{self, Page, Spot};
use super::layout::BLOCK;
use super::recovery::Witness;
use super::shared::ID_TIME_AT_EPOCH;
use crate::event::{EventParts, Sequence};

/// The windows of duplicates take up the ids again, and what is read gets index pages.
pub(super) struct RestoreIds<'ids> {
    ids: &'ids mut Ids,
    now: SystemTime,
    /// Of the segments that were read.
    drafts: Vec<index::Draft>,
    /// Where the batch begins that is read.
    offset: u64,
}

impl<'ids> RestoreIds<'ids> {
    pub(super) fn new(ids: &'ids mut Ids, now: SystemTime) -> Self {
        Self { ids, now, drafts: Vec::new(), offset: 0 }
    }

    fn age(&self, received: SystemTime) -> Duration {
        ID_TIME_AT_EPOCH.saturating_sub(self.now.duration_since(received).unwrap_or_default())
    }

    /// From a page instead. `false` if there is none, or none whose ids are hashed like ours.
    pub(super) fn restore(&mut self, page: Option<Page>) -> bool {
        let Some(page) = page.filter(|page| page.key() == self.ids.key()) else { return false };
        let sources: Vec<_> = page.sources().iter().map(|source| self.ids.source(source)).collect();
        for entry in page.entries().filter(|entry| !entry.parked) {
            if let Some(Some(source)) = sources.get(entry.source) {
                let at = self.age(entry.received);
                self.ids.restore(*source, entry.id, at);
            }
        }
        true
    }

    fn note(&mut self, sequence: Sequence, event: &EventParts<'_>, parked: bool) {
        let id = self.ids.key().hash(event.id);
        let source = self.ids.source(event.source);
        if let Some(draft) = self.drafts.last_mut() {
            draft.push(id, Spot { sequence, offset: self.offset, parked }, (source, || event.source), event.received);
        }
        if !parked && let Some(source) = source {
            let at = self.age(event.received);
            self.ids.restore(source, id, at);
        }
    }

    /// All are restored. Writes the pages of sealed segments that had to be read, and removes those of no segment. Returns the draft
    /// of the last segment.
    pub(super) fn write_pages(self, disk: &dyn Disk, kept: &mut [Kept], pages: &[u64]) -> index::Draft {
        self.ids.restored(ID_TIME_AT_EPOCH);
        let key = *self.ids.key();
        let mut drafts = self.drafts;
        let last = drafts.pop().unwrap_or_default();
        for draft in drafts {
            let Some(kept) = kept.iter_mut().find(|kept| kept.link.first == draft.first()) else { continue };
            let Some(page) = draft.finish(&kept.link, &key) else { continue };
            // As good as none if it fails.
            if page.write(disk).is_ok() {
                kept.index_bytes = page.bytes.len() as u64;
            }
        }
        for &page in pages {
            if !kept.iter().rev().skip(1).any(|kept| kept.link.first.0 == page) {
                let _ = index::remove(disk, Sequence(page));
            }
        }
        last
    }
}

impl Witness for RestoreIds<'_> {
    fn segment(&mut self, first: Sequence) {
        self.drafts.push(index::Draft::new(first));
        self.offset = BLOCK as u64;
    }

    fn event(&mut self, sequence: Sequence, event: &EventParts<'_>) {
        self.note(sequence, event, false);
    }

    fn parked(&mut self, sequence: Sequence, event: &EventParts<'_>) {
        self.note(sequence, event, true);
    }

    fn batch(&mut self, bytes: u64) {
        self.offset += bytes;
    }
}
