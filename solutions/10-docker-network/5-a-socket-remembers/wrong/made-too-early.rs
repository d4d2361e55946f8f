// caught by: inside.machine.networks.box.listening
// The socket was made at home, and does not move with the process.
//! A socket in another network than the process that holds it.

use std::env;
use std::error::Error;
use std::fs::File;
use std::net::TcpListener;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // The way back is a file too, opened while it is still "self".
    let home = File::open("/proc/self/ns/net")?;
    let inside = File::open("/run/netns/box")?;

    // There first: a socket is of the namespace that its maker is in at that moment.
    let listener = TcpListener::bind("127.0.0.11:5353")?;
    setns(&inside, CloneFlags::CLONE_NEWNET)?;
    // And back. The socket stays where it is, also for accept(2) and whatever comes.
    setns(&home, CloneFlags::CLONE_NEWNET)?;

    // The socket is held as long as the program runs.
    Command::new(program).args(rest).status()?;
    drop((listener, home, inside));
    Ok(())
}
