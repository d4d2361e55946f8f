//! Chapter 00: what `side-by-side` says of the three places against what the
//! host itself says, and what is left of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{program, tool};
use crate::{elsewhere, skipped};

fn side_by_side(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("side-by-side"));
    command.args(["--runs", "1"]).args(arguments);
    command
}

/// A kernel to boot and a qemu to boot it with; else the test says why not.
fn kernel() -> Option<PathBuf> {
    if std::env::var_os("TP_VM").is_some() {
        elsewhere("a machine in this machine: the host boots one");
        return None;
    }
    if tool("qemu-system-x86_64").is_none() {
        skipped("not installed: qemu-system-x86_64");
        return None;
    }
    let given = std::env::var_os("TP_VM_KERNEL").map(PathBuf::from);
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/vm");
    let packages = fs::read_dir(fetched).into_iter().flatten().flatten();
    let kernel = given
        .into_iter()
        .chain(packages.flat_map(|package| kernels(&package.path().join("boot"))))
        .chain(kernels(Path::new("/boot")))
        .find(|kernel| fs::File::open(kernel).is_ok());
    if kernel.is_none() {
        skipped("no kernel that could be booted: `.ci/vm kernel` fetches one");
    }
    kernel
}

fn kernels(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("vmlinuz-")
    };
    files.map(|file| file.path()).filter(named).collect()
}

/// What it printed; it must have ended well.
fn printed(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The three words of a line of the table.
fn row(table: &str, name: &str) -> [String; 3] {
    let line = table.lines().find(|line| line.starts_with(name)).unwrap();
    let line = format!("{line:<92}");
    [20, 44, 68].map(|start| line[start..start + 24].trim().to_owned())
}

fn of_the_host(file: &str) -> String {
    let text = fs::read_to_string(Path::new("/proc/sys/kernel").join(file)).unwrap();
    text.trim().to_owned()
}

#[test]
fn a_container_has_the_kernel_of_the_host_and_keeps_the_hosts_name_as_it_is() {
    let name = of_the_host("hostname");
    let table = printed(&side_by_side(&["--accel", "none"]).output().unwrap());
    let release = of_the_host("osrelease");
    let boot_id = of_the_host("random/boot_id");
    let boot_id = boot_id.split('-').next().unwrap();
    assert_eq!(row(&table, "kernel release"), [&*release, &release, "-"]);
    assert_eq!(row(&table, "boot id"), [boot_id, boot_id, "-"]);
    assert_eq!(row(&table, "host name"), [&*name, "container", "-"]);
    assert_eq!(row(&table, "its own process id")[1], "1");
    assert!(
        table.contains("\ncontainer: the kernel of the process\n"),
        "{table}"
    );
    assert!(
        table.contains("virtual machine: not measured: --accel none"),
        "{table}"
    );
    assert_eq!(of_the_host("hostname"), name);
}

#[test]
fn a_machine_has_a_kernel_and_a_boot_of_its_own() {
    let Some(kernel) = kernel() else {
        return;
    };
    let chart = std::env::temp_dir().join(format!("labs-chart-{}.svg", std::process::id()));
    let output = side_by_side(&["--accel", "tcg", "--kernel"])
        .arg(&kernel)
        .arg("--svg")
        .arg(&chart)
        .output()
        .unwrap();
    let table = printed(&output);
    let boot_ids = row(&table, "boot id");
    assert_eq!(boot_ids[0], boot_ids[1], "{table}");
    assert_ne!(boot_ids[1], boot_ids[2], "{table}");
    assert_eq!(boot_ids[2].len(), 8, "{table}");
    let name = kernel.file_name().unwrap().to_string_lossy().into_owned();
    if let Some(release) = name.strip_prefix("vmlinuz-") {
        assert_eq!(row(&table, "kernel release")[2], release);
    }
    assert_eq!(row(&table, "its own process id")[2], "1");
    assert!(
        table.contains("\nvirtual machine: another kernel than the process\n"),
        "{table}"
    );
    // All that is in the table is in the chart: five scales, three bars on each.
    let drawn = fs::read_to_string(&chart).unwrap();
    fs::remove_file(&chart).unwrap();
    assert_eq!(drawn.matches("<rect ").count(), 15, "{drawn}");
    for name in ["start", "memory", "numbers sorted", "file written"] {
        for words in row(&table, name) {
            assert!(
                drawn.contains(&format!(">{words}</text>")),
                "{words}\n{drawn}"
            );
        }
    }
}

#[test]
fn what_is_not_here_is_said_with_its_remedy_and_the_rest_is_measured() {
    let empty = std::env::temp_dir();
    let output = side_by_side(&[]).env("PATH", &empty).output().unwrap();
    let table = printed(&output);
    assert!(
        table.contains(
            "virtual machine: not measured: qemu-system-x86_64 is not installed: sudo apt install"
        ),
        "{table}"
    );
    assert_ne!(row(&table, "start")[0], "-");
    assert_eq!(row(&table, "start")[2], "-");
    assert_eq!(row(&table, "memory")[2], "-");
    if tool("qemu-system-x86_64").is_none() {
        return;
    }
    let output = side_by_side(&["--kernel", "/no/such/kernel"])
        .output()
        .unwrap();
    let table = printed(&output);
    assert!(
        table.contains("virtual machine: not measured: open(\"/no/such/kernel\")"),
        "{table}"
    );
}

#[test]
fn the_chart_that_cannot_be_written_is_an_error_of_one_line() {
    let output = side_by_side(&["--accel", "none", "--svg", "/no/such/folder/chart.svg"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.starts_with("error: write(") && error.lines().count() == 1,
        "{error}"
    );
}

#[test]
fn explain_tells_the_container_call_by_call_and_the_mounts_are_cut_loose_first() {
    let output = side_by_side(&["--accel", "none", "--explain"])
        .output()
        .unwrap();
    printed(&output);
    let told = String::from_utf8(output.stderr).unwrap();
    let place = |call: &str| {
        let found = told.lines().position(|line| line.contains(call));
        found.unwrap_or_else(|| panic!("{call}\n{told}"))
    };
    let order = [
        "clone3({flags=",
        "mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL) = 0",
        "mount(\"proc\", \"/proc\"",
        "sethostname(\"container\", 9) = 0",
        "execvp(\"/proc/self/exe\"",
    ]
    .map(place);
    assert!(order.is_sorted(), "{told}");
}

/// The children of a process that have this name.
fn children(pid: u32, name: &str) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default()
        .split(' ')
        .filter(|child| {
            let comm = fs::read_to_string(format!("/proc/{child}/comm"));
            comm.is_ok_and(|comm| comm.trim().starts_with(name))
        })
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// Waits for something that comes by itself, and fails when it does not.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_machine_does_not_outlive_whoever_started_it() {
    let Some(kernel) = kernel() else {
        return;
    };
    let mut running: Child = side_by_side(&["--accel", "tcg", "--kernel"])
        .arg(&kernel)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut machine = Vec::new();
    until("no machine was started", || {
        machine = children(running.id(), "qemu-system");
        !machine.is_empty()
    });
    kill(Pid::from_raw(running.id() as i32), Signal::SIGKILL).unwrap();
    running.wait().unwrap();
    // Its number cannot have been given away so soon; a zombie is gone, too.
    until("the machine goes on", || {
        let status = fs::read_to_string(format!("/proc/{}/status", machine[0]));
        status.map_or(true, |status| status.contains("State:\tZ"))
    });
}
