//! What commands print: their result on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Standard output did not take a result.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(super) struct PrintError(#[from] io::Error);

impl PrintError {
    /// Whether whoever read it has gone, having seen enough.
    pub(super) fn is_for_want_of_a_reader(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Prints a result. (`print!` panics where the reader has gone.)
pub(super) fn print(result: impl Display) -> Result<(), PrintError> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{result}")?;
    Ok(stdout.flush()?)
}

/// Says a line on standard error, to whoever still listens.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// An error and its causes, without those that are already told in what stands before them.
pub(super) fn whole_story(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |story, cause| {
        if story.contains(&cause) { story } else { format!("{story}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::other("no such device");
        let error = Err::<(), _>(PrintError(cause())).context("cannot show it").expect_err("an error");
        assert_eq!(whole_story(&error), "cannot show it: cannot write to standard output: no such device");
        let error = Err::<(), _>(cause()).context("cannot show it").expect_err("an error");
        assert_eq!(whole_story(&error), "cannot show it: no such device");
    }
}
