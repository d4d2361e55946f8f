//! `mini-docker export`

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::container::events::emit;
use crate::container::store;
use crate::engine::Engine;
use crate::image::output::Output;
use crate::image::pack::{How, Pack};
use crate::image::view;

/// Export a container's filesystem as a tar archive
///
/// One tree, with neither layers nor configuration nor volumes; `import` takes it.
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker export -o web.tar web")]
pub struct Export {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Export {
    /// # Errors
    /// No such container; a terminal as output; a full disk.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let container = store::find(engine, &self.container)?;
        // Before another mount namespace: it is the caller's path.
        let mut output = Output::open(self.output.as_deref(), "export")?;
        let root = view::layers(engine, &container)?;
        let mut buffered = BufWriter::with_capacity(1 << 20, &mut output.file);
        let mut pack = Pack::new(&mut buffered, How::default());
        pack.directory(root.into(), Path::new(""))?;
        pack.finish()?;
        buffered.flush()?;
        drop(buffered);
        output.finish()?;
        emit(
            engine,
            "container",
            "export",
            &container.id,
            &store::attributes(&container),
        );
        Ok(0)
    }
}
