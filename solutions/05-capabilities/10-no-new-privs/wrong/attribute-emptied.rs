// caught by: inside.process.executable_capabilities
// Disarms this one file, and no other.
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

/// The sets of this thread as capget(2) gives them: two halves, of which the
/// first has the capabilities 0 to 31: the other came with the 33rd. repr(C),
/// because the kernel reads and writes it: struct __user_cap_data_struct.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// struct __user_cap_header_struct: version 3 says that two halves follow.
/// Process 0 is the caller; another one could be read, and not be changed.
const HEADER: [u32; 2] = [0x2008_0522, 0];

/// Makes them this thread's, or changes nothing and fails: EPERM when permitted
/// would grow, or when effective is more than permitted.
fn capset(sets: &[Half; 2]) -> io::Result<()> {
    let mut header = HEADER;
    // SAFETY: the kernel reads two halves.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_ptr()) })
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

    // And the file gives net_raw to whoever executes it, as ping(8) may.
    let words = [VERSION_2, 0, 0, 0, 0];
    set_capabilities(program, &words.map(u32::to_le_bytes).concat())?;

    // The process itself has nothing any more. All that the payload will have
    // comes from its file.
    capset(&[Half::default(); 2])?;

    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;

    Err(Command::new(program).args(rest).exec().into())
}
