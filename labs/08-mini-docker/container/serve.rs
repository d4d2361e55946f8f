//! What a monitor does: starts its container, passes its output on, answers commands,
//! and when the container ends cleans up, or starts it again.
//!
//! One thread and one `poll`: of the container's output, of the commands that are
//! connected, and of a pidfd for each child, which becomes readable when it ends.
//! So no signal handler runs, and a container inherits no blocked signal.
//!
//! Read: poll(2), pidfd_open(2), waitid(2)

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use oci_spec::runtime::Spec;

use super::child::Child;
use super::client::Client;
use super::logs::Writer;
use super::monitor::Wanted;
use super::record::{Container, State};
use super::restart::Backoff;
use super::wire::{CHUNK, Connection, Message, Reply, accept, nonblocking};
use super::{events, health, store};
use crate::cmd::Failure;
use crate::engine::Engine;

/// Messages that wait for a client which does not read. More, and the container's
/// output is not read either: then the container waits, as on a real terminal.
const BACKLOG: usize = 8;

/// One monitor.
pub struct Monitor<'a> {
    pub(super) engine: &'a Engine,
    pub(super) container: Container,
    pub(super) state: State,
    pub(super) rootfs: PathBuf,
    pub(super) spec: Spec,
    /// Of `--link`, for further processes as well.
    pub(super) variables: Vec<String>,
    /// For the command that starts it.
    pub(super) warnings: Vec<String>,
    /// The container's first process, while there is one.
    pub(super) init: Option<Child>,
    pub(super) started: Instant,
    pub(super) streams: Streams,
    pub(super) listener: OwnedFd,
    pub(super) clients: Vec<Client>,
    /// Those of `exec`.
    pub(super) execs: Vec<Further>,
    pub(super) next_client: u64,
    pub(super) log: Writer,
    /// When SIGKILL follows the stop signal.
    pub(super) kill_at: Option<Instant>,
    pub(super) backoff: Backoff,
    /// What the command that started the container wants of it.
    pub(super) wanted: Wanted,
    /// When it is started again.
    pub(super) restart_at: Option<Instant>,
    pub(super) health: health::Checks,
    /// Whether it stays although `--rm` was said: `restart` starts it again.
    pub(super) keep: bool,
    /// Whether it is over, once nothing is left to pass on.
    pub(super) ended: bool,
    pub(super) size: Option<(u16, u16)>,
}

/// Our ends of the container's standard streams.
#[derive(Debug, Default)]
pub struct Streams {
    /// Where its input goes; of a terminal the master.
    pub input: Option<OwnedFd>,
    /// What has not gone into it yet.
    pub pending: Vec<u8>,
    /// Whether the input ends after that.
    pub last: bool,
    /// 1 for output, 2 for errors; of a terminal the master alone.
    pub outputs: Vec<(u8, OwnedFd)>,
    pub terminal: bool,
}

/// A further process.
#[derive(Debug)]
pub struct Further {
    pub child: Child,
    /// Its own id, for events.
    pub id: String,
    /// The client that waits for it.
    pub waits: Option<u64>,
}

/// What a descriptor of the poll belongs to.
#[derive(Clone, Copy)]
enum Source {
    Listener,
    Init,
    Exec(usize),
    Health,
    HealthOutput,
    Output(usize),
    Input,
    Client(usize),
}

impl Monitor<'_> {
    /// Serves until the container has ended for good. The monitor ends with it.
    pub fn serve(mut self, first: Connection) {
        self.greet(first);
        while !self.finished() {
            if self.turn().is_err() {
                break;
            }
        }
        self.finish();
    }

    /// The command that started us: it hears that the container runs.
    fn greet(&mut self, first: Connection) {
        let _ = nonblocking(first.0.as_fd());
        let mut client = Client::new(self.number(), first);
        let wanted = self.wanted;
        client.attached = wanted.output || wanted.input;
        client.stdin = wanted.input;
        client.waits = client.attached;
        let pid = self.state.pid;
        let warnings = std::mem::take(&mut self.warnings);
        client.say(Message::Reply(Reply::Started { pid, warnings }, Vec::new()));
        self.clients.push(client);
        // The command line, the image's configuration, the libraries' tables: a small
        // process for as long as the container runs, so what is free goes back.
        // SAFETY: takes a number; nothing of ours is in what is free.
        unsafe { libc::malloc_trim(0) };
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next_client += 1;
        self.next_client
    }

    /// Whether all is said: the end, and its output to the last byte.
    fn finished(&self) -> bool {
        self.ended && self.streams.outputs.is_empty() && self.init.is_none()
    }

    /// One round of the loop.
    fn turn(&mut self) -> anyhow::Result<()> {
        let (sources, events) = self.wait()?;
        // From the end: handling one may remove those after it.
        for (source, flags) in sources.into_iter().zip(events).rev() {
            if flags.is_empty() {
                continue;
            }
            match source {
                Source::Output(index) => self.output(index),
                Source::Input => self.feed(),
                Source::Client(index) => self.client(index, flags),
                Source::Exec(index) => self.exec_ended(index),
                Source::Health => self.health_ended(),
                Source::HealthOutput => self.health.read(),
                Source::Init => self.init_ended(),
                Source::Listener => {
                    if let Some(connection) = accept(&self.listener) {
                        let client = Client::new(self.number(), connection);
                        self.clients.push(client);
                    }
                }
            }
        }
        self.clients.retain(|client| !client.gone);
        self.timers();
        Ok(())
    }

    /// Waits for something to happen, or for the next timer.
    fn wait(&self) -> anyhow::Result<(Vec<Source>, Vec<PollFlags>)> {
        let mut sources = Vec::new();
        let mut fds = Vec::new();
        let mut add = |source, fd, flags| {
            sources.push(source);
            fds.push(PollFd::new(fd, flags));
        };
        add(Source::Listener, self.listener.as_fd(), PollFlags::POLLIN);
        if let Some(init) = &self.init {
            add(Source::Init, init.fd.as_fd(), PollFlags::POLLIN);
        }
        for (index, further) in self.execs.iter().enumerate() {
            add(
                Source::Exec(index),
                further.child.fd.as_fd(),
                PollFlags::POLLIN,
            );
        }
        if let Some((child, output)) = self.health.running() {
            add(Source::Health, child.fd.as_fd(), PollFlags::POLLIN);
            if let Some(output) = output {
                add(Source::HealthOutput, output.as_fd(), PollFlags::POLLIN);
            }
        }
        if self
            .clients
            .iter()
            .all(|client| client.queue.len() < BACKLOG)
        {
            for (index, (_, fd)) in self.streams.outputs.iter().enumerate() {
                add(Source::Output(index), fd.as_fd(), PollFlags::POLLIN);
            }
        }
        if let (Some(input), false) = (&self.streams.input, self.streams.pending.is_empty()) {
            add(Source::Input, input.as_fd(), PollFlags::POLLOUT);
        }
        for (index, client) in self.clients.iter().enumerate() {
            let mut flags = PollFlags::empty();
            // Who gives input waits while the container does not take it.
            if !client.stdin || self.streams.pending.len() < CHUNK {
                flags |= PollFlags::POLLIN;
            }
            if !client.queue.is_empty() {
                flags |= PollFlags::POLLOUT;
            }
            add(Source::Client(index), client.connection.0.as_fd(), flags);
        }
        loop {
            match poll(&mut fds, self.patience()) {
                Err(Errno::EINTR) => {}
                result => {
                    result.context("poll")?;
                    break;
                }
            }
        }
        let events = fds
            .iter()
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
            .collect();
        Ok((sources, events))
    }

    /// The time to the next timer, a millisecond more: not a moment too early.
    fn patience(&self) -> PollTimeout {
        let timers = [self.kill_at, self.restart_at, self.health.next()];
        match timers.into_iter().flatten().min() {
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        }
    }

    fn timers(&mut self) {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.signal(libc::SIGKILL);
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            self.start_again();
        }
        self.health_timer(now);
    }

    /// Passes output on: to the log and to who is attached.
    pub(super) fn output(&mut self, index: usize) {
        let mut buffer = [0; CHUNK];
        let (stream, fd) = &self.streams.outputs[index];
        let stream = *stream;
        match read(fd, &mut buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // EIO is how a terminal says that nobody has it open any more.
            Ok(0) | Err(_) => {
                self.log.end(stream);
                self.streams.outputs.remove(index);
            }
            Ok(count) => {
                let data = &buffer[..count];
                self.log.write(stream, data);
                for client in self.clients.iter_mut().filter(|client| client.attached) {
                    // The usual client reads faster than the container writes: then
                    // nothing is copied.
                    let sent = match client.queue.is_empty() {
                        true => client.connection.send_data(stream, data),
                        false => Err(Errno::EAGAIN),
                    };
                    match sent {
                        Ok(()) => {}
                        Err(Errno::EAGAIN) => {
                            client.queue.push_back(Message::Data(stream, data.to_vec()));
                        }
                        Err(_) => client.gone = true,
                    }
                }
            }
        }
    }

    /// Gives the container what waits for it.
    pub(super) fn feed(&mut self) {
        let streams = &mut self.streams;
        let Some(input) = &streams.input else {
            streams.pending.clear();
            return;
        };
        while !streams.pending.is_empty() {
            match write(input, &streams.pending) {
                Ok(count) => drop(streams.pending.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // Nobody reads it any more.
                Err(_) => {
                    streams.pending.clear();
                    streams.input = None;
                    return;
                }
            }
        }
        // A terminal has no end: there ctrl-d says it, and that is the client's.
        if streams.last && !streams.terminal {
            streams.input = None;
        }
    }

    /// Something from a command, or room for what waits for it.
    fn client(&mut self, index: usize, flags: PollFlags) {
        let client = &mut self.clients[index];
        if flags.contains(PollFlags::POLLOUT) {
            client.flush();
        }
        if !flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            return;
        }
        let message = match client.connection.receive() {
            Ok(Some(message)) => message,
            Err(error) if error.downcast_ref() == Some(&Errno::EAGAIN) => return,
            Ok(None) | Err(_) => {
                client.gone = true;
                // `run -i`: the one who gave input is gone, so there will be no more.
                if client.stdin && self.container.config.stdin_once {
                    self.streams.last = true;
                    self.feed();
                }
                return;
            }
        };
        match message {
            Message::Data(_, data) if client.stdin => {
                self.streams.pending.extend(data);
                self.feed();
            }
            Message::End if client.stdin && self.container.config.stdin_once => {
                self.streams.last = true;
                self.feed();
            }
            Message::Request(request, fds) => self.request(index, request, fds),
            _ => {}
        }
    }

    pub(super) fn save(&mut self) {
        let _ = store::save(self.engine, &self.container, "state.json", &self.state);
    }

    pub(super) fn emit(&self, action: &str) {
        self.emit_with(action, &[]);
    }

    /// An event that says more than what happened.
    pub(super) fn emit_with(&self, action: &str, more: &[(&str, String)]) {
        let mut attributes = store::attributes(&self.container);
        for (name, value) in more {
            attributes.insert((*name).into(), value.clone());
        }
        events::emit(
            self.engine,
            "container",
            action,
            &self.container.id,
            &attributes,
        );
    }

    pub(super) fn fail(&mut self, index: usize, error: &anyhow::Error, code: u8) {
        let Failure { message, code } = Failure::of(error, code);
        let reply = Reply::Failed { message, code };
        self.clients[index].say(Message::Reply(reply, Vec::new()));
    }
}
