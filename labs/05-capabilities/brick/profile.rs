//! What others leave to the root of their containers.

use super::set::{Set, all};

/// A set of capabilities by the name of who uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Docker's default: `DefaultCapabilities` in moby's `oci/caps/defaults.go`.
    Docker,
    /// Podman's: `default_capabilities` in the containers.conf(5) that it comes with.
    Podman,
    /// The guest of the course's slide (Linux-VServer, about 2013).
    Vserver,
    /// Nothing at all: `docker run --cap-drop ALL`.
    None,
}

/// CAP_AUDIT_WRITE for login programs, CAP_MKNOD from the time before the
/// devices cgroup, CAP_NET_RAW for ping: the last is what podman took out.
const DOCKER: &str = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,\
                      net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap";

const PODMAN: &str = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,\
                      net_bind_service,sys_chroot,setfcap";

/// Those with an X on the slide, without CAP_QUOTACTL, which Linux has not. It
/// lets root trace and reboot: vserver checked these a second time, by flags of
/// its own.
const VSERVER: &str = "chown,dac_override,dac_read_search,fowner,fsetid,kill,setgid,setuid,\
                       net_bind_service,sys_chroot,sys_ptrace,sys_boot,sys_tty_config,lease";

impl Profile {
    pub fn capabilities(self) -> Set {
        let list = match self {
            Self::Docker => DOCKER,
            Self::Podman => PODMAN,
            Self::Vserver => VSERVER,
            Self::None => "none",
        };
        // Names of this very file: the test below holds that all of them exist.
        list.parse::<Set>().unwrap_or_default().and(all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_are_as_large_as_their_sources() {
        let size = |profile: Profile| profile.capabilities().iter().count();
        assert_eq!(size(Profile::Docker), 14);
        assert_eq!(size(Profile::Podman), 11);
        assert_eq!(size(Profile::Vserver), 14);
        assert_eq!(size(Profile::None), 0);
        // /proc/PID/status of a container of `docker run`, and of `podman run`.
        assert_eq!(Profile::Docker.capabilities(), Set(0xa804_25fb));
        assert_eq!(Profile::Podman.capabilities(), Set(0x8004_05fb));
    }
}
