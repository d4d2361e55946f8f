//! Network namespaces with names, and what connects them: `ip netns`, with the
//! few parts of `ip link`, `ip address` and `ip route` that a container needs.
//!
//! Two mechanisms meet here. A *name* is a bind mount below /run/netns; that is
//! mount(2), and the kernel's network knows nothing of it. What is *in* a
//! namespace is changed by messages on a netlink socket, which belongs to the
//! namespace in which it was opened. One file a command:
//!
//! ```text
//! cmd/names.rs    add, list, delete, identify, monitor
//! cmd/exec.rs     run a command in one
//! cmd/device.rs   veth, bridge, set (move, rename, address, up), route
//! ```
//!
//! Try:  ip-netns --explain add blue
//! Read: ip-netns(8), network_namespaces(7), rtnetlink(7)

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use labs::command;
use labs::explain::Explain;

mod cmd {
    pub mod device;
    pub mod exec;
    pub mod names;
}

/// Name network namespaces, enter them, and connect them.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Print each system call as it is made, as strace would write it
    #[arg(long, global = true)]
    explain: bool,

    #[command(subcommand)]
    command: Command,
}

/// The first six are those of ip-netns(8). Its own `set` gives a namespace a
/// number, which nobody types; here it is what the slide is about, a device that
/// moves. The last four are the rest of a small ip(8).
#[derive(Subcommand)]
enum Command {
    Add(cmd::names::Add),
    List(cmd::names::List),
    Delete(cmd::names::Delete),
    Exec(cmd::exec::Exec),
    Identify(cmd::names::Identify),
    Monitor(cmd::names::Monitor),
    Veth(cmd::device::Veth),
    Bridge(cmd::device::Bridge),
    Set(cmd::device::Set),
    Route(cmd::device::Route),
}

const EXAMPLES: &str = "\
Examples:
  # ip-netns add blue                        the slide: ip netns add
  # ip-netns veth eth0 eth1                  a pair, both ends here
  # ip-netns set eth1 --netns blue           one end goes to blue
  # ip-netns set eth1 -n blue --address 10.0.0.2/24 --up
  # ip-netns exec blue ip address
  $ namespaces unshare -U -r -n -m sh        without root; there:
  # mount -t tmpfs tmpfs /run && ip-netns add blue

Exit status: of `exec` the command's own; 127 if it does not exist, 126 if it
cannot be executed; else 0, 1 if the kernel refused, 2 for a wrong argument.";

// One process, one order, then the end: nothing has to be put back that `setns`
// has changed on the way.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let explain = Explain::new(arguments.explain);
    command::finish(match arguments.command {
        Command::Add(add) => add.run(explain),
        Command::List(list) => list.run(),
        Command::Delete(delete) => delete.run(explain),
        Command::Exec(exec) => exec.run(explain),
        Command::Identify(identify) => identify.run(),
        Command::Monitor(monitor) => monitor.run(explain),
        Command::Veth(veth) => veth.run(explain),
        Command::Bridge(bridge) => bridge.run(explain),
        Command::Set(set) => set.run(explain),
        Command::Route(route) => route.run(explain),
    })
}
