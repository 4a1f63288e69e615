//! Appending so that every line is whole, also after a write that failed in the middle of one.

use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// What can be appended to.
pub(super) trait Medium: Write {
    /// Its length, if it has one and can be cut back to it.
    fn length(&self) -> Option<u64>;

    /// Cuts it back to this length.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// A regular file, opened for appending: what is written after a cut follows the cut.
impl Medium for File {
    fn length(&self) -> Option<u64> {
        self.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Writes whole lines to a medium.
pub(super) struct WholeLines<M> {
    medium: M,
    /// The medium ends within a line that nobody will finish.
    torn: bool,
}

impl<M: Medium> WholeLines<M> {
    /// `torn` says that the medium ends within a line already.
    pub(super) fn new(medium: M, torn: bool) -> Self {
        Self { medium, torn }
    }

    pub(super) fn medium(&self) -> &M {
        &self.medium
    }

    /// Appends `lines`, normally by one write. On an error what part of them arrived is cut away again; where that cannot
    /// be done, the next line starts with a line break, so that it is not taken for the end of the torn one.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            write_all(&mut self.medium, b"\n").map_err(|(_, error)| error)?;
            self.torn = false;
        }
        let before = self.medium.length();
        write_all(&mut self.medium, lines).map_err(|(written, error)| {
            self.undo(before, lines.get(..written).unwrap_or_default());
            error
        })
    }

    fn undo(&mut self, before: Option<u64>, written: &[u8]) {
        // Only what this write added is cut: someone else may have appended to the file or replaced its content meanwhile.
        let cut = before
            .filter(|before| self.medium.length() == before.checked_add(written.len() as u64))
            .is_some_and(|before| self.medium.cut(before).is_ok());
        self.torn = !cut && written.last().is_some_and(|&byte| byte != b'\n');
    }
}

/// Like `Write::write_all`, but tells how much was written before an error.
fn write_all(to: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match to.write(rest) {
            Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes and is full then.
    struct Disk {
        content: Vec<u8>,
        room: usize,
        can_cut: bool,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.content.extend_from_slice(&bytes[..taken]);
            self.room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Medium for Disk {
        fn length(&self) -> Option<u64> {
            self.can_cut.then_some(self.content.len() as u64)
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.content.truncate(length as usize);
            Ok(())
        }
    }

    fn full_after(room: usize, can_cut: bool) -> WholeLines<Disk> {
        WholeLines::new(Disk { content: Vec::new(), room, can_cut }, false)
    }

    #[test]
    fn half_a_line_on_a_full_disk_is_cut_away() {
        let mut lines = full_after(10, true);
        lines.append(b"first\n").expect("there is room");
        assert!(lines.append(b"second\n").is_err());
        lines.medium.room = 100;
        lines.append(b"third\n").expect("there is room again");
        assert_eq!(lines.medium.content, b"first\nthird\n");
    }

    #[test]
    fn half_a_line_that_cannot_be_cut_away_is_ended_before_the_next() {
        let mut lines = full_after(10, false);
        lines.append(b"first\n").expect("there is room");
        assert!(lines.append(b"second\n").is_err());
        assert!(lines.append(b"second\n").is_err(), "still full");
        lines.medium.room = 100;
        lines.append(b"third\n").expect("there is room again");
        assert_eq!(lines.medium.content, b"first\nseco\nthird\n");
    }

    #[test]
    fn a_write_that_failed_between_two_lines_leaves_no_empty_one() {
        let mut lines = full_after(6, false);
        assert!(lines.append(b"first\nsecond\n").is_err());
        lines.medium.room = 100;
        lines.append(b"third\n").expect("there is room again");
        assert_eq!(lines.medium.content, b"first\nthird\n");
    }
}
