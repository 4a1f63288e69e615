//! Tells of sources that have gone silent, where the configuration says how often events are expected. A thread of its own:
//! it sleeps nearly always, and there is none where nothing is expected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use std::{io, thread};

use crate::admin::Observed;

/// The running watch. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct SilenceWatch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SilenceWatch {
    /// Begins to watch, if there is something to watch for.
    pub(super) fn start(observed: &Observed) -> io::Result<Option<Self>> {
        if observed.sources.iter().all(|source| source.expect_every.is_none()) {
            return Ok(None);
        }
        let over = Arc::new(AtomicBool::new(false));
        let (observed, is_over) = (observed.clone(), Arc::clone(&over));
        let watch = move || {
            let mut silent = vec![false; observed.sources.len()];
            while !is_over.load(Ordering::Acquire) {
                look(&observed, &mut silent);
                thread::park_timeout(PERIOD);
            }
        };
        let thread = thread::Builder::new().name("silence".to_owned()).spawn(watch)?;
        Ok(Some(Self { over, thread: Some(thread) }))
    }
}

impl Drop for SilenceWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to say that would be of use now.
            let _ = thread.join();
        }
    }
}

/// Says what has changed since the last look.
fn look(observed: &Observed, silent: &mut [bool]) {
    let now = SystemTime::now();
    for (at, (source, was_silent)) in observed.sources.iter().zip(silent).enumerate() {
        let silence = observed.silence(at, now);
        match (silence, *was_silent) {
            (Some(silence), false) => {
                let seconds = silence.as_secs();
                tracing::warn!(source = source.name, seconds, "the source has gone silent: nothing was accepted");
            }
            (None, true) => tracing::info!(source = source.name, "the source is heard again"),
            _ => {}
        }
        *was_silent = silence.is_some();
    }
}

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
