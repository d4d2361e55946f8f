//! Professors 50 percent, students 30, the system 20.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name, shares as v1 counts them, weight as v2 does, MiB of memory.
const TREE: [(&str, u64, u64, u64); 3] = [
    ("professors", 512, 50, 50),
    ("students", 307, 30, 30),
    ("system", 205, 20, 20),
];

/// One hierarchy: where it is, and the limit that it has to offer.
struct Hierarchy {
    root: PathBuf,
    /// The file of the processor's share.
    cpu: Option<&'static str>,
    /// The file of the limit on memory.
    memory: Option<&'static str>,
}

/// What this machine has: one tree with both, or two with one each.
fn hierarchies() -> Vec<Hierarchy> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return vec![Hierarchy {
            root: root.to_path_buf(),
            cpu: Some("cpu.weight"),
            memory: Some("memory.max"),
        }];
    }
    vec![
        Hierarchy {
            root: root.join("cpu"),
            cpu: Some("cpu.shares"),
            memory: None,
        },
        Hierarchy {
            root: root.join("memory"),
            cpu: None,
            memory: Some("memory.limit_in_bytes"),
        },
    ]
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    for hierarchy in hierarchies() {
        for (name, shares, weight, mib) in TREE {
            let group = hierarchy.root.join(name);
            fs::create_dir(&group)?;
            // TODO: the share (which of the two numbers, tells the file's name) and
            // the memory, where this hierarchy has a file for it.
            let _ = (shares, weight, mib, hierarchy.cpu, hierarchy.memory);
        }
        // TODO: move this process, which becomes the payload, to the students.
    }

    Err(Command::new(program).args(rest).exec().into())
}
