//! What commands ask of a monitor.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::record::Status;
use super::serve::Monitor;
use super::wire::{Message, Reply, Request};
use super::{groups, store, terminal};

impl Monitor<'_> {
    /// Does it, and answers.
    pub(super) fn request(&mut self, index: usize, request: Request, fds: Vec<OwnedFd>) {
        let done = match request {
            Request::Alive => Ok(()),
            Request::Attach { stdin } => {
                let client = &mut self.clients[index];
                client.attached = true;
                client.waits = true;
                client.stdin = stdin && self.container.config.open_stdin;
                self.emit("attach");
                Ok(())
            }
            Request::Resize { columns, rows } => {
                // Not answered: it comes between a program's input.
                self.resize((columns, rows));
                return;
            }
            Request::Wait => {
                self.clients[index].waits = true;
                return;
            }
            Request::Stop {
                signal,
                timeout,
                keep,
            } => {
                self.clients[index].stops = true;
                self.keep |= keep;
                self.stop(signal, timeout);
                return;
            }
            Request::Signal { number, by_hand } => self.kill(number, by_hand),
            Request::Pause => self.freeze(true),
            Request::Unpause => self.freeze(false),
            Request::Reload => self.reload(),
            Request::Exec(exec) => return self.exec(index, &exec, fds),
            Request::Networks { endpoints, ports } => {
                self.state.networks = endpoints;
                self.state.ports = ports;
                self.save();
                Ok(())
            }
        };
        match done {
            Ok(()) => self.clients[index].say(Message::Reply(Reply::Done, Vec::new())),
            Err(error) => self.fail(index, &error, 1),
        }
    }

    fn resize(&mut self, size: (u16, u16)) {
        self.size = Some(size);
        if let (true, Some((_, master))) = (self.streams.terminal, self.streams.outputs.first()) {
            terminal::resize(master, size);
        }
    }

    /// Sends a signal to the container's first process.
    pub(super) fn signal(&mut self, number: i32) {
        if let Some(init) = &self.init {
            let _ = init.signal(number);
        }
        if number == libc::SIGKILL && self.state.status == Status::Paused {
            // What is frozen does not die on v1 before it thaws.
            let _ = self.freeze(false);
        }
    }

    fn kill(&mut self, number: i32, by_hand: bool) -> anyhow::Result<()> {
        let Some(init) = &self.init else {
            if by_hand && self.restart_at.is_some() {
                self.state.stopped_by_hand = true;
                self.over();
                return Ok(());
            }
            bail!("container {} is not running", self.container.id);
        };
        init.signal(number)
            .with_context(|| format!("signal {number}"))?;
        self.state.stopped_by_hand |= by_hand;
        if self.state.status == Status::Paused {
            self.freeze(false)?;
        }
        self.emit_with("kill", &[("signal", number.to_string())]);
        Ok(())
    }

    /// The stop signal now, SIGKILL later. `timeout` -1 waits for ever.
    fn stop(&mut self, signal: Option<i32>, timeout: Option<i64>) {
        self.state.stopped_by_hand = true;
        if self.init.is_none() {
            if !self.ended {
                self.over();
            }
            return;
        }
        let config = &self.container.config;
        let own = config.stop_signal.as_deref();
        let own = own.and_then(|name| crate::container::signals::parse(name).ok());
        let number = signal.or(own).unwrap_or(libc::SIGTERM);
        let timeout = timeout.or(config.stop_timeout).unwrap_or(10);
        self.signal(number);
        self.emit_with("kill", &[("signal", number.to_string())]);
        if self.state.status == Status::Paused {
            let _ = self.freeze(false);
        }
        if let Ok(seconds) = u64::try_from(timeout) {
            let at = Instant::now() + Duration::from_secs(seconds);
            // The earliest of several: a second `stop -t 0` does not wait for the first.
            self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
        }
    }

    fn freeze(&mut self, freeze: bool) -> anyhow::Result<()> {
        let id = &self.container.id;
        match (self.state.status, freeze) {
            (Status::Paused, true) => bail!("Container {id} is already paused"),
            (Status::Running, true) | (Status::Paused, false) => {}
            (_, true) => bail!("Container {id} is not running"),
            (_, false) => bail!("Container {id} is not paused"),
        }
        groups::freeze(&self.state.cgroup, freeze)?;
        self.state.status = match freeze {
            true => Status::Paused,
            false => Status::Running,
        };
        self.save();
        self.emit(if freeze { "pause" } else { "unpause" });
        Ok(())
    }

    /// Another name, other limits or another restart policy.
    fn reload(&mut self) -> anyhow::Result<()> {
        let container = store::load(self.engine, &self.container.id)?;
        groups::limit(
            &self.state.cgroup,
            &self.container.host_config,
            &container.host_config,
        )?;
        self.container = container;
        Ok(())
    }
}
