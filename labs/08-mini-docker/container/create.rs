//! A container comes into being: what was asked for, and what the image adds.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use super::making::Making;
use super::record::{Config, Container, Healthcheck};
use super::store;
use super::{events, rootless};
use crate::engine::Engine;
use crate::{format, image, volume};

/// Makes a container of a record that has neither id nor name yet, and keeps it.
///
/// # Errors
/// No such image; a name that is in use; an option that cannot be.
pub fn create(
    engine: &Engine,
    mut container: Container,
    name: Option<&str>,
    cidfile: Option<&Path>,
) -> anyhow::Result<Container> {
    if let Some(name) = name {
        // Before the image, as docker does: what is wrong in the words comes first.
        super::names::valid(name)?;
    }
    rootless::enter(engine)?;
    let cidfile = cidfile.map(CidFile::claim).transpose()?;
    // Until the container is there, and `rmi` sees it.
    let _image = image::names::hold(engine)?;
    let image = image::find(engine, &container.config.image)?;
    container.image.clone_from(&image.id);
    if let Some(config) = image.raw.get("config") {
        merge(&mut container.config, config)?;
    }
    command(&mut container)?;
    let mut making = Making::begin(engine)?;
    container.id.clone_from(&making.id);
    container.name = making.claim(name)?;
    container.created = format::now();
    if container.config.hostname.is_empty() {
        container.config.hostname = hostname(&container);
    }
    others(engine, &mut container)?;
    container.mounts = volume::resolve(engine, &container)?;
    if let Err(error) = making.finish(&container) {
        let _ = volume::release(engine, &container);
        return Err(error);
    }
    if let Some(file) = cidfile {
        file.write(&container.id)?;
    }
    let attributes = store::attributes(&container);
    events::emit(engine, "container", "create", &container.id, &attributes);
    Ok(container)
}

/// What the image says wherever the user says nothing. The image's configuration
/// comes as JSON: it may hold more than the OCI's fields, such as a health check.
fn merge(config: &mut Config, image: &serde_json::Value) -> anyhow::Result<()> {
    fn field<T: DeserializeOwned + Default>(image: &serde_json::Value, name: &str) -> T {
        let value = image.get(name).cloned().unwrap_or_default();
        serde_json::from_value(value).unwrap_or_default()
    }
    // Whoever names an entrypoint does not want the image's command for it.
    match &config.entrypoint {
        None => {
            let entrypoint: Option<Vec<String>> = field(image, "Entrypoint");
            if config.cmd.is_none() {
                config.cmd = field(image, "Cmd");
            }
            config.entrypoint = entrypoint;
        }
        Some(words) if words.is_empty() => config.entrypoint = None,
        Some(_) => {}
    }
    let mut env: Vec<String> = field(image, "Env");
    for variable in &config.env {
        set_variable(&mut env, variable);
    }
    config.env = env;
    let mut labels: BTreeMap<String, String> = field(image, "Labels");
    labels.append(&mut config.labels);
    config.labels = labels;
    for (port, member) in field::<BTreeMap<String, _>>(image, "ExposedPorts") {
        config.exposed_ports.insert(port, member);
    }
    // An image's volume and the same path of the user's: the user's own comes first,
    // and the room of volumes sees both.
    for (path, member) in field::<BTreeMap<String, _>>(image, "Volumes") {
        config.volumes.insert(path, member);
    }
    for (own, name) in [
        (&mut config.user, "User"),
        (&mut config.working_dir, "WorkingDir"),
    ] {
        if own.is_empty() {
            *own = field(image, name);
        }
    }
    if config.stop_signal.is_none() {
        config.stop_signal = field(image, "StopSignal");
    }
    health(config, field(image, "Healthcheck"));
    Ok(())
}

/// A check of the image, in parts perhaps replaced by the user's.
fn health(config: &mut Config, image: Option<Healthcheck>) {
    let Some(image) = image else { return };
    let Some(own) = &mut config.healthcheck else {
        config.healthcheck = Some(image);
        return;
    };
    if own.test.is_empty() {
        own.test = image.test;
    }
    for (own, image) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.retries, image.retries),
    ] {
        if *own == 0 {
            *own = image;
        }
    }
}

/// Entrypoint and command together: the program and its arguments.
fn command(container: &mut Container) -> anyhow::Result<()> {
    let config = &container.config;
    let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let mut all = words(&config.entrypoint)
        .into_iter()
        .chain(words(&config.cmd));
    match all.next() {
        Some(program) => {
            container.args = all.collect();
            container.path = program;
            Ok(())
        }
        None => bail!("no command specified"),
    }
}

/// The machine's with its UTS namespace or network, else the beginning of the id.
fn hostname(container: &Container) -> String {
    let host = &container.host_config;
    if host.network_mode == "host" || host.uts_mode == "host" {
        let name = nix::unistd::gethostname().unwrap_or_default();
        return name.to_string_lossy().into_owned();
    }
    container.id[..12].into()
}

/// Other containers are meant by their id from now on: a name may change.
fn others(engine: &Engine, container: &mut Container) -> anyhow::Result<()> {
    let host = &mut container.host_config;
    for mode in [
        &mut host.network_mode,
        &mut host.ipc_mode,
        &mut host.pid_mode,
    ] {
        if let Some(other) = mode.strip_prefix("container:") {
            *mode = format!("container:{}", store::find(engine, other)?.id);
        }
    }
    Ok(())
}

/// Puts `NAME=value` into an environment, in place of one of that name.
pub fn set_variable(env: &mut Vec<String>, variable: &str) {
    let name = |text: &str| text.split('=').next().unwrap_or_default().to_string();
    let new = name(variable);
    match env.iter_mut().find(|old| name(old) == new) {
        Some(old) => *old = variable.into(),
        None => env.push(variable.into()),
    }
}

/// `--cidfile`: made before the container, so that one that is there is an error in
/// time; taken away again if there will be no container.
struct CidFile<'a> {
    path: &'a Path,
    file: std::fs::File,
    written: bool,
}

impl<'a> CidFile<'a> {
    fn claim(path: &'a Path) -> anyhow::Result<Self> {
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => Ok(Self {
                path,
                file,
                written: false,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
                "container ID file found, make sure the other container isn't running or delete {}",
                path.display()
            ),
            Err(error) => Err(error).with_context(|| {
                format!("failed to create the container ID file {}", path.display())
            }),
        }
    }

    fn write(mut self, id: &str) -> anyhow::Result<()> {
        self.file
            .write_all(id.as_bytes())
            .with_context(|| format!("write {}", self.path.display()))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for CidFile<'_> {
    fn drop(&mut self) {
        if !self.written {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(own: Config, image: serde_json::Value) -> (String, Vec<String>) {
        let mut container = Container {
            config: own,
            ..Container::default()
        };
        merge(&mut container.config, &image).unwrap();
        command(&mut container).unwrap();
        (container.path, container.args)
    }

    #[test]
    fn entrypoint_and_command_are_put_together_as_docker_does() {
        let image = json!({ "Entrypoint": ["/entry"], "Cmd": ["a", "b"] });
        let words = |words: &[&str]| Some(words.iter().map(|word| word.to_string()).collect());
        let own = |entrypoint, cmd| Config {
            entrypoint,
            cmd,
            ..Config::default()
        };
        let together = |path: &str, args: &[&str]| {
            (
                path.to_string(),
                args.iter().map(|word| word.to_string()).collect(),
            )
        };
        assert_eq!(
            merged(own(None, None), image.clone()),
            together("/entry", &["a", "b"])
        );
        assert_eq!(
            merged(own(None, words(&["c"])), image.clone()),
            together("/entry", &["c"])
        );
        // The image's command was for the image's entrypoint.
        assert_eq!(
            merged(own(words(&["sh"]), None), image.clone()),
            together("sh", &[])
        );
        assert_eq!(
            merged(own(words(&[]), words(&["c"])), image),
            together("c", &[])
        );
    }

    #[test]
    fn the_users_variables_and_labels_win() {
        let mut config = Config {
            env: vec!["A=2".into(), "C=3".into()],
            labels: [("x".to_string(), "own".to_string())].into(),
            ..Config::default()
        };
        let image = json!({ "Env": ["A=1", "B=1"], "Labels": { "x": "image", "y": "image" } });
        merge(&mut config, &image).unwrap();
        assert_eq!(config.env, ["A=2", "B=1", "C=3"]);
        assert_eq!(config.labels["x"], "own");
        assert_eq!(config.labels["y"], "image");
    }
}
