//! `mini-runtime features` and `spec`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use nix::unistd::{getegid, geteuid};
use serde_json::json;

/// Print what this runtime can do, as JSON
#[derive(Debug, Args)]
pub struct Features {}

/// Write a config.json to begin with
#[derive(Debug, Args)]
pub struct Spec {
    #[arg(short, long, default_value = ".", value_name = "DIRECTORY")]
    bundle: PathBuf,
    /// For a user namespace of one's own
    #[arg(long)]
    rootless: bool,
}

impl Features {
    /// # Errors
    /// None but of printing.
    pub fn run(self) -> anyhow::Result<u8> {
        let capabilities = labs::capabilities::all();
        let capabilities: Vec<String> = capabilities.iter().map(|one| one.to_string()).collect();
        let features = json!({
            "ociVersionMin": "1.0.0",
            "ociVersionMax": "1.2.0",
            "hooks": [
                "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                "poststop",
            ],
            "mountOptions": [
                "bind", "rbind", "ro", "rw", "rro", "rrw", "nosuid", "suid", "nodev", "dev",
                "noexec", "exec", "noatime", "relatime", "strictatime", "nodiratime", "nosymfollow",
                "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable",
                "runbindable",
            ],
            "linux": {
                "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
                "capabilities": capabilities,
                "cgroup": {
                    "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": false,
                },
                "seccomp": {
                    "enabled": true,
                    "actions": [
                        "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
                        "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                        "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
                    ],
                    "operators": [
                        "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
                        "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
                    ],
                },
                "apparmor": { "enabled": false },
                "selinux": { "enabled": false },
            },
        });
        println!("{}", serde_json::to_string_pretty(&features)?);
        Ok(0)
    }
}

impl Spec {
    /// # Errors
    /// There is a config.json already.
    pub fn run(self) -> anyhow::Result<u8> {
        let path = self.bundle.join("config.json");
        if path.exists() {
            bail!("File {} exists. Remove it first", path.display());
        }
        let spec = match self.rootless {
            true => oci_spec::runtime::Spec::rootless(geteuid().as_raw(), getegid().as_raw()),
            false => oci_spec::runtime::Spec::default(),
        };
        let text = serde_json::to_vec_pretty(&spec)?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(0)
    }
}
