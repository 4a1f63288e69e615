//! The progress bar of commands that take minutes: how far, what now, how long still. Only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar along the time that everything planned will take.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// What is behind us.
    done: Duration,
}

impl Bar {
    pub(crate) fn new(planned: Duration) -> Self {
        let length = planned.as_millis() as u64;
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {eta:>4} left  {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, done: Duration::ZERO }
    }

    /// What is being done.
    pub(crate) fn begin(&self, what: String) {
        self.bar.set_message(what);
    }

    /// How far that is.
    pub(crate) fn at(&self, elapsed: Duration) {
        self.bar.set_position((self.done + elapsed).as_millis() as u64);
    }

    /// It is done, and took its planned time.
    pub(crate) fn end(&mut self, planned: Duration) {
        self.done += planned;
        self.at(Duration::ZERO);
    }

    /// Prints a line above it.
    pub(crate) fn note(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
