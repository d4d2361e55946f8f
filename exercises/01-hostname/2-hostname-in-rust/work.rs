//! Run a command in a new UTS namespace, under the name tp-rust.

use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: leave the machine's UTS namespace for a new one.
    // A call of nix returns a Result: end it with `?`, and an error ends main.

    // TODO: set the name.

    // exec replaces this program by the payload. It returns only on failure.
    Err(Command::new(program).args(rest).exec().into())
}
