// caught by: inside.machine.files./srv/root/srv/host/conf
// O_NOFOLLOW looks at the last component only; the link is the one before it.
use std::env;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o644);
    let file = open("/srv/root/etc/conf", flags, mode)?;
    File::from(file).write_all(b"container\n")?;

    Err(Command::new(program).args(rest).exec().into())
}
