//! Unpack one file of a layer: `etc/conf`.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: the layer's link leads to a directory of the machine.
    fs::write("/srv/root/etc/conf", "container\n")?;

    Err(Command::new(program).args(rest).exec().into())
}
