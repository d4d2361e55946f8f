//! What an archive is packed with, told by its first bytes and not by its name.
//!
//! Read: gzip(1) (RFC 1952), zstd(1) (RFC 8878)

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, bail};

/// Reads through whatever the archive is compressed with: gzip, zstd, nothing.
///
/// # Errors
/// A compression that is not known here, with its name.
pub fn reader<'a>(
    mut archive: impl BufRead + Send + 'a,
) -> anyhow::Result<Box<dyn Read + Send + 'a>> {
    let begins = archive.fill_buf().context("read the archive")?;
    Ok(match begins {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(archive)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd_reader(archive)?),
        [b'B', b'Z', b'h', ..] => bail!("the archive is packed with bzip2: `bunzip2` it first"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            bail!("the archive is packed with xz: `unxz` it first")
        }
        _ => Box::new(archive),
    })
}

fn zstd_reader<'a, R: BufRead + 'a>(archive: R) -> anyhow::Result<impl Read + use<'a, R>> {
    let mut reader = zstd::stream::read::Decoder::with_buffer(archive)?;
    // A frame may ask for a window of gigabytes; 128 MiB is the most that
    // `zstd` itself takes without being told.
    reader.window_log_max(27)?;
    Ok(reader)
}

/// What OCI adds to a layer's media type for the compression of this file.
///
/// # Errors
/// A file that cannot be read.
pub fn suffix(file: &Path) -> anyhow::Result<&'static str> {
    let mut begins = [0; 4];
    let read = File::open(file)?.read(&mut begins)?;
    Ok(match &begins[..read] {
        [0x1f, 0x8b, ..] => "+gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "+zstd",
        _ => "",
    })
}

/// How much goes through a [`Pipe`] at once, and how often before it is full.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 8;

/// Reads what another thread decompresses and hashes meanwhile: half of the time of
/// unpacking a layer is that, and the other half is making files.
#[derive(Debug)]
pub struct Pipe {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

/// The other end: what the thread runs.
#[derive(Debug)]
pub struct Feed {
    full: SyncSender<io::Result<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
}

/// Both ends. Memory for a few chunks is all it takes: who is faster waits.
pub fn pipe() -> (Feed, Pipe) {
    let (full, from) = sync_channel(CHUNKS);
    let (back, empty) = sync_channel(CHUNKS + 2);
    let feed = Feed { full, empty };
    let pipe = Pipe {
        full: from,
        empty: back,
        chunk: Vec::new(),
        at: 0,
    };
    (feed, pipe)
}

impl Feed {
    /// Reads to the end, or until nobody reads at the other one. `seen` sees it all.
    pub fn run(self, mut from: impl Read, mut seen: impl FnMut(&[u8])) {
        loop {
            let mut chunk = self.empty.try_recv().unwrap_or_default();
            chunk.resize(CHUNK, 0);
            let mut filled = 0;
            let mut result = Ok(1);
            while filled < CHUNK && matches!(result, Ok(1..)) {
                result = from.read(&mut chunk[filled..]);
                filled += *result.as_ref().unwrap_or(&0);
            }
            chunk.truncate(filled);
            seen(&chunk);
            let more = matches!(result, Ok(1..));
            let sent = self.full.send(Ok(chunk));
            if let Err(error) = result {
                let _ = self.full.send(Err(error));
            }
            if sent.is_err() || !more {
                return;
            }
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            // The other end is gone: that was all.
            let Ok(chunk) = self.full.recv() else {
                return Ok(0);
            };
            let used = std::mem::replace(&mut self.chunk, chunk?);
            self.at = 0;
            let _ = self.empty.try_send(used);
        }
        let length = buffer.len().min(self.chunk.len() - self.at);
        buffer[..length].copy_from_slice(&self.chunk[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
