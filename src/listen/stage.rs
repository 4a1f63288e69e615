//! How far a gateway is on its way to its end, for all its threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far a gateway is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It takes events.
    Running,
    /// It still does, but tells balancers that it is not ready and closes each connection after its answer.
    NotReady,
    /// It accepts no more connections, and ends those that wait.
    Closing,
    /// It ends now, whatever is in flight.
    Over,
}

/// The stage, read by io threads at every request and at every sweep. It only moves on.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedStage(Arc<AtomicU8>);

impl SharedStage {
    /// The stage now.
    pub(crate) fn get(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Running,
            1 => Stage::NotReady,
            2 => Stage::Closing,
            _ => Stage::Over,
        }
    }

    /// Moves on to `stage`, unless it is past that.
    pub(crate) fn advance(&self, stage: Stage) {
        self.0.fetch_max(stage as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_never_goes_back() {
        let stage = SharedStage::default();
        assert_eq!(stage.get(), Stage::Running);
        stage.advance(Stage::Closing);
        stage.advance(Stage::NotReady);
        assert_eq!(stage.get(), Stage::Closing);
        stage.advance(Stage::Over);
        assert_eq!(stage.get(), Stage::Over);
    }
}
