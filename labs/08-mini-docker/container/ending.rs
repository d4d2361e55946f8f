//! The end of a container: what is still in the pipes, what it had on the machine,
//! whether it starts again, and who wants to know.

use std::os::fd::AsFd;
use std::time::Instant;

use super::child::Child;
use super::client::blocking;
use super::record::Status;
use super::serve::Monitor;
use super::store;
use super::wire::{Message, Reply, nonblocking};
use crate::format;

impl Monitor<'_> {
    /// The container's first process has ended.
    pub(super) fn init_ended(&mut self) {
        let Some(code) = self.init.as_ref().and_then(Child::ended) else {
            return;
        };
        self.init = None;
        self.kill_at = None;
        self.state.oom_killed = super::groups::oom_killed(&self.state.cgroup);
        // With a PID namespace of its own all others are gone already. With the
        // machine's they are not, and would hold the output open.
        super::groups::clear(&self.state.cgroup);
        self.drain();
        self.execs_ended();
        self.health.stop();
        let _ = crate::network::disconnect(self.engine, &self.container, &self.state);
        self.state.exit_code = code;
        self.state.pid = 0;
        self.state.finished_at = format::now();
        self.state.cgroup.clear();
        self.state.networks.clear();
        self.state.ports.clear();
        if self.state.oom_killed {
            self.emit("oom");
        }
        self.emit_with("die", &[("exitCode", code.to_string())]);
        if self.clients.iter().any(|client| client.stops) {
            self.emit("stop");
        }
        let ran = self.started.elapsed();
        match self.backoff.again(&self.container, &self.state, ran) {
            Some(wait) => {
                self.state.status = Status::Restarting;
                self.restart_at = Some(Instant::now() + wait);
                self.save();
            }
            None => self.over(),
        }
    }

    /// What is still in the pipes: all writers are gone, so this ends.
    fn drain(&mut self) {
        for (_, fd) in &self.streams.outputs {
            let _ = nonblocking(fd.as_fd());
        }
        for index in (0..self.streams.outputs.len()).rev() {
            let before = self.streams.outputs.len();
            let mut rounds = 0;
            while self.streams.outputs.len() == before && rounds < 64 {
                self.output(index);
                rounds += 1;
            }
        }
        // Whoever holds them still is none of the container's processes.
        self.streams.outputs.clear();
        for stream in [1, 2] {
            self.log.end(stream);
        }
        self.streams.input = None;
        self.streams.pending.clear();
    }

    /// It does not start again.
    pub(super) fn over(&mut self) {
        self.state.status = Status::Exited;
        self.restart_at = None;
        self.ended = true;
        if !self.container.host_config.auto_remove || self.keep {
            self.save();
        }
    }

    /// The last things: removal, if asked for, and then those who wait hear of it.
    pub(super) fn finish(mut self) {
        use std::fs::remove_dir_all;
        if self.container.host_config.auto_remove && !self.keep {
            // Never through what is mounted there: the monitor's own mount goes first.
            let _ = nix::mount::umount2(&self.rootfs, nix::mount::MntFlags::MNT_DETACH);
            let _ = crate::volume::release(self.engine, &self.container);
            let _ = store::remove(self.engine, &self.container);
            self.emit("destroy");
        } else {
            let _ = remove_dir_all(self.engine.monitor(&self.container.id));
        }
        let code = self.state.exit_code;
        for mut client in std::mem::take(&mut self.clients) {
            // Now waiting does no harm.
            let _ = blocking(&client);
            if client.waits || client.attached {
                client
                    .queue
                    .push_back(Message::Reply(Reply::Exited { code }, Vec::new()));
            } else if client.stops {
                client
                    .queue
                    .push_back(Message::Reply(Reply::Done, Vec::new()));
            }
            client.flush();
        }
    }
}
