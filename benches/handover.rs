//! Handing events to a thread that runs a tokio runtime: a crossbeam channel with a sleeping flag and a `Notify`, as the
//! routes do it, against tokio's own channel. One producer, one consumer, both ways bounded; the consumer takes what is
//! there and sleeps when there is nothing. What differs is `batch`, the events that are pushed before the consumer may be
//! woken.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[path = "../src/routes/sleeper.rs"]
#[expect(dead_code, reason = "a consumer here sleeps and does not rest")]
mod sleeper;

#[path = "../src/sync.rs"]
#[expect(unused_imports, reason = "the sleeper uses a part of it")]
mod sync;

use sleeper::Sleeper;

/// A consumer on a thread of its own, and the way to it.
trait HandOver {
    fn start() -> Self;

    /// Pushes so many events, then lets the consumer know.
    fn push(&mut self, events: u64);

    /// Events that have arrived so far.
    fn arrived(&self) -> u64;

    /// Ends the consumer.
    fn stop(self);
}

/// As the routes do it.
struct CrossbeamAndNotify {
    sender: crossbeam_channel::Sender<u64>,
    sleeper: Arc<Sleeper>,
    arrived: Arc<AtomicU64>,
    consumer: JoinHandle<()>,
}

impl HandOver for CrossbeamAndNotify {
    fn start() -> Self {
        let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
        let (sleeper, arrived) = (Arc::new(Sleeper::default()), Arc::new(AtomicU64::new(0)));
        let consumer = {
            let (sleeper, arrived) = (Arc::clone(&sleeper), Arc::clone(&arrived));
            on_a_thread(async move {
                loop {
                    let mut took = drain(&receiver, &arrived);
                    if took == Ok(0) {
                        sleeper.announce();
                        took = drain(&receiver, &arrived);
                        if took == Ok(0) {
                            sleeper.sleep(None).await;
                        }
                        sleeper.rise();
                    }
                    if took.is_err() {
                        return;
                    }
                }
            })
        };
        Self { sender, sleeper, arrived, consumer }
    }

    fn push(&mut self, events: u64) {
        for event in 0..events {
            while self.sender.try_send(event).is_err() {
                std::thread::yield_now();
            }
        }
        fence(Ordering::SeqCst);
        if self.sleeper.is_sleeping() {
            self.sleeper.wake();
        }
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    fn stop(self) {
        drop(self.sender);
        self.sleeper.look_again();
        self.consumer.join().expect("the consumer ends");
    }
}

/// Takes what is there; an error when nothing will come any more.
fn drain(receiver: &crossbeam_channel::Receiver<u64>, arrived: &AtomicU64) -> Result<u64, ()> {
    let mut took = 0;
    loop {
        match receiver.try_recv() {
            Ok(event) => {
                black_box(event);
                took += 1;
            }
            Err(crossbeam_channel::TryRecvError::Empty) => {
                arrived.fetch_add(took, Ordering::Release);
                return Ok(took);
            }
            Err(crossbeam_channel::TryRecvError::Disconnected) => return Err(()),
        }
    }
}

/// The usual way.
struct TokioMpsc {
    sender: tokio::sync::mpsc::Sender<u64>,
    arrived: Arc<AtomicU64>,
    consumer: JoinHandle<()>,
}

impl HandOver for TokioMpsc {
    fn start() -> Self {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(CAPACITY);
        let arrived = Arc::new(AtomicU64::new(0));
        let consumer = {
            let arrived = Arc::clone(&arrived);
            on_a_thread(async move {
                while let Some(event) = receiver.recv().await {
                    black_box(event);
                    arrived.fetch_add(1, Ordering::Release);
                }
            })
        };
        Self { sender, arrived, consumer }
    }

    fn push(&mut self, events: u64) {
        for event in 0..events {
            while self.sender.try_send(event).is_err() {
                std::thread::yield_now();
            }
        }
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    fn stop(self) {
        drop(self.sender);
        self.consumer.join().expect("the consumer ends");
    }
}

const CAPACITY: usize = 4_096;

fn on_a_thread(consume: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(consume);
    })
}

/// From the first push to the last arrival.
fn hand_over<H: HandOver>(batches: u64, batch: u64) -> Duration {
    let mut way = H::start();
    let start = Instant::now();
    for _ in 0..batches {
        way.push(batch);
    }
    while way.arrived() < batches * batch {
        std::thread::yield_now();
    }
    let took = start.elapsed();
    way.stop();
    took
}

fn handover(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handover");
    for batch in [1, 64] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::new("crossbeam_and_notify", batch), |bencher| {
            bencher.iter_custom(|batches| hand_over::<CrossbeamAndNotify>(batches, batch));
        });
        group.bench_function(BenchmarkId::new("tokio_mpsc", batch), |bencher| {
            bencher.iter_custom(|batches| hand_over::<TokioMpsc>(batches, batch));
        });
    }
    group.finish();
}

criterion_group!(benches, handover);
criterion_main!(benches);
