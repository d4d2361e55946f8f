//! Further processes in a running container: `exec` and health checks.
//!
//! The monitor makes them, not the command: it is in the right user namespace
//! already, and stays when the command is gone.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use oci_spec::runtime::Process;

use super::child::Child;
use super::launch::not_executed;
use super::record::Status;
use super::serve::{Further, Monitor};
use super::terminal;
use super::wire::{Exec, Message, Reply};
use crate::runtime::{self, Join, spec};

impl Monitor<'_> {
    /// Runs a process for a command, which gives three descriptors, or gets a
    /// terminal's master.
    pub(super) fn exec(&mut self, index: usize, exec: &Exec, fds: Vec<OwnedFd>) {
        match self.begin_exec(exec, fds) {
            Ok((child, master)) => {
                let pid = child.pid;
                let number = self.clients[index].number;
                let waits = (!exec.detach).then_some(number);
                let id = exec.id.clone();
                let words = exec.args.join(" ");
                for action in ["exec_create", "exec_start"] {
                    let action = format!("{action}: {words}");
                    self.emit_with(&action, &[("execID", id.clone())]);
                }
                self.execs.push(Further { child, id, waits });
                let fds = master.into_iter().collect();
                let warnings = Vec::new();
                self.clients[index].say(Message::Reply(Reply::Started { pid, warnings }, fds));
            }
            Err(error) => {
                let error = not_executed(&error, 126);
                self.fail(index, &error, 126);
            }
        }
    }

    fn begin_exec(
        &mut self,
        exec: &Exec,
        fds: Vec<OwnedFd>,
    ) -> anyhow::Result<(Child, Option<OwnedFd>)> {
        if self.state.status == Status::Paused {
            anyhow::bail!(
                "Container {} is paused, unpause the container before exec",
                self.container.id
            );
        }
        if exec.tty {
            let (master, slave) = runtime::terminal_of(self.state.pid)?;
            if let Some(size) = exec.size {
                terminal::resize(&master, size);
            }
            let stdio = [slave.try_clone()?, slave.try_clone()?, slave];
            return Ok((self.join(exec, stdio, true)?, Some(master)));
        }
        let stdio = match <[OwnedFd; 3]>::try_from(fds) {
            Ok(stdio) => stdio,
            Err(_) => {
                let null = std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null")?;
                let null = OwnedFd::from(null);
                [null.try_clone()?, null.try_clone()?, null]
            }
        };
        Ok((self.join(exec, stdio, false)?, None))
    }

    /// A process in the container's namespaces, as the container's own but for what is
    /// asked for.
    pub(super) fn join(
        &mut self,
        exec: &Exec,
        stdio: [OwnedFd; 3],
        terminal: bool,
    ) -> anyhow::Result<Child> {
        let process = self.process(exec)?;
        let pid = runtime::join(Join {
            pid: self.state.pid,
            process: &process,
            spec: &self.spec,
            stdio,
            terminal,
            rootless: self.engine.rootless,
            detached: false,
            preserve_fds: 0,
        })?;
        Ok(Child::of(pid)?)
    }

    fn process(&self, exec: &Exec) -> anyhow::Result<Process> {
        let given = |text: &'_ str| (!text.is_empty()).then(|| text.to_string());
        let (user, folder) = (given(&exec.user), given(&exec.working_dir));
        let asked = spec::Exec {
            arguments: &exec.args,
            environment: &exec.env,
            user: user.as_deref(),
            working_dir: folder.as_deref(),
            terminal: exec.tty,
            privileged: exec.privileged,
        };
        // Users are looked up in the container as it is now, not as it was made.
        let root = format!("/proc/{}/root", self.state.pid);
        let extra = spec::Extra {
            rootfs: Path::new(&root),
            variables: &self.variables,
            network_files: Path::new(""),
            join: &[],
        };
        spec::exec_process(&self.container, &extra, &asked)
    }

    /// One of them has ended.
    pub(super) fn exec_ended(&mut self, index: usize) {
        if let Some(code) = self.execs[index].child.ended() {
            self.tell_exec(index, code);
        }
    }

    /// The container has ended, and so have they: those who wait hear of it.
    pub(super) fn execs_ended(&mut self) {
        for index in (0..self.execs.len()).rev() {
            let child = &self.execs[index].child;
            let _ = child.signal(libc::SIGKILL);
            let status = waitpid(Pid::from_raw(child.pid), None);
            let code = match status {
                Ok(WaitStatus::Exited(_, code)) => code,
                _ => 137,
            };
            self.tell_exec(index, code);
        }
    }

    fn tell_exec(&mut self, index: usize, code: i32) {
        let Further { id, waits, .. } = self.execs.swap_remove(index);
        let more = [("execID", id), ("exitCode", code.to_string())];
        self.emit_with("exec_die", &more);
        let mut clients = self.clients.iter_mut();
        if let Some(client) = clients.find(|client| Some(client.number) == waits) {
            client.say(Message::Reply(Reply::Exited { code }, Vec::new()));
        }
    }
}
