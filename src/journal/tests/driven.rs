//! A journal without threads, driven step by step on a simulated disk: the same seed does the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::sim_disk::SimDisk;
use super::{event, number_of, tight};
use crate::event::Sequence;
use crate::journal::receipt::{Completions, Outcome, Submission};
use crate::journal::start::{Prepared, prepare};
use crate::journal::threads::Errand;
use crate::journal::{JournalError, Parked, Reader, Recovered, RouteProgress, Search, Settings};
use crate::refusal::Refusal;

pub(super) struct Driven {
    parts: Prepared,
    entrance: usize,
    completions: Arc<Mutex<UnboundedReceiver<Completions>>>,
    now: Instant,
    pub(super) recovered: Recovered,
}

impl Driven {
    pub(super) fn open(disk: &SimDisk) -> Result<Self, JournalError> {
        Self::open_with(disk, &tight())
    }

    pub(super) fn open_with(disk: &SimDisk, settings: &Settings) -> Result<Self, JournalError> {
        let (parts, recovered) = prepare(Arc::new(disk.clone()), settings, Duration::ZERO)?;
        let (sender, completions) = unbounded_channel();
        let entrance = parts.shared.add_entrance(sender, Arc::default());
        let completions = Arc::new(Mutex::new(completions));
        let mut driven = Self { parts, entrance, completions, now: Instant::now(), recovered };
        driven.run_errands();
        Ok(driven)
    }

    /// Hands different events over as one batch, and returns what became of each.
    pub(super) fn submit(&mut self, numbers: &[u64], dedupe: bool) -> BTreeMap<u64, Outcome> {
        let outcomes = self.submit_in_order(numbers, dedupe);
        numbers.iter().copied().zip(outcomes).collect()
    }

    /// The same, with outcomes in the order of `numbers`.
    pub(super) fn submit_in_order(&mut self, numbers: &[u64], dedupe: bool) -> Vec<Outcome> {
        self.hand_over(numbers.iter().map(|&number| event(number)), dedupe);
        self.turn();
        let mut outcomes = BTreeMap::new();
        while let Ok(list) = self.completions.lock().unwrap().try_recv() {
            for (ticket, outcome) in list {
                assert_eq!(outcomes.insert(ticket.number(), outcome), None);
            }
        }
        assert_eq!(outcomes.len(), numbers.len(), "each submission has one outcome");
        outcomes.into_values().collect()
    }

    /// Puts events into the queue, and no more. They are numbered from 0 on.
    pub(super) fn hand_over(&self, events: impl IntoIterator<Item = crate::event::Event>, dedupe: bool) {
        for (at, event) in events.into_iter().enumerate() {
            let submission = Submission::for_test(&self.parts.shared, event, dedupe, self.entrance, at);
            self.parts.shared.send(submission).unwrap();
        }
    }

    /// Puts an event into the queue while something else is going on.
    pub(super) fn sender(&self) -> impl Fn(crate::event::Event) + Send + use<> {
        let (shared, entrance) = (Arc::clone(&self.parts.shared), self.entrance);
        move |event| shared.send(Submission::for_test(&shared, event, true, entrance, 0)).unwrap()
    }

    /// Commits one batch of what waits, and returns what was told meanwhile: a list for each time, of numbers and outcomes.
    pub(super) fn commit_one(&mut self) -> Vec<Vec<(usize, Outcome)>> {
        while self.parts.writer.has_room()
            && let Ok(crate::journal::shared::Order::Submit(submission)) = self.parts.orders.try_recv()
        {
            self.parts.writer.take(submission);
        }
        self.parts.writer.commit();
        self.told()
    }

    /// What was told and not looked at yet: a list for each time, of numbers and outcomes.
    pub(super) fn told(&self) -> Vec<Vec<(usize, Outcome)>> {
        let lists = std::iter::from_fn(|| self.completions.lock().unwrap().try_recv().ok());
        lists.map(|list| list.into_iter().map(|(ticket, outcome)| (ticket.number(), outcome)).collect()).collect()
    }

    /// How many lists there are to look at, for who cannot wait until this is over.
    pub(super) fn lists_told(&self) -> impl Fn() -> usize + Send + use<> {
        let completions = Arc::clone(&self.completions);
        move || completions.lock().unwrap().len()
    }

    /// Hands over an event of any kind, without a look for duplicates.
    pub(super) fn submit_event(&mut self, event: crate::event::Event) -> Outcome {
        self.parts.shared.send(Submission::for_test(&self.parts.shared, event, false, self.entrance, 0)).unwrap();
        self.turn();
        self.completions.lock().unwrap().try_recv().unwrap()[0].1
    }

    pub(super) fn save_progress(&self, route: &str, position: u64) {
        let progress = RouteProgress { position: Sequence(position), done: vec![1, 2, 3] };
        self.parts.shared.control(|control| control.progress.push((route.into(), progress)));
    }

    /// Parks these events for a route, `original` being where all of them were received, and returns the place of each.
    pub(super) fn park(
        &mut self,
        route: &str,
        numbers: &[u64],
        original: Option<u64>,
    ) -> Vec<Result<Sequence, Refusal>> {
        let original = original.map(Sequence);
        let each = |&number: &u64| parked(route, number, original, original);
        let (parking, told): (Vec<_>, Vec<_>) = numbers.iter().map(each).unzip();
        self.parts.shared.control(|control| control.parking.extend(parking));
        self.turn();
        told.into_iter().map(|told: Receiver<_>| told.try_recv().unwrap()).collect()
    }

    /// Parks an event again that was received first of all.
    pub(super) fn park_again(&mut self, route: &str, number: u64, replaces: u64) -> Result<Sequence, Refusal> {
        let (parked, told) = parked(route, number, Some(Sequence(1)), Some(Sequence(replaces)));
        self.parts.shared.control(|control| control.parking.push(parked));
        self.turn();
        told.try_recv().unwrap()
    }

    pub(super) fn settle(&mut self, place: u64) {
        self.parts.shared.control(|control| control.settled.push(Sequence(place)));
        self.turn();
    }

    pub(super) fn release_before(&self, sequence: u64) {
        self.reader().release_before(Sequence(sequence));
    }

    /// What the threads do when there is something to do.
    pub(super) fn turn(&mut self) {
        while let Ok(order) = self.parts.orders.try_recv() {
            if let crate::journal::shared::Order::Submit(submission) = order {
                self.parts.writer.take(submission);
                if !self.parts.writer.has_room() {
                    self.parts.writer.commit();
                    self.run_errands();
                }
            }
        }
        self.parts.writer.commit();
        self.run_errands();
        while self.parts.writer.has_more() {
            self.parts.writer.commit();
            self.run_errands();
        }
    }

    /// Lets the time pass that a retry waits for.
    pub(super) fn wait_and_retry(&mut self) {
        self.parts.stock.tend();
        self.now += Duration::from_secs(60);
        self.parts.writer.retry(self.now);
        self.run_errands();
    }

    pub(super) fn close(mut self) {
        self.close_writer();
    }

    /// What the journal thread does at the very end.
    pub(super) fn close_writer(&mut self) {
        self.parts.writer.close();
    }

    /// Runs what `disk` was asked to do.
    pub(super) fn run_errands(&mut self) {
        while let Ok(errand) = self.parts.errands.1.try_recv() {
            match errand {
                Errand::Release(released) => self.parts.stock.release(released),
                Errand::Index(page) => self.parts.stock.index(&page),
                Errand::Tend | Errand::Stop => {}
            }
            self.parts.stock.tend();
        }
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.parts.shared), Arc::clone(&self.parts.disk))
    }

    pub(super) fn search(&self) -> Search {
        Search::of_open(Arc::clone(&self.parts.shared), Arc::clone(&self.parts.disk))
    }

    /// Every event that is kept, read from the disk or the ring as it comes, a few at a time.
    pub(super) fn read_all(&self) -> Result<BTreeMap<u64, u64>, JournalError> {
        let reader = self.reader();
        let mut from = reader.oldest();
        let mut all = BTreeMap::new();
        loop {
            let events = reader.read(from, 20_000)?;
            let Some((last, _)) = events.last() else { break };
            let next = last.plus(1);
            for (sequence, event) in events {
                assert!(sequence >= from, "{sequence:?} is read in its place");
                let number = number_of(&event).unwrap_or_else(|| panic!("{sequence:?} is not as it was written"));
                assert_eq!(all.insert(sequence.0, number), None);
                from = sequence.plus(1);
            }
            assert_eq!(from, next);
        }
        Ok(all)
    }

    pub(super) fn writer_is_in_trouble(&self) -> bool {
        self.parts.writer.retry_at().is_some()
    }

    pub(super) fn shared(&self) -> &crate::journal::shared::Shared {
        &self.parts.shared
    }
}

fn parked(
    route: &str,
    number: u64,
    original: Option<Sequence>,
    replaces: Option<Sequence>,
) -> (Parked, Receiver<Result<Sequence, Refusal>>) {
    let (told, outcome) = unbounded();
    let (state, event) = (b"state".to_vec(), event(number));
    let told = Some(told);
    (Parked { route: route.into(), due_ms: 77, attempts: 3, original, replaces, state, event, told }, outcome)
}
