//! `tp shell`: the sandbox opened by hand, from a script and on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::setsid;

use crate::check::{EXPECTED, UNTOUCHED};
use crate::support::{Course, printed, sandbox_or_skip, text};

fn course() -> Course {
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, UNTOUCHED);
    course
}

fn typed(course: &Course, script: &str) -> std::process::Output {
    let mut child = course
        .tp(&["shell", "1.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_script_on_the_standard_input_runs_inside_and_is_checked_where_it_says_so() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let script = "unshare -u sh -c 'hostname mine; checkpoint inside'\nhostname\nid -u\n";
    let told = printed(&typed(&course, script), 0);
    assert!(told.contains("inside"), "{told}");
    assert!(!told.to_lowercase().contains("fail"), "{told}");
    assert!(told.contains("machine\n0\n"), "{told}");
}

#[test]
fn each_checkpoint_of_a_script_gets_its_own_verdict() {
    if !sandbox_or_skip() {
        return;
    }
    let script = "checkpoint\nunshare -u sh -c 'hostname mine; checkpoint'\n";
    let told = printed(&typed(&course(), script), 0).to_lowercase();
    let (failed, passed) = (told.find("fail"), told.rfind("pass"));
    assert!(failed.is_some() && failed < passed, "{told}");
}

#[test]
fn a_checkpoint_that_the_exercise_does_not_have_is_told_with_those_it_has() {
    if !sandbox_or_skip() {
        return;
    }
    let told = printed(&typed(&course(), "checkpoint elsewhere\necho on\n"), 0);
    assert!(told.contains("elsewhere"), "{told}");
    assert!(told.contains("it has inside"), "{told}");
    assert!(told.contains("on\n"), "the shell goes on: {told}");
}

#[test]
fn what_is_done_in_the_shell_is_gone_with_it() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let script = "echo x > /root/kept; echo x > /tmp/kept; hostname other; setsid sleep 1000 &\n";
    printed(&typed(&course, script), 0);
    let told = printed(
        &typed(&course, "ls /root/kept /tmp/kept 2>/dev/null; hostname\n"),
        0,
    );
    assert_eq!(told, "machine\n");
}

/// `tp` on a terminal of its own, with somebody who types.
pub struct Typist {
    master: File,
    /// Kept open, so that the terminal's modes can be read after `tp` has gone.
    terminal: OwnedFd,
    child: Child,
    seen: String,
}

impl Typist {
    pub fn new(mut command: Command) -> Self {
        // Closed on exec, or the children of other tests would keep it open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits());
        let slave = options.open(ptsname_r(&master).unwrap()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: two system calls.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                // The first terminal of a new session is its controlling one.
                match nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            })
        };
        let child = command.spawn().unwrap();
        Self {
            master: File::from(OwnedFd::from(master)),
            terminal: slave.into(),
            child,
            seen: String::new(),
        }
    }

    /// Reads until this is on the screen (what was seen before does not count).
    pub fn see(&mut self, wanted: &str) {
        let hang = Instant::now() + Duration::from_secs(60);
        while !self.seen.contains(wanted) {
            assert!(Instant::now() < hang, "never seen: {wanted}\n{}", self.seen);
            self.read();
        }
        let end = self.seen.find(wanted).unwrap() + wanted.len();
        self.seen.drain(..end);
    }

    fn read(&mut self) {
        use std::os::fd::AsFd;
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::from(100u8)).unwrap();
        if ready[0].any() == Some(true) {
            let mut buffer = [0; 4096];
            let length = self.master.read(&mut buffer).unwrap_or(0);
            self.seen += &text(&buffer[..length]);
        }
    }

    pub fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap();
        modes
            .local_flags
            .contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Waits for the end, reading on so that nobody waits for the screen.
    pub fn end(&mut self) -> i32 {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            self.read();
        }
    }
}

#[test]
fn on_a_terminal_what_is_typed_is_checked_at_once_and_exit_gives_the_terminal_back() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut person = Typist::new(course.tp(&["shell", "1.1"]));
    person.type_in("echo marked-$((40 + 2))\r");
    person.see("marked-42");
    assert!(!person.is_cooked(), "keys go to the sandbox as they are");
    person.type_in("unshare -u sh -c 'hostname mine; checkpoint inside; echo let-$((1 + 1))'\r");
    person.see("let-2");
    person.type_in("tty; echo on-$((2 + 1))\r");
    person.see("/dev/pts/");
    person.see("on-3");
    person.type_in("exit\r");
    assert_eq!(person.end(), 0, "{}", person.seen);
    assert!(person.is_cooked(), "the terminal is as it was");
}

#[test]
fn interrupts_typed_in_the_shell_go_to_what_runs_there_and_not_to_the_runner() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut person = Typist::new(course.tp(&["shell", "1.1"]));
    person.type_in("echo begun-$((1 + 1)); sleep 1000\r");
    person.see("begun-2");
    std::thread::sleep(Duration::from_millis(200));
    person.type_in("\u{3}");
    person.type_in("echo still-$((1 + 2))\r");
    person.see("still-3");
    person.type_in("exit\r");
    assert_eq!(person.end(), 0, "{}", person.seen);
}

#[test]
fn a_terminal_that_goes_away_ends_the_sandbox() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut person = Typist::new(course.tp(&["shell", "1.1"]));
    person.type_in("echo there-$((1 + 1))\r");
    person.see("there-2");
    let Typist {
        master,
        terminal,
        mut child,
        ..
    } = person;
    drop((master, terminal));
    crate::check::wait_until("the runner has ended", || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.id()));
        state.is_err() || state.unwrap().contains(") Z ")
    });
    child.wait().unwrap();
}
