//! From a record to a running container: root, volumes, addresses, process.
//!
//! The order is what makes a crash harmless: the state says `running` before anything
//! is there, so that whoever finds the monitor dead clears all of it, also what the
//! monitor had no time to write down.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use anyhow::{Context, bail};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use oci_spec::runtime::Spec;

use super::child::Child;
use super::logs::Writer;
use super::monitor::Wanted;
use super::record::{Container, State, Status};
use super::restart::Backoff;
use super::serve::{Monitor, Streams};
use super::wire::nonblocking;
use super::{health, rootfs, store, terminal};
use crate::cmd::Failure;
use crate::engine::Engine;
use crate::runtime::{self, ExecError, Launch};
use crate::{files, format, network, volume};

impl<'a> Monitor<'a> {
    /// A monitor whose container runs.
    ///
    /// # Errors
    /// What kept it from running; nothing is left of it then.
    pub fn begin(
        engine: &'a Engine,
        container: Container,
        listener: OwnedFd,
        wanted: Wanted,
    ) -> anyhow::Result<Self> {
        let state = store::saved_state(engine, &container.id)?;
        let log = Writer::of(engine, &container)?;
        let rootfs = rootfs::mount(engine, &container)?;
        volume::fill(engine, &container.mounts, &rootfs)?;
        let mut monitor = Self {
            engine,
            state: State {
                restart_count: 0,
                stopped_by_hand: false,
                ..state
            },
            rootfs,
            spec: Spec::default(),
            variables: Vec::new(),
            warnings: Vec::new(),
            init: None,
            started: Instant::now(),
            streams: Streams::default(),
            listener,
            clients: Vec::new(),
            execs: Vec::new(),
            next_client: 0,
            log,
            kill_at: None,
            backoff: Backoff::default(),
            wanted,
            restart_at: None,
            health: health::Checks::of(&container),
            keep: false,
            ended: false,
            size: wanted.size,
            container,
        };
        monitor.launch()?;
        Ok(monitor)
    }

    /// Makes the process, wires it, lets it go.
    fn launch(&mut self) -> anyhow::Result<()> {
        let before = self.state.clone();
        self.state = State {
            status: Status::Running,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            oom_killed: false,
            boot_id: store::boot_id(),
            ..before.clone()
        };
        let path = self.engine.container(&self.container.id).join("state.json");
        // Not waited for: it is written again as soon as there is more to say.
        files::write_soon(&path, &serde_json::to_vec(&self.state)?)?;
        let result = self.launch_process();
        if result.is_err() {
            // Whatever of it there is: no step has to know how far the others came.
            if let Some(init) = self.init.take() {
                let _ = init.signal(libc::SIGKILL);
                let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(init.pid), None);
            }
            super::groups::clear(&self.state.cgroup);
            let _ = network::disconnect(self.engine, &self.container, &self.state);
            let _ = store::save(self.engine, &self.container, "state.json", &before);
            self.state = before;
        }
        result.map_err(|error| not_executed(&error, 125))
    }

    fn launch_process(&mut self) -> anyhow::Result<()> {
        let (engine, id) = (self.engine, self.container.id.clone());
        let mut connected = network::reserve(engine, &self.container)?;
        self.state.networks.clone_from(&connected.endpoints);
        self.state.ports.clone_from(&connected.ports);
        let folder = engine.container(&id);
        let join = joined(engine, &self.container)?;
        let extra = runtime::spec::Extra {
            rootfs: &self.rootfs,
            variables: &connected.link_variables,
            network_files: &folder,
            join: &join,
        };
        self.spec = runtime::spec::spec(engine, &self.container, &extra)?;
        // The bundle: read back only where a monitor was killed, to find its cgroup.
        files::write_soon(
            &folder.join("config.json"),
            &serde_json::to_vec(&self.spec)?,
        )?;
        self.variables.clone_from(&connected.link_variables);
        let (mut streams, stdio) = Streams::make(&self.container)?;
        files::step("launch");
        let mut waiting = runtime::launch(Launch {
            id: &id,
            spec: &self.spec,
            bundle: &folder,
            stdio,
            terminal: self.container.config.tty,
            rootless: engine.rootless,
            detached: None,
        })?;
        self.state.cgroup.clone_from(&waiting.cgroup);
        self.init = Some(Child::of(waiting.pid).context("pidfd_open")?);
        if let Some(master) = waiting.terminal.take() {
            streams.terminal(master, self.size)?;
        }
        files::step("connect");
        network::connect(engine, &self.container, &mut connected, waiting.pid)?;
        self.state.networks.clone_from(&connected.endpoints);
        self.state.ports.clone_from(&connected.ports);
        self.warnings.append(&mut connected.warnings);
        self.state.pid = waiting.pid;
        self.state.started_at = format::now();
        self.state.health = self.health.begin();
        files::step("start");
        self.save();
        waiting.start()?;
        self.streams = streams;
        self.started = Instant::now();
        self.emit("start");
        Ok(())
    }

    /// After a restart policy's wait.
    pub(super) fn start_again(&mut self) {
        self.state.restart_count += 1;
        self.health = health::Checks::of(&self.container);
        if let Err(error) = self.launch() {
            self.state.error = format!("{error:#}");
            self.over();
        }
    }
}

impl Streams {
    /// The master of a container's terminal: input and output in one.
    fn terminal(&mut self, master: OwnedFd, size: Option<(u16, u16)>) -> anyhow::Result<()> {
        nonblocking(master.as_fd())?;
        if let Some(size) = size {
            terminal::resize(&master, size);
        }
        self.terminal = true;
        self.input = Some(master.try_clone()?);
        self.outputs = vec![(1, master)];
        Ok(())
    }

    /// Our ends, and the container's. For a terminal only what stands for them until
    /// the container has made it.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn make(container: &Container) -> anyhow::Result<(Self, [OwnedFd; 3])> {
        let config = &container.config;
        if config.tty {
            let null = OwnedFd::from(std::fs::File::open("/dev/null")?);
            let stdio = [null.try_clone()?, null.try_clone()?, null];
            return Ok((Self::default(), stdio));
        }
        let (output, output_inside) = pipe2(OFlag::O_CLOEXEC)?;
        let (errors, errors_inside) = pipe2(OFlag::O_CLOEXEC)?;
        let (input, input_inside) = match config.open_stdin {
            true => {
                let (inside, outside) = pipe2(OFlag::O_CLOEXEC)?;
                nonblocking(outside.as_fd())?;
                (Some(outside), inside)
            }
            false => (None, std::fs::File::open("/dev/null")?.into()),
        };
        let streams = Self {
            input,
            outputs: vec![(1, output), (2, errors)],
            ..Self::default()
        };
        Ok((streams, [input_inside, output_inside, errors_inside]))
    }
}

/// The namespaces of other containers that one joins.
fn joined(engine: &Engine, container: &Container) -> anyhow::Result<Vec<(&'static str, i32)>> {
    let host = &container.host_config;
    let modes = [
        ("network", &host.network_mode),
        ("ipc", &host.ipc_mode),
        ("pid", &host.pid_mode),
    ];
    let mut join = Vec::new();
    for (kind, mode) in modes {
        if let Some(other) = mode.strip_prefix("container:") {
            let other = store::find(engine, other)?;
            let state = store::state(engine, &other.id)?;
            if state.pid == 0 {
                bail!(
                    "cannot join {kind} of a non running container: {}",
                    other.id
                );
            }
            join.push((kind, state.pid));
        }
    }
    Ok(join)
}

/// docker's words and code for a program that cannot be executed; another error as
/// it is, with `code`.
pub(super) fn not_executed(error: &anyhow::Error, code: u8) -> anyhow::Error {
    let exec = error
        .chain()
        .find_map(|one| one.downcast_ref::<ExecError>());
    let (message, code) = match exec {
        Some(exec) => (
            format!("OCI runtime exec failed: unable to start container process: {exec}"),
            exec.exit_code(),
        ),
        None => {
            let Failure { message, code } = Failure::of(error, code);
            (message, code)
        }
    };
    Failure { code, message }.into()
}
