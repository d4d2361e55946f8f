// caught by: inside.machine.files./srv/root/etc
// Takes the link away: then the layer is another one.
use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    fs::remove_file("/srv/root/etc")?;
    fs::create_dir("/srv/root/etc")?;
    fs::write("/srv/root/srv/host/conf", "container\n")?;

    Err(Command::new(program).args(rest).exec().into())
}
