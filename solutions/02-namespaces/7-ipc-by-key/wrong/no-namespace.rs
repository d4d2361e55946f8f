// caught by: inside
// In the machine's namespace the key is taken: shmget fails with EINVAL, and
// the payload never runs.
use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn segment(size: usize) -> io::Result<()> {
    // SAFETY: shmget takes numbers only.
    match unsafe { libc::shmget(0x7470, size, libc::IPC_CREAT | 0o600) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    segment(4096)?;
    segment(8192)?;

    Err(Command::new(program).args(rest).exec().into())
}
