//! A tar archive, one member after the other, read as a stream.
//!
//! A member is a header of 512 bytes and its bytes, padded to 512. What does not
//! fit the old header stands in members before it: GNU's long names (`L`, `K`) or
//! pax records (`x`: `LENGTH KEY=VALUE\n`). The crate `tar` knows the header; the
//! records are read here, because a value may hold any byte, a newline too (file
//! capabilities do), and because what comes before a member has to be bounded: a
//! name of 8 GiB would be read into memory.
//!
//! Read: tar(5), pax(1) ("pax Interchange Format"), "GNU tar manual, Sparse Formats"

use std::io::{self, Read};

use anyhow::{Context, bail};
use nix::sys::time::TimeSpec;
use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

const BLOCK: u64 = 512;
/// All that may come before one member: 1 MiB, as in Go's reader.
const EXTRA: u64 = 1 << 20;

/// What an archive says about one file.
#[derive(Clone, Debug)]
pub struct Member {
    /// As it stands there: nothing about it is checked.
    pub path: Vec<u8>,
    /// Of a link.
    pub target: Vec<u8>,
    pub kind: EntryType,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub time: TimeSpec,
    /// Major and minor number.
    pub device: (u32, u32),
    /// Bytes of the file, holes with them.
    pub size: u64,
    /// Extended attributes.
    pub attributes: Vec<(String, Vec<u8>)>,
    /// Of a sparse file: offset and length of what is stored; all else is a hole.
    pub sparse: Option<Vec<(u64, u64)>>,
}

/// Reads an archive. Between two calls of [`Entries::advance`] it reads as the bytes
/// stored for the member, to their end.
#[derive(Debug)]
pub struct Entries<R> {
    reader: R,
    /// Bytes of the member that are not read yet, and padding behind them.
    left: u64,
    padding: u64,
    extra: u64,
}

/// What members before a member say about it.
#[derive(Default)]
struct Extra {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<R: Read> Entries<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            left: 0,
            padding: 0,
            extra: 0,
        }
    }

    /// The next member, `None` at the end. What was not read of the last one is
    /// passed over.
    ///
    /// # Errors
    /// A damaged archive; more than 1 MiB before a member.
    pub fn advance(&mut self) -> anyhow::Result<Option<Member>> {
        let mut extra = Extra::default();
        self.extra = EXTRA;
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            self.left = header.entry_size().context("a damaged archive")?;
            self.padding = padding(self.left);
            match header.entry_type() {
                EntryType::GNULongName => extra.path = Some(self.name()?),
                EntryType::GNULongLink => extra.target = Some(self.name()?),
                EntryType::XHeader => {
                    let bytes = self.small()?;
                    extra.records.extend(records(&bytes)?);
                }
                // Records for all members: there is none among them that says more than
                // a comment in the archives of images.
                EntryType::XGlobalHeader => {
                    self.small()?;
                }
                _ => return self.member(&header, extra).map(Some),
            }
        }
    }

    fn member(&mut self, header: &Header, extra: Extra) -> anyhow::Result<Member> {
        let mut member = Member {
            path: header.path_bytes().into_owned(),
            target: header.link_name_bytes().unwrap_or_default().into_owned(),
            kind: header.entry_type(),
            mode: header.mode().unwrap_or_default() & 0o7777,
            uid: header.uid().unwrap_or_default(),
            gid: header.gid().unwrap_or_default(),
            time: seconds(header),
            device: (
                header.device_major().ok().flatten().unwrap_or_default(),
                header.device_minor().ok().flatten().unwrap_or_default(),
            ),
            size: 0,
            attributes: Vec::new(),
            sparse: None,
        };
        // Old archives mark a directory by the slash at its end alone.
        if member.kind == EntryType::Regular && member.path.ends_with(b"/") {
            member.kind = EntryType::Directory;
        }
        let mut pax = Sparse::default();
        for (key, value) in extra.records {
            let text = String::from_utf8_lossy(&value);
            let number = || text.parse::<u64>().with_context(|| format!("pax {text}"));
            match &*String::from_utf8_lossy(&key) {
                "path" => member.path = value,
                "linkpath" => member.target = value,
                "uid" => member.uid = number()?,
                "gid" => member.gid = number()?,
                "size" => self.left = number()?,
                "mtime" => member.time = time(&text),
                "GNU.sparse.name" => pax.name = Some(value),
                "GNU.sparse.major" => pax.in_data = text == "1",
                "GNU.sparse.realsize" | "GNU.sparse.size" => pax.size = Some(number()?),
                "GNU.sparse.offset" => pax.map.push(number()?),
                "GNU.sparse.numbytes" => pax.map.push(number()?),
                "GNU.sparse.map" => pax.map = numbers(&text)?,
                key => {
                    if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                        member.attributes.push((name.to_owned(), value));
                    }
                }
            }
        }
        member.path = extra.path.unwrap_or(member.path);
        member.target = extra.target.unwrap_or(member.target);
        // Only a file has bytes. Some writers give a hard link the size of its file.
        if !matches!(
            member.kind,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
        ) {
            self.left = 0;
        }
        self.padding = padding(self.left);
        member.size = self.left;
        if member.kind == EntryType::GNUSparse {
            self.old_sparse(header, &mut member)?;
        } else if let Some(size) = pax.size {
            self.pax_sparse(pax, size, &mut member)?;
        }
        Ok(member)
    }

    /// GNU's older form: four pieces in the header, 21 in each block that follows.
    fn old_sparse(&mut self, header: &Header, member: &mut Member) -> anyhow::Result<()> {
        let gnu = header.as_gnu().context("a sparse file without its map")?;
        member.size = gnu.real_size()?;
        let mut map = Vec::new();
        let add = |pieces: &[GnuSparseHeader], map: &mut Vec<u64>| -> anyhow::Result<()> {
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                map.extend([piece.offset()?, piece.length()?]);
            }
            Ok(())
        };
        add(&gnu.sparse, &mut map)?;
        let mut more = gnu.is_extended();
        while more {
            let mut block = GnuExtSparseHeader::new();
            self.allow(BLOCK)?;
            self.reader.read_exact(block.as_mut_bytes())?;
            add(block.sparse(), &mut map)?;
            more = block.is_extended();
        }
        member.sparse = Some(pieces(&map, member.size)?);
        Ok(())
    }

    /// The pax forms: the map in records (0.0, 0.1), or as numbers, a line each, at
    /// the beginning of the bytes (1.0).
    fn pax_sparse(
        &mut self,
        mut pax: Sparse,
        size: u64,
        member: &mut Member,
    ) -> anyhow::Result<()> {
        if let Some(name) = pax.name {
            member.path = name;
        }
        if pax.in_data {
            let mut text = Vec::new();
            let mut wanted = 1;
            while text.iter().filter(|byte| **byte == b'\n').count() < wanted {
                let mut block = [0; BLOCK as usize];
                self.allow(BLOCK)?;
                self.read_exact(&mut block)?;
                text.extend(block);
                let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let count: usize = String::from_utf8_lossy(first).parse()?;
                wanted = count.saturating_mul(2).saturating_add(1);
            }
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().skip(1).take(wanted - 1);
            pax.map = lines.map(str::parse).collect::<Result<_, _>>()?;
        }
        member.size = size;
        member.sparse = Some(pieces(&pax.map, size)?);
        Ok(())
    }

    fn header(&mut self) -> anyhow::Result<Option<Header>> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < block.len() {
            match self.reader.read(&mut block[filled..])? {
                // Some writers leave out the two empty blocks at the end.
                0 if filled == 0 => return Ok(None),
                0 => bail!("the archive ends in the middle of a header"),
                read => filled += read,
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            // So that whoever writes to a pipe is not ended by SIGPIPE.
            io::copy(&mut self.reader, &mut io::sink())?;
            return Ok(None);
        }
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let own: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
        // Its own eight bytes count as spaces.
        if header.cksum().ok() != Some(sum - own + 8 * 32) {
            bail!("not a tar archive, or a damaged one: a header's checksum is wrong");
        }
        Ok(Some(header))
    }

    fn skip(&mut self) -> anyhow::Result<()> {
        let rest = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        let skipped = io::copy(&mut (&mut self.reader).take(rest), &mut io::sink())?;
        if skipped < rest {
            bail!("the archive ends in the middle of a file");
        }
        Ok(())
    }

    fn allow(&mut self, bytes: u64) -> anyhow::Result<()> {
        match self.extra.checked_sub(bytes) {
            Some(left) => self.extra = left,
            None => bail!("more than 1 MiB of headers before one file: a bomb?"),
        }
        Ok(())
    }

    fn small(&mut self) -> anyhow::Result<Vec<u8>> {
        self.allow(self.left)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn name(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = self.small()?;
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(bytes)
    }
}

impl<R: Read> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            let text = "the archive ends in the middle of a file";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// The pax records of a sparse file.
#[derive(Default)]
struct Sparse {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    in_data: bool,
    map: Vec<u64>,
}

/// Offsets and lengths, in order and inside of the file.
fn pieces(numbers: &[u64], size: u64) -> anyhow::Result<Vec<(u64, u64)>> {
    let mut end = 0;
    let mut pieces = Vec::new();
    for piece in numbers.chunks(2) {
        let &[offset, length] = piece else {
            bail!("a sparse file with half a map");
        };
        let next = offset.checked_add(length).filter(|next| *next <= size);
        let next = next.filter(|_| offset >= end);
        end = next.context("a sparse file whose map is out of order")?;
        pieces.push((offset, length));
    }
    Ok(pieces)
}

fn numbers(text: &str) -> anyhow::Result<Vec<u64>> {
    Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record in decimal.
fn records(mut bytes: &[u8]) -> anyhow::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let record = record(bytes).context("a damaged pax record")?;
        records.push((record.0.to_vec(), record.1.to_vec()));
        bytes = &bytes[record.2..];
    }
    Ok(records)
}

fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], length))
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

fn seconds(header: &Header) -> TimeSpec {
    // Before 1970 the base-256 form is negative; read as u64 it does not fit.
    let seconds = header
        .mtime()
        .ok()
        .and_then(|time| i64::try_from(time).ok());
    TimeSpec::new(seconds.unwrap_or_default(), 0)
}

/// `SECONDS[.FRACTION]`, perhaps negative.
fn time(text: &str) -> TimeSpec {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().unwrap_or_default();
    let nanoseconds: i64 = format!("{fraction:0<9.9}").parse().unwrap_or_default();
    match whole.starts_with('-') && nanoseconds > 0 {
        true => TimeSpec::new(seconds - 1, 1_000_000_000 - nanoseconds),
        false => TimeSpec::new(seconds, nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_may_hold_any_byte() {
        let list = records(b"14 key=a\nb=c\n\n6 a=b\n").unwrap();
        assert_eq!(list[0], (b"key".to_vec(), b"a\nb=c\n".to_vec()));
        assert_eq!(list[1], (b"a".to_vec(), b"b".to_vec()));
        for damaged in [&b"99 a=b\n"[..], b"6 a=b", b"x", b"0 a=b\n", b"5 ab\n"] {
            assert!(records(damaged).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn times_have_fractions_and_may_lie_before_1970() {
        assert_eq!(time("12.5"), TimeSpec::new(12, 500_000_000));
        assert_eq!(time("-1.25"), TimeSpec::new(-2, 750_000_000));
        assert_eq!(time("7"), TimeSpec::new(7, 0));
    }

    #[test]
    fn a_sparse_map_is_in_order_and_inside() {
        assert!(pieces(&[0, 5, 5, 5], 10).is_ok());
        assert!(pieces(&[5, 5, 0, 5], 10).is_err());
        assert!(pieces(&[0, 11], 10).is_err());
        assert!(pieces(&[u64::MAX, 2], 10).is_err());
        assert!(pieces(&[0], 10).is_err());
    }
}
