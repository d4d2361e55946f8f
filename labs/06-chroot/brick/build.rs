//! A small root from the host's own programs, and what they need to start.
//!
//! A dynamic program names two kinds of file: its *interpreter* (the loader), an
//! absolute path that the kernel opens, and *needed* libraries, names that the
//! loader looks for. Both are in the ELF file, so it is read; ldd(1) would run
//! the program to find out.
//!
//! What a program opens later by dlopen(3) (name services, character sets) is not
//! in the file, and not in the root. An image is made by a package manager for
//! that reason.
//!
//! Read: elf(5), ld.so(8), execve(2) ("Interpreter scripts")

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use goblin::elf::Elf;

use crate::explain::Explain;

/// Makes the directory `root` a root in which `programs` run (names on PATH, or
/// paths; each ends up in /bin), and gives the files that were copied, as paths
/// inside.
pub fn build(
    explain: Explain,
    root: &Path,
    programs: &[String],
) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut copied = BTreeSet::new();
    // All of it found before anything is written: half a root helps nobody.
    // Where from on the host, where to in the root.
    let mut files = Vec::new();
    for program in programs {
        let path = find(program)?;
        let name = path.file_name().context("a program has a name")?;
        files.push((path.clone(), Path::new("/bin").join(name)));
        for file in needed_files(&path)? {
            // At the path where it was found, because there it will be looked for.
            files.push((file.clone(), file));
        }
    }
    // Without it the loader knows only the directories built into it; with it, all
    // those of the host. Names in it that are not there do no harm.
    let cache = PathBuf::from("/etc/ld.so.cache");
    if cache.exists() {
        files.push((cache.clone(), cache));
    }

    // Empty directories are what later mounts are put on.
    for directory in ["bin", "dev", "etc", "proc", "root", "sys", "tmp"] {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).with_context(|| {
            format!("mkdir({directory:?}): is the folder above yours to write?")
        })?;
    }
    // The sticky bit: everybody may write, and nobody may remove what is others'.
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))
        .with_context(|| format!("chmod({:?}, 01777)", root.join("tmp")))?;
    // A name for user 0; all others are numbers in there.
    let passwd = root.join("etc/passwd");
    fs::write(&passwd, "root:x:0:0:root:/root:/bin/sh\n")
        .with_context(|| format!("write({passwd:?})"))?;

    for (from, inside) in files {
        let to = root.join(inside.strip_prefix("/").unwrap_or(&inside));
        if !copied.insert(inside) {
            continue;
        }
        // A copy and not a link: a hard link would let the root's user write to the
        // host's file. A symbolic link is followed, so /bin/sh is what it leads to.
        explain.announce(&format!("copy({from:?}, {to:?})"));
        let parent = to.parent().unwrap_or(root);
        fs::create_dir_all(parent).with_context(|| format!("mkdir({parent:?})"))?;
        // Not into what is there: a program that runs cannot be written to (ETXTBSY).
        let _ = fs::remove_file(&to);
        fs::copy(&from, &to).with_context(|| format!("copy({from:?}, {to:?})"))?;
    }
    Ok(copied)
}

/// The files without which `program` does not start, as paths of the host: its
/// loader, and every library that it, or one of them, needs. Empty for a static
/// program; for a script, its interpreter and what that needs.
pub fn needed_files(program: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut needed = BTreeSet::new();
    // A list and not a recursion: libraries need one another in circles.
    let mut to_read = vec![program.to_owned()];
    while let Some(path) = to_read.pop() {
        let bytes = fs::read(&path).with_context(|| format!("read({path:?})"))?;
        let mut found = Vec::new();
        // execve(2) looks at the first bytes, too: `#!` starts the program named there.
        if let Some(line) = bytes.strip_prefix(b"#!") {
            found.push(script_interpreter(line).with_context(|| format!("{path:?}"))?);
        } else if bytes.starts_with(b"\x7fELF") {
            let elf =
                Elf::parse(&bytes).with_context(|| format!("{path:?} is a broken ELF file"))?;
            // None for a static program, and for a library, which nobody starts.
            found.extend(elf.interpreter.map(PathBuf::from));
            for library in &elf.libraries {
                found.push(find_library(library, &elf, &path)?);
            }
        // A library named by a linker script is none to the loader; but what was asked
        // for has to be something that runs.
        } else if path == program {
            bail!("{path:?} is neither an ELF program nor a script; name one that is");
        }
        for file in found {
            // Seen before: nothing new can come of it.
            if needed.insert(file.clone()) {
                to_read.push(file);
            }
        }
    }
    Ok(needed)
}

/// The program of a `#!` line; what follows it are its arguments.
fn script_interpreter(line: &[u8]) -> anyhow::Result<PathBuf> {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let word = String::from_utf8_lossy(line)
        .split_whitespace()
        .next()
        .map(PathBuf::from);
    word.context("the #! line names no interpreter")
}

/// Where the loader would find the library. LD_LIBRARY_PATH is left out on
/// purpose: it is the caller's, and would not be set in there.
fn find_library(name: &str, elf: &Elf<'_>, of: &Path) -> anyhow::Result<PathBuf> {
    // A path and not a name: the loader searches nothing.
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let origin = of.parent().unwrap_or(Path::new("/")).display().to_string();
    // Written into the file; `$ORIGIN` is the directory that the file lies in.
    // RPATH is the older of the two and goes before LD_LIBRARY_PATH, RUNPATH after;
    // with that one left out they come to the same.
    let own = elf
        .runpaths
        .iter()
        .chain(&elf.rpaths)
        .flat_map(|paths| paths.split(':'))
        .map(|path| {
            PathBuf::from(
                path.replace("$ORIGIN", &origin)
                    .replace("${ORIGIN}", &origin),
            )
        });
    // A host may have libraries for several machines under the same name.
    // Such as 32-bit libraries beside the 64-bit ones; the loader skips them too.
    let fits = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        Elf::parse(&bytes).is_ok_and(|other| {
            (other.header.e_machine, other.is_64) == (elf.header.e_machine, elf.is_64)
        })
    };
    // The loader asks its cache first, which is made from these directories.
    own.chain(library_directories())
        .map(|directory| directory.join(name))
        .find(fits)
        .with_context(|| {
            format!("{of:?} needs {name}, and no library directory has it; is it installed?")
        })
}

/// The directories of /etc/ld.so.conf and the files that it includes, then those
/// that are built into the loaders.
fn library_directories() -> Vec<PathBuf> {
    // A missing file reads as an empty one: musl has no ld.so.conf, only the built-in
    // directories.
    let mut directories = Vec::new();
    let mut files = vec![PathBuf::from("/etc/ld.so.conf")];
    while let Some(file) = files.pop() {
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            // `include /etc/ld.so.conf.d/*.conf` is the only form in use.
            if let Some(folder) = line.strip_prefix("include ") {
                let folder = Path::new(folder.trim()).parent().unwrap_or(Path::new("/"));
                let entries = fs::read_dir(folder).into_iter().flatten().flatten();
                files.extend(entries.map(|entry| entry.path()));
            } else if line.starts_with('/') {
                directories.push(PathBuf::from(line));
            }
        }
    }
    // What glibc and musl were built with differs a little; one that is not there
    // costs a failed open.
    let built_in = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
    directories.extend(built_in.map(PathBuf::from));
    directories
}

/// The program's path: as given, or on PATH as execvp(3) would find it.
fn find(program: &str) -> anyhow::Result<PathBuf> {
    if program.contains('/') {
        return Ok(PathBuf::from(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Root's programs are not on an ordinary user's PATH, and may be wanted inside.
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("{program}: no such command; check its name, or give its path"))
}
