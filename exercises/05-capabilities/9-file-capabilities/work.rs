//! A file that gives one capability to whoever executes it.

use std::env;
use std::error::Error;
use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const NET_RAW: u32 = 13;
const SECBIT_NOROOT: libc::c_ulong = 1;
const VERSION_2: u32 = 0x0200_0000;
/// What the file gives is effective at once.
const EFFECTIVE: u32 = 1;

/// What the kernel answered, as a Result. These calls say -1 when they fail, and
/// leave the reason in errno, which is the thread's own.
fn check(answer: i64) -> io::Result<()> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// One call with many options: each has a man page, PR_...(2const).
fn prctl(option: i32, second: libc::c_ulong, third: libc::c_ulong) -> io::Result<()> {
    // Arguments that an option does not use have to be 0 for some of them, so
    // that they may mean something one day.
    let none: libc::c_ulong = 0;
    // SAFETY: the options used here take numbers only.
    check(unsafe { libc::prctl(option, second, third, none, none) }.into())
}

/// Writes the extended attribute that holds a file's capabilities. The kernel
/// looks at the value (EINVAL), and wants CAP_SETFCAP (EPERM) over the user
/// namespace that the file system belongs to. 0 stands for "make or replace".
fn set_capabilities(file: &str, value: &[u8]) -> Result<(), Box<dyn Error>> {
    let file = CString::new(file)?;
    let name = c"security.capability".as_ptr();
    let (value, size) = (value.as_ptr().cast(), value.len());
    // SAFETY: two C strings, and a value with its length.
    check(unsafe { libc::setxattr(file.as_ptr(), name, value, size, 0) }.into())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // User 0 is a user like any other: an execve gives nothing for it.
    prctl(libc::PR_SET_SECUREBITS, SECBIT_NOROOT, 0)?;

    // TODO: give the file `program` the capability NET_RAW, as set_capabilities does.

    Err(Command::new(program).args(rest).exec().into())
}
