//! Health checks: a command in the container, every so often.
//!
//! `starting` until the first success, or until as many failures in a row as
//! `retries` says; those in the start period do not count.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};

use super::child::Child;
use super::record::{Container, Health, HealthResult, Healthcheck, Status};
use super::serve::Monitor;
use super::wire::Exec;
use crate::format;

/// docker keeps the last five results …
const KEPT: usize = 5;
/// … and this much of each one's output.
const OUTPUT: usize = 4096;

/// The checks of one container.
#[derive(Debug, Default)]
pub struct Checks {
    args: Vec<String>,
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    retries: i64,
    next: Option<Instant>,
    began: Option<Instant>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    output: Option<OwnedFd>,
    text: Vec<u8>,
    start: String,
}

impl Checks {
    pub fn of(container: &Container) -> Self {
        let check = container.config.healthcheck.clone().unwrap_or_default();
        let args = arguments(&check);
        let or = |nanoseconds: i64, seconds: u64| match u64::try_from(nanoseconds) {
            Ok(nanoseconds) if nanoseconds > 0 => Duration::from_nanos(nanoseconds),
            _ => Duration::from_secs(seconds),
        };
        Self {
            args,
            interval: or(check.interval, 30),
            timeout: or(check.timeout, 30),
            start_period: or(check.start_period, 0),
            retries: if check.retries > 0 { check.retries } else { 3 },
            ..Self::default()
        }
    }

    /// The container has started: its health from now on, if it has checks.
    pub fn begin(&mut self) -> Option<Health> {
        if self.args.is_empty() {
            return None;
        }
        let now = Instant::now();
        self.began = Some(now);
        self.next = Some(now + self.interval);
        Some(Health {
            status: "starting".into(),
            ..Health::default()
        })
    }

    /// When something is to be done: a check to begin, or one that takes too long.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// What a `poll` waits for.
    pub fn running(&self) -> Option<(&Child, Option<&OwnedFd>)> {
        let running = self.running.as_ref()?;
        Some((&running.child, running.output.as_ref()))
    }

    /// Reads what the check prints.
    pub fn read(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let Some(output) = &running.output else {
            return;
        };
        let mut buffer = [0; OUTPUT];
        match read(output, &mut buffer) {
            Ok(count) if count > 0 => {
                let room = OUTPUT.saturating_sub(running.text.len());
                running.text.extend(&buffer[..count.min(room)]);
            }
            _ => running.output = None,
        }
    }

    /// The container has ended.
    pub fn stop(&mut self) {
        self.next = None;
        self.running = None;
    }
}

fn arguments(check: &Healthcheck) -> Vec<String> {
    match check.test.split_first() {
        Some((kind, rest)) if kind == "CMD" => rest.to_vec(),
        Some((kind, rest)) if kind == "CMD-SHELL" => ["/bin/sh", "-c"]
            .map(String::from)
            .iter()
            .chain(rest)
            .cloned()
            .collect(),
        _ => Vec::new(),
    }
}

impl Monitor<'_> {
    /// Begins a check, or ends one that takes too long.
    pub(super) fn health_timer(&mut self, now: Instant) {
        if self.health.next.is_none_or(|next| next > now) || self.init.is_none() {
            return;
        }
        if let Some(running) = &self.health.running {
            let _ = running.child.signal(libc::SIGKILL);
            let text = format!("Health check exceeded timeout ({:?})", self.health.timeout);
            self.healthy(-1, text.into_bytes());
            return;
        }
        // A frozen check would never end.
        if self.state.status == Status::Paused {
            self.health.next = Some(now + self.health.interval);
            return;
        }
        match self.begin_check() {
            Ok(running) => {
                self.health.running = Some(running);
                self.health.next = Some(now + self.health.timeout);
            }
            Err(error) => self.healthy(-1, format!("{error:#}").into_bytes()),
        }
    }

    fn begin_check(&mut self) -> anyhow::Result<Running> {
        let (output, inside) = pipe2(OFlag::O_CLOEXEC)?;
        let exec = Exec {
            args: self.health.args.clone(),
            ..Exec::default()
        };
        let null = std::fs::File::open("/dev/null")?.into();
        let errors = inside.try_clone()?;
        Ok(Running {
            child: self.join(&exec, [null, inside, errors], false)?,
            output: Some(output),
            text: Vec::new(),
            start: format::now(),
        })
    }

    /// The check's process has ended.
    pub(super) fn health_ended(&mut self) {
        let code = self.health.running.as_ref().and_then(|r| r.child.ended());
        if let Some(code) = code {
            // What it printed last; a child of its own may hold the pipe open, so no
            // more than that.
            if let Some(output) = self.health.running.as_ref().and_then(|r| r.output.as_ref()) {
                use std::os::fd::AsFd;
                let _ = super::wire::nonblocking(output.as_fd());
                self.health.read();
            }
            let text = self
                .health
                .running
                .as_mut()
                .map(|r| std::mem::take(&mut r.text));
            self.healthy(code, text.unwrap_or_default());
        }
    }

    /// What a check has found.
    fn healthy(&mut self, code: i32, output: Vec<u8>) {
        let start = self.health.running.take().map(|running| running.start);
        let now = Instant::now();
        self.health.next = Some(now + self.health.interval);
        let began = self.health.began.unwrap_or(now);
        let early = now < began + self.health.start_period;
        let Some(health) = &mut self.state.health else {
            return;
        };
        let before = health.status.clone();
        health.log.push(HealthResult {
            start: start.unwrap_or_else(format::now),
            end: format::now(),
            exit_code: code,
            output: String::from_utf8_lossy(&output).into_owned(),
        });
        let more = health.log.len().saturating_sub(KEPT);
        health.log.drain(..more);
        if code == 0 {
            health.failing_streak = 0;
            health.status = "healthy".into();
        } else if !(early && health.status == "starting") {
            health.failing_streak += 1;
            if health.failing_streak >= self.health.retries {
                health.status = "unhealthy".into();
            }
        }
        let after = health.status.clone();
        self.save();
        if before != after {
            self.emit(&format!("health_status: {after}"));
        }
    }
}
