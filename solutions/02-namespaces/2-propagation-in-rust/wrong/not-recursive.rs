// caught by: inside.process.propagation
// Makes one mount private, `/`; the rest go on sharing.
use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;
    fs::create_dir_all("/run/private")?;

    unshare(CloneFlags::CLONE_NEWNS)?;
    let (none, private) = (None::<&str>, MsFlags::MS_PRIVATE);
    mount(none, "/", none, private, none)?;
    let (scratch, tmpfs) = (Some("scratch"), Some("tmpfs"));
    mount(scratch, "/run/private", tmpfs, MsFlags::empty(), none)?;

    Err(Command::new(program).args(rest).exec().into())
}
