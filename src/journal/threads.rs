//! The threads `journal` and `disk`.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::error::JournalError;
use super::index;
use super::shared::Order;
use super::stock::Stock;
use super::writer::Writer;
use crate::event::Sequence;

/// What `disk` is asked to do.
#[derive(Debug)]
pub(super) enum Errand {
    /// Look whether there is something to do.
    Tend,
    /// Events before this are not needed any more.
    Release(Sequence),
    /// Write the page of a segment that was sealed.
    Index(index::Finished),
    /// End.
    Stop,
}

/// Without an errand `disk` looks at ages, and at whether there is room again, as often as this.
const TEND_EVERY: Duration = Duration::from_secs(2);

/// Starts `journal`.
pub(super) fn start_journal(writer: Writer, orders: Receiver<Order>) -> Result<JoinHandle<()>, JournalError> {
    start("journal", move || run_journal(writer, &orders))
}

/// Starts `disk`.
pub(super) fn start_disk(stock: Stock, errands: Receiver<Errand>) -> Result<JoinHandle<()>, JournalError> {
    start("disk", move || run_disk(stock, &errands))
}

fn start(name: &'static str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, JournalError> {
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(run).map_err(|source| JournalError::Thread { name, source })
}

fn run_journal(mut writer: Writer, orders: &Receiver<Order>) {
    loop {
        let first = match writer.retry_at() {
            _ if writer.has_more() => orders.try_recv().map_err(|_| RecvTimeoutError::Timeout),
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => orders.recv_deadline(at),
        };
        match first {
            Ok(order) => follow(&mut writer, order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if !orders.is_empty() {
            // Under load, an io thread on the same core has read some of what has come and is about to hand over the rest: a batch
            // then costs the same for more events. (512 connections on one core: 160 events a batch instead of 60, and 19 µs of
            // CPU an event instead of 23.)
            std::thread::yield_now();
        }
        while writer.has_room()
            && let Ok(order) = orders.try_recv()
        {
            follow(&mut writer, order);
        }
        let close = writer.commit();
        writer.retry(Instant::now());
        if close {
            break;
        }
    }
    // What is still in the queue was promised to nobody, and is in time all the same.
    while let Ok(order) = orders.try_recv() {
        follow(&mut writer, order);
        if !writer.has_room() {
            writer.commit();
        }
    }
    writer.commit();
    while writer.has_more() {
        writer.commit();
    }
    writer.close();
}

fn follow(writer: &mut Writer, order: Order) {
    match order {
        Order::Submit(submission) => writer.take(submission),
        Order::Look => {}
    }
}

fn run_disk(mut stock: Stock, errands: &Receiver<Errand>) {
    loop {
        match errands.recv_timeout(TEND_EVERY) {
            Ok(Errand::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Errand::Release(released)) => stock.release(released),
            Ok(Errand::Index(page)) => stock.index(&page),
            Ok(Errand::Tend) | Err(RecvTimeoutError::Timeout) => {}
        }
        stock.tend();
    }
}
