//! Move an interface to another network namespace by one netlink message.

use std::env;
use std::error::Error;
use std::fs;
use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;

/// Attribute of a link, from <linux/if_link.h>.
const IFLA_NET_NS_FD: u16 = 28;

/// The message: three headers, each of which says what follows it.
#[repr(C)]
struct Order {
    /// struct nlmsghdr
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    /// struct ifinfomsg
    family: u8,
    padding: u8,
    device: u16,
    index: i32,
    state: u32,
    change: u32,
    /// struct rtattr, and its value
    attribute_length: u16,
    attribute: u16,
    value: i32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // The kernel speaks of interfaces by number; a file of sysfs tells it.
    let far = fs::read_to_string("/sys/class/net/far/ifindex")?;
    let order = Order {
        length: size_of::<Order>() as u32,
        // A "new link" with the index of an old one is a change of that one.
        kind: libc::RTM_NEWLINK,
        flags: (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16,
        sequence: 1,
        port: 0,
        family: libc::AF_UNSPEC as u8,
        padding: 0,
        device: 0,
        index: far.trim().parse()?,
        state: 0,
        change: 0,
        // TODO: an attribute is 4 bytes of header and 4 of value here. Which
        // attribute, and which value?
        attribute_length: 8,
        attribute: 0,
        value: 0,
    };
    send(&order)?;

    Err(Command::new(program).args(rest).exec().into())
}

/// Sends it to the kernel and reads the answer: 0, or an errno.
fn send(order: &Order) -> io::Result<()> {
    let mut answer = [0u8; 64];
    let size = size_of::<Order>();
    // SAFETY: the calls get pointers to live buffers with their true sizes, and
    // the descriptor is new and ours alone.
    let read = unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = Errno::result(libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE))?;
        let socket = OwnedFd::from_raw_fd(socket);
        let fd = socket.as_raw_fd();
        Errno::result(libc::send(fd, (&raw const *order).cast(), size, 0))?;
        Errno::result(libc::recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0))?
    };
    // Behind the header of 16 bytes: the number, negative.
    let code = &answer[16..20.min(read as usize).max(16)];
    match code.try_into().map_or(-libc::EIO, i32::from_ne_bytes) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(-errno)),
    }
}
