//! Standard output as a place for lines: one for the process, whichever routes write to it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

use super::sink::{Output, Shared};
use super::whole::{Medium, WholeLines};
use crate::sinks::SinkError;

/// Two routes must not write into each other's lines.
static STDOUT: OnceLock<Shared<Stream>> = OnceLock::new();

/// The output of a route to standard output.
pub(in crate::sinks) fn stdout(route: &str) -> Result<Shared<Stream>, SinkError> {
    if let Some(shared) = STDOUT.get() {
        return Ok(Arc::clone(shared));
    }
    let stream = Stream::open().map_err(|source| SinkError::Stdout { route: route.to_owned(), source })?;
    Ok(Arc::clone(STDOUT.get_or_init(|| Arc::new(Mutex::new(stream)))))
}

/// A pipe, a terminal, or a file that somebody else has opened. A reader that has gone away is an error (`EPIPE`): the
/// events wait until the breaker lets them pass.
pub(in crate::sinks) struct Stream {
    lines: WholeLines<Uncut>,
}

impl Stream {
    /// A handle of its own: the standard library's keeps the end of a failed write to itself.
    fn open() -> io::Result<Self> {
        Ok(Self::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    fn new(file: File) -> Self {
        Self { lines: WholeLines::new(Uncut(file), false) }
    }
}

impl Output for Stream {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.lines.append(lines)
    }
}

/// Never cut back: where the output is a file, its writers share one offset, which a cut would leave behind the end.
struct Uncut(File);

impl Write for Uncut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Medium for Uncut {
    fn length(&self) -> Option<u64> {
        None
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{ErrorKind, Read};
    use std::os::fd::OwnedFd;

    use super::*;

    fn piped() -> (std::io::PipeReader, Stream) {
        let (reader, writer) = std::io::pipe().unwrap();
        (reader, Stream::new(File::from(OwnedFd::from(writer))))
    }

    #[test]
    fn lines_go_through_a_pipe_as_they_are() {
        let (mut reader, mut stream) = piped();
        stream.append(b"1\n2\n").unwrap();
        stream.append(b"3\n").unwrap();
        drop(stream);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "1\n2\n3\n");
    }

    #[test]
    fn a_reader_that_has_gone_is_a_failure() {
        let (reader, mut stream) = piped();
        drop(reader);
        assert_eq!(stream.append(b"1\n").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn all_routes_share_one_handle() {
        let (one, two) = (stdout("one").unwrap(), stdout("two").unwrap());
        assert!(Arc::ptr_eq(&one, &two));
    }
}
