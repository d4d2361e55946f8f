//! Reading what a student may have put there: a named pipe must not make the
//! runner wait, nor a huge file fill its memory.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The most bytes that a text of the course may have.
pub const TEXT: u64 = 1 << 20;

/// The content of a regular file (a symbolic link may lead to it) of at most
/// `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    // Without O_NONBLOCK the open itself waits for a pipe's writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(Error::from_raw_os_error(libc::EISDIR));
    }
    if !kind.is_file() {
        return Err(Error::other("Not a regular file"));
    }
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(content)
}

/// The same, of a text in UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = read(path, TEXT)?;
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8 text"))
}
