//! cpuset: which processors, and memory of which NUMA nodes.
//!
//! The files have the same names in both worlds; what an empty one means has
//! changed. On v2 it is "as the parent", on v1 "none at all": a process that is
//! moved into such a cgroup is refused with ENOSPC.
//!
//! Read: cpuset(7), cgroup-v1/cpusets, admin-guide/cgroup-v2 "Cpuset"

use super::files::Directory;
use crate::explain::{CallError, Explain};

pub fn set_cpus(explain: Explain, group: &Directory, cpus: &str) -> Result<(), CallError> {
    group.write(explain, "cpuset.cpus", cpus)
}

pub fn set_mems(explain: Explain, group: &Directory, mems: &str) -> Result<(), CallError> {
    group.write(explain, "cpuset.mems", mems)
}

/// v1: gives a new cgroup what its parent has, so that it can be entered. The
/// parent's `cgroup.clone_children` would do the same, for all of its children.
pub fn fill(explain: Explain, child: &Directory) -> Result<(), CallError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let parents = child.parent().read(file)?;
        child.write(explain, file, &parents)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::files::Version;
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn a_new_cgroup_is_filled_with_its_parents_processors() {
        let files = [("cpuset.cpus", "0-1\n"), ("cpuset.mems", "0\n")];
        let parent = scene(Version::V1, &files);
        let child = Directory::new(Version::V1, parent.0.path.join("child"));
        std::fs::create_dir(&child.path).unwrap();
        for (file, _) in files {
            std::fs::write(child.path.join(file), "").unwrap();
        }
        fill(Explain::new(false), &child).unwrap();
        assert_eq!(child.read("cpuset.cpus").unwrap(), "0-1");
        assert_eq!(child.read("cpuset.mems").unwrap(), "0");
    }
}
