//! `mini-docker port`

use anyhow::bail;
use clap::Args;

use crate::container::record::PortBinding;
use crate::container::store;
use crate::engine::Engine;
use crate::format::print;

/// List port mappings or a specific mapping for the container
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker port web 80/tcp")]
pub struct Port {
    /// CONTAINER
    container: String,
    /// PRIVATE_PORT[/PROTO]
    port: Option<String>,
}

impl Port {
    /// # Errors
    /// No such container; the port is not published, in docker's words.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let container = store::find(engine, &self.container)?;
        let ports = store::state(engine, &container.id)?.ports;
        let Some(asked) = &self.port else {
            let mut lines = Vec::new();
            for (port, bindings) in &ports {
                let bindings = bindings.iter().flatten();
                lines.extend(bindings.map(|binding| format!("{port} -> {}\n", side(binding))));
            }
            print(&lines.concat())?;
            return Ok(0);
        };
        let port = match asked.contains('/') {
            true => asked.clone(),
            false => format!("{asked}/tcp"),
        };
        match ports.get(&port) {
            Some(Some(bindings)) if !bindings.is_empty() => {
                let lines: Vec<_> = bindings
                    .iter()
                    .map(|binding| side(binding) + "\n")
                    .collect();
                print(&lines.concat())?;
                Ok(0)
            }
            _ => bail!("no public port '{port}' published for {}", self.container),
        }
    }
}

/// `0.0.0.0:8080`; an IPv6 address is in brackets, as it has colons itself.
fn side(binding: &PortBinding) -> String {
    let PortBinding { host_ip, host_port } = binding;
    match host_ip.contains(':') {
        true => format!("[{host_ip}]:{host_port}"),
        false => format!("{host_ip}:{host_port}"),
    }
}
