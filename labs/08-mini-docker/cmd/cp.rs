//! `mini-docker cp`

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::container::record::Container;
use crate::container::store;
use crate::engine::Engine;
use crate::format;
use crate::image::copy::{self, Source, Target};
use crate::image::{compress, view};

/// Copy files/folders between a container and the local filesystem
///
/// Use '-' as the source to read a tar archive from stdin and extract it to a directory
/// destination in a container. Use '-' as the destination to stream a tar archive of a
/// container source to stdout.
#[derive(Debug, Args)]
#[command(
    override_usage = "mini-docker cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n       \
                      mini-docker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    after_help = "Example: mini-docker cp web:/etc/httpd.conf ."
)]
pub struct Cp {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "SOURCE", allow_hyphen_values = true)]
    source: String,
    #[arg(value_name = "DESTINATION", allow_hyphen_values = true)]
    destination: String,
}

/// `CONTAINER:PATH`, or a path of the machine: one that is absolute or begins with a
/// dot, so that `./a:b` is a file.
fn split(word: &str) -> Option<(&str, &str)> {
    if word.starts_with(['/', '.']) {
        return None;
    }
    word.split_once(':')
}

impl Cp {
    /// # Errors
    /// No such container or file; a directory onto a file; what cannot be written.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        match (split(&self.source), split(&self.destination)) {
            (Some((name, path)), None) => self.copy_out(engine, name, path),
            (None, Some((name, path))) => self.copy_in(engine, name, path),
            (Some(_), Some(_)) => bail!("copying between containers is not supported"),
            (None, None) => bail!("must specify at least one container source"),
        }
    }

    fn copy_out(&self, engine: &Engine, name: &str, path: &str) -> anyhow::Result<u8> {
        let container = store::find(engine, name)?;
        let mut tree = view::live(engine, &container)?;
        let path = PathBuf::from(path);
        let source = Source::inside(&mut tree, &path, self.follow_link, name)?;
        if self.destination == "-" {
            if io::stdout().is_terminal() {
                bail!("cowardly refusing to copy to a terminal. Use the -o flag or redirect");
            }
            let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            source.pack(None, BufWriter::with_capacity(1 << 20, stdout))?;
            return Ok(0);
        }
        let target = Target::local(&PathBuf::from(&self.destination), &source)?;
        let owner = (!self.archive).then(copy::caller);
        let bytes = target.copy(source, owner)?;
        self.tell(bytes, &self.destination);
        Ok(0)
    }

    fn copy_in(&self, engine: &Engine, name: &str, path: &str) -> anyhow::Result<u8> {
        let container = store::find(engine, name)?;
        let target = PathBuf::from(path);
        // docker's rule: in a container everything is root's unless it is said otherwise.
        let owner = (!self.archive).then_some((0, 0));
        if self.source == "-" {
            let tree = writable(engine, &container)?;
            let archive = compress::reader(BufReader::new(io::stdin()))?;
            copy::extract_into(&tree, &target, archive, owner)
                .with_context(|| format!("destination \"{name}:{path}\" must be a directory"))?;
            return Ok(0);
        }
        // Before a container's namespaces: it is the caller's path.
        let source = Source::local(&PathBuf::from(&self.source), self.follow_link)?;
        let tree = writable(engine, &container)?;
        let bytes = Target::inside(tree, &target, &source, name)?.copy(source, owner)?;
        self.tell(bytes, &self.destination);
        Ok(0)
    }

    /// For people, as docker: not where a script reads.
    fn tell(&self, bytes: u64, to: &str) {
        if !self.quiet && io::stdout().is_terminal() {
            let size = format::size(bytes);
            let _ = writeln!(io::stderr(), "Successfully copied {size} to {to}");
        }
    }
}

fn writable(engine: &Engine, container: &Container) -> anyhow::Result<crate::image::tree::Tree> {
    if container.host_config.readonly_rootfs {
        bail!("container rootfs is marked read-only");
    }
    view::live(engine, container)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_path_with_a_colon_can_be_meant() {
        assert_eq!(split("web:/etc"), Some(("web", "/etc")));
        assert_eq!(split("./web:/etc"), None);
        assert_eq!(split("/web:/etc"), None);
        assert_eq!(split("-"), None);
        assert_eq!(split("web"), None);
    }
}
