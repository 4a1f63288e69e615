//! The ways to write a batch of events that are compared. Each event is a head of some 200 bytes and its body.

use std::io::{self, IoSlice};
use std::path::Path;

use super::file::{BLOCK, Opened, Prepared};

/// What happens to the events of a batch on their way to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Copied into one buffer, one `pwrite`.
    Gathered,
    /// Bodies written from where they lie, by `pwritev`; only heads are gathered.
    Vectored,
    /// Gathered, then compressed by lz4.
    Lz4,
    /// Gathered, then compressed by zstd at level 1.
    Zstd,
    /// Gathered in an aligned buffer, `O_DIRECT`.
    Direct,
    /// The same, with `O_DSYNC` in place of `fdatasync`.
    DirectSynced,
}

impl Way {
    pub(super) const ALL: [Self; 6] =
        [Self::Gathered, Self::Vectored, Self::Lz4, Self::Zstd, Self::Direct, Self::DirectSynced];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Gathered => "gathered, pwrite",
            Self::Vectored => "bodies in place, pwritev",
            Self::Lz4 => "gathered, lz4",
            Self::Zstd => "gathered, zstd 1",
            Self::Direct => "gathered, O_DIRECT",
            Self::DirectSynced => "gathered, O_DIRECT|O_DSYNC",
        }
    }

    pub(super) fn is_direct(self) -> bool {
        matches!(self, Self::Direct | Self::DirectSynced)
    }

    fn opened(self) -> Opened {
        match self {
            Self::Direct => Opened::Direct,
            Self::DirectSynced => Opened::DirectSynced,
            _ => Opened::Buffered,
        }
    }
}

/// One way with its file and its buffers, which are kept from batch to batch.
pub(super) struct Writer {
    way: Way,
    file: Prepared,
    gathered: Vec<u8>,
    packed: Vec<u8>,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Writer {
    pub(super) fn new(way: Way, dir: &Path, file_size: u64) -> io::Result<Self> {
        let name = format!("{way:?}").to_lowercase();
        let file = Prepared::new(dir, &name, file_size, way.opened())?;
        let zstd = zstd::bulk::Compressor::new(1)?;
        Ok(Self { way, file, gathered: Vec::new(), packed: Vec::new(), zstd })
    }

    /// Writes one batch with its checksum and returns its length on disk, whole blocks.
    pub(super) fn write(&mut self, bodies: &[bytes::Bytes]) -> io::Result<usize> {
        match self.way {
            Way::Gathered => {
                self.gathered.clear();
                gather(bodies, &mut self.gathered);
                finish(&mut self.gathered);
                self.file.append(&self.gathered)?;
                Ok(self.gathered.len())
            }
            Way::Vectored => self.write_in_place(bodies),
            Way::Lz4 => {
                self.gathered.clear();
                gather(bodies, &mut self.gathered);
                self.packed.clear();
                self.packed.resize(lz4_flex::block::get_maximum_output_size(self.gathered.len()), 0);
                let length = lz4_flex::block::compress_into(&self.gathered, &mut self.packed)
                    .map_err(|error| io::Error::other(error.to_string()))?;
                self.packed.truncate(length);
                self.write_packed()
            }
            Way::Zstd => {
                self.gathered.clear();
                gather(bodies, &mut self.gathered);
                self.packed.clear();
                self.packed.reserve(zstd::zstd_safe::compress_bound(self.gathered.len()));
                self.zstd.compress_to_buffer(&self.gathered, &mut self.packed)?;
                self.write_packed()
            }
            Way::Direct | Way::DirectSynced => {
                // An offset into the buffer where an address is that the device can read from.
                let most = bodies.iter().map(|body| HEAD.len() + body.len()).sum::<usize>() + 2 * BLOCK;
                self.gathered.clear();
                self.gathered.reserve(most + BLOCK);
                let start = self.gathered.as_ptr().align_offset(BLOCK);
                self.gathered.resize(start, 0);
                gather(bodies, &mut self.gathered);
                let length = self.gathered.len() - start;
                let crc = crc32c::crc32c(&self.gathered[start..]);
                self.gathered.extend_from_slice(&crc.to_le_bytes());
                self.gathered.resize(start + (length + 4).next_multiple_of(BLOCK), 0);
                self.file.append(&self.gathered[start..])?;
                Ok(self.gathered.len() - start)
            }
        }
    }

    fn write_packed(&mut self) -> io::Result<usize> {
        finish(&mut self.packed);
        self.file.append(&self.packed)?;
        Ok(self.packed.len())
    }

    fn write_in_place(&mut self, bodies: &[bytes::Bytes]) -> io::Result<usize> {
        let mut crc = 0;
        let mut length = 0;
        self.gathered.clear();
        for body in bodies {
            self.gathered.extend_from_slice(HEAD);
            crc = crc32c::crc32c_append(crc32c::crc32c_append(crc, HEAD), body);
            length += HEAD.len() + body.len();
        }
        let padded = (length + 4).next_multiple_of(BLOCK);
        let heads = self.gathered.len();
        self.gathered.extend_from_slice(&crc.to_le_bytes());
        self.gathered.resize(heads + padded - length, 0);
        let (heads, tail) = self.gathered.split_at(heads);
        let mut pieces = Vec::with_capacity(2 * bodies.len() + 1);
        for (head, body) in heads.chunks(HEAD.len()).zip(bodies) {
            pieces.push(IoSlice::new(head));
            pieces.push(IoSlice::new(body));
        }
        pieces.push(IoSlice::new(tail));
        self.file.append_pieces(&mut pieces)?;
        Ok(padded)
    }
}

fn gather(bodies: &[bytes::Bytes], into: &mut Vec<u8>) {
    for body in bodies {
        into.extend_from_slice(HEAD);
        into.extend_from_slice(body);
    }
}

/// Appends the checksum and fills the last block.
fn finish(batch: &mut Vec<u8>) {
    let crc = crc32c::crc32c(batch);
    batch.extend_from_slice(&crc.to_le_bytes());
    batch.resize(batch.len().next_multiple_of(BLOCK), 0);
}

/// About what a record holds beside the body: times, source, type, id, target and kept headers.
const HEAD: &[u8] = b"\x01\x00\x00\x00\x00\x01\x9a\xb4\x11\x22\x33\x44github issues.opened 01M8ABCDEFGHJKMNPQRSTVWXYZ \
POST /hooks/github content-type: application/json x-github-delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958 user-agent: GitHub";
