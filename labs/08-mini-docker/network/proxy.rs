//! From a published port into the container, in user space.
//!
//! The rules of nftables lead what comes from outside into the container without
//! it. Two kinds they cannot: packets to 127.0.0.1, which the kernel lets nowhere
//! else (to allow it by `route_localnet` would open this machine's loopback to its
//! neighbours on the wire), and IPv6, which the container has not got. These reach
//! the socket that holds the port, and are passed on here. An ordinary user has no
//! rules at all; there all of it goes this way, and the last step is made inside the
//! container's own network.
//!
//! Read: ip(7), tcp(7), udp(7)

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use labs::explain::Explain;
use labs::network::inside;

use super::ports::Bound;

/// How long nothing may come back for an UDP client before it is forgotten.
const SILENCE: Duration = Duration::from_secs(90);
/// UDP clients, or TCP connections, of one port at one time.
const MOST: usize = 1024;
/// Threads that only pass bytes on need hardly a stack.
const STACK: usize = 128 << 10;

/// Where a port leads.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    /// Where that address is: in the container itself, for an ordinary user.
    namespace: Option<Arc<OwnedFd>>,
}

impl Target {
    /// Opens a socket towards it.
    fn open<T: Send>(
        &self,
        socket: impl FnOnce(SocketAddr) -> io::Result<T> + Send,
    ) -> io::Result<T> {
        match &self.namespace {
            None => socket(self.address),
            Some(namespace) => {
                let explain = Explain::new(false);
                let opened = inside(explain, namespace, || socket(self.address));
                opened.map_err(|error| io::Error::from(error.errno))?
            }
        }
    }
}

/// Serves one port, until the process ends.
///
/// # Errors
/// No thread can be made.
pub fn serve(bound: Bound, namespace: Option<Arc<OwnedFd>>) -> io::Result<()> {
    let to = Target {
        address: SocketAddr::from((bound.published.address, bound.published.port)),
        namespace,
    };
    let thread = Builder::new().stack_size(STACK);
    match bound.published.protocol.as_str() {
        "udp" => thread.spawn(move || serve_udp(UdpSocket::from(bound.socket), &to))?,
        _ => thread.spawn(move || serve_tcp(&TcpListener::from(bound.socket), &to))?,
    };
    Ok(())
}

fn serve_tcp(listener: &TcpListener, to: &Target) {
    let open = Arc::new(());
    loop {
        let Ok((client, _)) = listener.accept() else {
            // Out of descriptors, most likely: some will be free again.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        // The counts of these say how many connections there are.
        if Arc::strong_count(&open) > MOST {
            continue;
        }
        let (one, to) = (Arc::clone(&open), to.clone());
        // A thread that cannot be made: the connection is closed with it.
        let _ = Builder::new().stack_size(STACK).spawn(move || {
            let _one = one;
            // Nobody listens in the container: the client is told by the end.
            let connect = |to| TcpStream::connect_timeout(&to, Duration::from_secs(10));
            let Ok(inner) = to.open(connect) else {
                return;
            };
            let _ = both_ways(&client, &inner);
        });
    }
}

/// Passes on in both directions until both have ended, each for itself: a client
/// that has sent all (`nc` at the end of its input) still waits for the answer.
fn both_ways(client: &TcpStream, inner: &TcpStream) -> io::Result<()> {
    thread::scope(|scope| {
        Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || one_way(client, inner))?;
        one_way(inner, client);
        Ok(())
    })
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    // Whoever cannot be written to need not be read from any more.
    let _ = from.shutdown(Shutdown::Read);
}

/// UDP knows no connections: each client gets a socket of its own towards the
/// container, so that the answers can be told apart.
fn serve_udp(outer: UdpSocket, to: &Target) {
    let outer = Arc::new(outer);
    let clients: Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>> = Arc::default();
    let mut packet = vec![0; 1 << 16];
    loop {
        let Ok((length, client)) = outer.recv_from(&mut packet) else {
            continue;
        };
        let mut known = clients.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = match known.get(&client) {
            Some(inner) => Arc::clone(inner),
            None if known.len() >= MOST => continue,
            None => {
                let Ok(inner) = to.open(udp_to).map(Arc::new) else {
                    continue;
                };
                known.insert(client, Arc::clone(&inner));
                let (outer, clients) = (Arc::clone(&outer), Arc::clone(&clients));
                let back = Arc::clone(&inner);
                let thread = Builder::new().stack_size(STACK).spawn(move || {
                    answers(&back, &outer, client);
                    let mut known = clients.lock().unwrap_or_else(PoisonError::into_inner);
                    known.remove(&client);
                });
                if thread.is_err() {
                    known.remove(&client);
                }
                inner
            }
        };
        drop(known);
        let _ = inner.send(&packet[..length]);
    }
}

fn udp_to(to: SocketAddr) -> io::Result<UdpSocket> {
    let inner = UdpSocket::bind(("0.0.0.0", 0))?;
    inner.connect(to)?;
    inner.set_read_timeout(Some(SILENCE))?;
    Ok(inner)
}

/// Passes answers back until there are none for a while.
fn answers(inner: &UdpSocket, outer: &UdpSocket, client: SocketAddr) {
    let mut packet = vec![0; 1 << 16];
    loop {
        match inner.recv(&mut packet) {
            Ok(length) => {
                let _ = outer.send_to(&packet[..length], client);
            }
            // Nobody listens in the container yet (ICMP says so); later, perhaps.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}
