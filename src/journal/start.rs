//! Opening a journal: lock, recovery, first segment, threads.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::catalog::Catalog;
use super::disk::{Disk, RealDisk};
use super::error::JournalError;
use super::ids::Ids;
use super::layout::SEGMENTS;
use super::lock::DirLock;
use super::queue::Queue;
use super::recovery::{Recovered, recover};
use super::retain::Retain;
use super::ring::Ring;
use super::shared::{self, Order, Shared};
use super::stock::{Bounds, Stock, Supply};
use super::threads::{Errand, start_disk, start_journal};
use super::writer::{self, Writer};
use super::{Journal, Running, Settings};

/// A batch is not gathered any further from here on: what a larger one saves is less than what it makes wait.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// How long the journal thread waits for a segment's file that `disk` is still writing.
const PATIENCE: Duration = Duration::from_secs(2);

/// See [`Journal::open`].
pub(super) fn open(settings: &Settings) -> Result<(Journal, Recovered), JournalError> {
    let unusable = |source| JournalError::Directory { dir: settings.dir.clone(), source };
    let disk = RealDisk::open(&settings.dir.join(SEGMENTS)).map_err(unusable)?;
    let lock = DirLock::take(&settings.dir)?;
    let (parts, recovered) = prepare(Arc::new(disk), settings, PATIENCE)?;
    Ok((parts.run(settings, Some(lock))?, recovered))
}

/// A journal whose threads are not started.
pub(super) struct Prepared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    pub(super) stock: Stock,
    pub(super) orders: Receiver<Order>,
    pub(super) errands: (Sender<Errand>, Receiver<Errand>),
}

/// Everything but the lock and the threads.
pub(super) fn prepare(
    disk: Arc<dyn Disk>,
    settings: &Settings,
    patience: Duration,
) -> Result<(Prepared, Recovered), JournalError> {
    let began = Instant::now();
    let batch_bytes_max = BATCH_BYTES_MAX.min(settings.segment_size as usize / 4);
    let mut ids = Ids::new(&settings.id_windows);
    let found = recover(&*disk, settings.segment_size, &settings.id_windows, &mut ids)?;
    let recovered = Recovered::new(&found, began);

    let (order_sender, orders) = bounded(settings.queue_events);
    let shared = Arc::new(Shared::new(shared::Parts {
        orders: order_sender,
        queue: Queue::new(settings.queue_bytes, settings.queue_events, settings.id_windows.len()),
        shortest_deadline: settings.shortest_deadline,
        catalog: Catalog::new(found.kept),
        ring: Ring::new(settings.ring_bytes),
        open: found.open,
        synced_end: found.next,
        windows: ids.seen(),
        id_key: *ids.key(),
        epoch: Instant::now(),
        batch_bytes_max,
    }));
    let supply = Arc::new(Supply::default());
    let bounds = Bounds {
        max_size: settings.max_size,
        segment_size: settings.segment_size,
        retain: Retain { age: settings.retain_age, size: settings.retain_size },
    };
    let mut stock = Stock::new(Arc::clone(&disk), Arc::clone(&shared), Arc::clone(&supply), bounds, found.spares);
    let errands = unbounded();
    let mut writer = Writer::new(writer::Parts {
        disk: Arc::clone(&disk),
        shared: Arc::clone(&shared),
        supply,
        errands: errands.0.clone(),
        patience,
        batch_bytes_max,
        segment: found.segment,
        next: found.next,
        progress: found.progress,
        ids,
        index: found.index,
    });
    stock.tend();
    writer.begin().map_err(|shortage| JournalError::NoRoom { why: shortage.why })?;
    Ok((Prepared { disk, shared, writer, stock, orders, errands }, recovered))
}

impl Prepared {
    /// Starts the threads.
    pub(super) fn run(self, settings: &Settings, lock: Option<DirLock>) -> Result<Journal, JournalError> {
        let (errands, received) = self.errands;
        let disk = start_disk(self.stock, received)?;
        let journal = start_journal(self.writer, self.orders)?;
        Ok(Journal {
            shared: self.shared,
            disk: self.disk,
            max_size: settings.max_size,
            errands,
            running: Mutex::new(Some(Running { journal, disk, _lock: lock })),
        })
    }
}
