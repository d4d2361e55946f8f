//! A virtual machine: a kernel of its own on a processor, a memory and a serial
//! line that a process of ours, qemu, pretends to be.
//!
//! With KVM the guest's instructions run on the real processor, in a mode in
//! which it hands control back when the guest touches a device. Without (`tcg`)
//! qemu translates every one of them. Either way the guest is to our kernel
//! what any program is: a process with memory and threads.
//!
//! Read: qemu-system-x86_64(1), kernel Documentation/admin-guide/kernel-parameters.rst

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::place::Running;
use crate::explain::Explain;

/// The memory that the machine believes to have, in MiB.
const MEMORY: u32 = 256;

/// Who runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor itself, where the host may use its virtualization.
    Kvm,
    /// qemu's translator ("tiny code generator").
    Tcg,
}

impl Accelerator {
    /// As `-accel` wants it.
    pub fn name(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        }
    }
}

/// A machine that has not been switched on.
pub struct Machine {
    qemu: PathBuf,
    kernel: PathBuf,
}

impl Machine {
    /// With this kernel, or the newest of /boot; else why there can be none here.
    pub fn find(kernel: Option<&Path>) -> anyhow::Result<Self> {
        if !cfg!(target_arch = "x86_64") {
            bail!("only for x86_64 does this lab know how to start one");
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let qemu = std::env::split_paths(&path)
            .map(|folder| folder.join("qemu-system-x86_64"))
            .find(|file| file.is_file())
            .context("qemu-system-x86_64 is not installed: sudo apt install qemu-system-x86")?;
        let kernel = match kernel {
            Some(kernel) => kernel.to_owned(),
            None => newest_kernel().context(
                "no /boot/vmlinuz-* here: give a kernel with --kernel FILE (Debian's is in the \
                 package linux-image-cloud-amd64)",
            )?,
        };
        // Asked now: qemu's own message would come from a process that is gone.
        std::fs::File::open(&kernel).with_context(|| {
            format!(
                "open({kernel:?}): some distributions let only root read it: run this as root, \
                 or give a copy with --kernel FILE"
            )
        })?;
        Ok(Self { qemu, kernel })
    }

    /// Switches it on. Its first process is this very program with `arguments`.
    pub fn boot(
        &self,
        explain: Explain,
        accelerator: Accelerator,
        arguments: &str,
    ) -> anyhow::Result<Running> {
        let (initramfs, first) = super::of_this_program()?;
        // A file without a name: nothing is left on any disk. Without
        // MFD_CLOEXEC, because qemu is to open it, as its own /proc/self/fd/N.
        let file = explain.call_returning(
            "memfd_create(\"initramfs\", 0)",
            memfd_create("initramfs", MFdFlags::empty()),
            |file| file.as_raw_fd().into(),
        )?;
        let mut file = std::fs::File::from(file);
        file.write_all(&initramfs)
            .context("write(initramfs): is memory short?")?;

        let mut qemu = Command::new(&self.qemu);
        qemu.args(["-accel", accelerator.name()])
            .args(["-m", &MEMORY.to_string()])
            // No screen, no disk, no network: a processor, memory, one serial line.
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-serial", "stdio"])
            // The guest ends by a reboot (or panics and reboots): then qemu ends.
            .arg("-no-reboot")
            .arg("-kernel")
            .arg(&self.kernel)
            .args(["-initrd", &format!("/proc/self/fd/{}", file.as_raw_fd())])
            .args([
                "-append",
                &format!("console=ttyS0 quiet panic=-1 {first} {arguments}"),
            ]);
        Running::start(explain, qemu)
    }
}

/// Names of one distribution sort by version well enough for a lab.
fn newest_kernel() -> Option<PathBuf> {
    std::fs::read_dir("/boot")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("vmlinuz-"))
        })
        .max()
}
