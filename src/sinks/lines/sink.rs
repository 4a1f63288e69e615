//! The sink: makes lines on the worker, has them written where blocking does not matter.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::line::LineWriter;
use crate::routes::{Delivery, Failure, FailureKind, LocalFuture, Outcome, Outcomes, Sink};
use crate::sinks::{BATCH_MAX, detail};

/// Lines are written as soon as there are this many bytes of them, so that a batch of large bodies is not in memory twice.
const WRITE_BYTES: usize = 1 << 20;

/// Something lines are appended to.
pub(in crate::sinks) trait Output: Send + 'static {
    /// Appends whole lines, all or, as far as it can be helped, none. May block.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;
}

/// An output, shared by the sinks of all workers. The lock is waited for on the workers and held where the write blocks,
/// so that a slow disk takes up one blocking thread and not one for each delivery.
pub(in crate::sinks) type Shared<O> = Arc<Mutex<O>>;

/// An output as one worker delivers to it.
pub(in crate::sinks) struct LineSink<O> {
    output: Shared<O>,
    writer: RefCell<LineWriter>,
    spare: RefCell<Vec<u8>>,
}

impl<O: Output> LineSink<O> {
    pub(in crate::sinks) fn new(output: Shared<O>) -> Self {
        Self { output, writer: RefCell::new(LineWriter::new()), spare: RefCell::default() }
    }

    /// Lines of the first deliveries of `batch`, at least one, and how many that are.
    fn lines(&self, batch: &[Delivery]) -> (Vec<u8>, usize) {
        let mut lines = self.spare.take();
        lines.clear();
        let mut writer = self.writer.borrow_mut();
        let mut taken = 0;
        for delivery in batch {
            writer.append(delivery, &mut lines);
            taken += 1;
            if lines.len() >= WRITE_BYTES {
                break;
            }
        }
        (lines, taken)
    }

    /// A dropped future does not stop a write that has begun: the lock goes with it, so the next one still waits for it.
    async fn write(&self, lines: Vec<u8>) -> Result<(), Failure> {
        let mut output = Arc::clone(&self.output).lock_owned().await;
        let write = tokio::task::spawn_blocking(move || (output.append(&lines), lines));
        match write.await {
            Ok((written, lines)) => {
                if lines.capacity() <= 2 * WRITE_BYTES {
                    self.spare.replace(lines);
                }
                written.map_err(|error| detail::failure(FailureKind::Io, detail::of_error(&error)))
            }
            Err(stopped) => Err(detail::failure(FailureKind::Io, detail::of_error(&stopped))),
        }
    }
}

impl<O: Output> Sink for LineSink<O> {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            let mut done = 0;
            while let Some(rest) = batch.get(done..).filter(|rest| !rest.is_empty()) {
                let (lines, taken) = self.lines(rest);
                if let Err(failure) = self.write(lines).await {
                    return failed_after(done, batch.len(), &failure);
                }
                done += taken;
            }
            Outcomes::All(Outcome::Delivered)
        })
    }
}

/// What follows a failed write is not tried: it would fail alike, or stand in the file before what failed.
fn failed_after(done: usize, all: usize, failure: &Failure) -> Outcomes {
    if done == 0 {
        return Outcomes::All(Outcome::Failed(failure.clone()));
    }
    let delivered = std::iter::repeat_n(Outcome::Delivered, done);
    let failed = std::iter::repeat_n(Outcome::Failed(failure.clone()), all.saturating_sub(done));
    Outcomes::Each(delivered.chain(failed).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::ErrorKind;

    use super::*;
    use crate::sinks::testing::{delivery, on_a_worker};

    /// Remembers each write; refuses them after the first `writes`.
    struct Memory {
        written: Vec<Vec<u8>>,
        writes: usize,
    }

    impl Output for Memory {
        fn append(&mut self, lines: &[u8]) -> io::Result<()> {
            if self.written.len() == self.writes {
                return Err(ErrorKind::StorageFull.into());
            }
            self.written.push(lines.to_vec());
            Ok(())
        }
    }

    fn memory(writes: usize) -> Shared<Memory> {
        Arc::new(Mutex::new(Memory { written: Vec::new(), writes }))
    }

    #[test]
    fn a_batch_is_one_write_of_its_lines_in_order() {
        let output = memory(1);
        let sink = LineSink::new(Arc::clone(&output));
        let batch: Vec<Delivery> =
            (0..sink.batch_max()).map(|number| delivery(number.to_string().as_bytes())).collect();
        assert_eq!(on_a_worker(sink.deliver(&batch)), Outcomes::All(Outcome::Delivered));
        let output = output.try_lock().unwrap();
        let lines = String::from_utf8(output.written.concat()).unwrap();
        for (number, line) in lines.lines().enumerate() {
            assert!(line.ends_with(&format!("\"body\":{number}}}")), "{line}");
        }
        assert_eq!((output.written.len(), lines.lines().count()), (1, batch.len()));
    }

    #[test]
    fn a_batch_that_cannot_be_written_fails_whole() {
        let sink = LineSink::new(memory(0));
        let outcomes = on_a_worker(sink.deliver(&[delivery(b"1"), delivery(b"2")]));
        let Outcomes::All(Outcome::Failed(failure)) = outcomes else { panic!("{outcomes:?}") };
        assert_eq!(failure.kind, FailureKind::Io);
        assert!(!failure.detail.is_empty());
    }

    #[test]
    fn of_large_bodies_each_counts_by_its_own_write() {
        let output = memory(2);
        let sink = LineSink::new(Arc::clone(&output));
        let large = vec![b'x'; WRITE_BYTES];
        let outcomes =
            on_a_worker(sink.deliver(&[delivery(&large), delivery(&large), delivery(&large), delivery(b"1")]));
        let Outcomes::Each(outcomes) = outcomes else { panic!("some failed") };
        let delivered: Vec<bool> = outcomes.iter().map(|outcome| *outcome == Outcome::Delivered).collect();
        assert_eq!(delivered, [true, true, false, false]);
    }

    #[test]
    fn deliveries_at_once_over_one_output_do_not_mix() {
        let output = memory(usize::MAX);
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let output = Arc::clone(&output);
                std::thread::spawn(move || {
                    let sink = LineSink::new(output);
                    on_a_worker(async {
                        let (one, two) = ([delivery(b"1"), delivery(b"2")], [delivery(b"3")]);
                        for _ in 0..20 {
                            let (one, two) = tokio::join!(sink.deliver(&one), sink.deliver(&two));
                            assert_eq!(
                                (one, two),
                                (Outcomes::All(Outcome::Delivered), Outcomes::All(Outcome::Delivered))
                            );
                        }
                    });
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        let output = output.try_lock().unwrap();
        assert_eq!(output.written.len(), 3 * 2 * 20);
        assert_eq!(output.written.concat().split(|&byte| byte == b'\n').count(), 3 * 3 * 20 + 1);
    }
}
