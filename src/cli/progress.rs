//! Progress on standard error for what takes more than two seconds. indicatif draws nothing where that is no terminal; it
//! uses no colours, whatever `NO_COLOR` says.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner needs no bar.
pub(super) const LONG: Duration = Duration::from_secs(2);

/// A bar that appears when it is worth one, and is gone when this is dropped.
pub(super) struct Progress {
    started: Instant,
    template: &'static str,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of bytes that are read.
    pub(super) fn of_reading() -> Self {
        Self::new("reading [{bar:30}] {bytes} of {total_bytes}")
    }

    /// Of segments that are looked through.
    pub(super) fn of_segments() -> Self {
        Self::new("segments [{bar:30}] {pos} of {len}")
    }

    /// Of a replay, whose message counts events.
    pub(super) fn of_replaying() -> Self {
        Self::new("replaying [{bar:30}] {percent}%, {msg}, {eta} left")
    }

    /// Of dead letters, of which it is not known how many there are.
    pub(super) fn of_letters() -> Self {
        Self::new("{spinner} {msg}")
    }

    fn new(template: &'static str) -> Self {
        Self { started: Instant::now(), template, bar: None }
    }

    /// So much of so much is done.
    pub(super) fn show(&mut self, done: u64, of: u64) {
        if self.bar.is_none() && self.started.elapsed() >= LONG {
            let bar = ProgressBar::with_draw_target(Some(of), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(self.template) {
                bar.set_style(style.progress_chars("=> "));
            }
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }
}

impl Progress {
    /// Likewise, with a message.
    pub(super) fn show_with(&mut self, done: u64, of: u64, message: &str) {
        self.show(done, of);
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Something that turns while others work, until it is dropped.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    pub(super) fn new(message: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(message);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
