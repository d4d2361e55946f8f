//! `mini-docker stats`
//!
//! All numbers are the kernel's, from the files of the container's cgroup and, for the
//! network, from its first process. CPU is a speed, so it takes two looks.
//!
//! Read: cgroups(7), "Interface Files" in admin-guide/cgroup-v2, proc_pid_net(5)

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::Args;

use super::ps;
use crate::container::record::State;
use crate::container::store;
use crate::container::usage::{self, Usage};
use crate::engine::Engine;
use crate::format::containers::{Brief, short_id};
use crate::format::listing::{Listing, Row};
use crate::format::{binary_size, print, size};

/// Display a live stream of containers' resource usage
#[derive(Debug, Args)]
#[command(
    after_help = "Example:  mini-docker stats --no-stream --format '{{.Name}}: {{.MemUsage}}'"
)]
pub struct Stats {
    /// Show all containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// Pretty-print with a Go template
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Pull the first result only
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const TITLES: [(&str, &str); 9] = [
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];
const TABLE: [&str; 8] = [
    "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs",
];

/// Between two looks at the CPU. docker's is a second, which nobody likes to wait for.
const FIRST: Duration = Duration::from_millis(250);

impl Stats {
    /// # Errors
    /// No such container; a template that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let wanted = self
            .containers
            .iter()
            .map(|name| store::find_id(engine, name));
        let wanted = wanted.collect::<anyhow::Result<Vec<String>>>()?;
        let listing = Listing {
            titles: &TITLES,
            table: &TABLE,
            quiet: "ID",
        };
        let format = self.format.as_deref().filter(|text| !text.is_empty());
        let mut before = self.look(engine, &wanted)?;
        std::thread::sleep(FIRST);
        loop {
            let now = self.look(engine, &wanted)?;
            let rows: Vec<Row> = now.iter().map(|look| self.row(look, &before)).collect();
            let text = listing.text(rows, format, false)?;
            if self.no_stream {
                print(&text)?;
                return Ok(0);
            }
            if std::io::stdout().is_terminal() {
                // To the upper left, and the rest of the screen cleared.
                print!("\x1b[H\x1b[J");
            }
            print(&text)?;
            before = now;
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn look(&self, engine: &Engine, wanted: &[String]) -> anyhow::Result<Vec<Look>> {
        let all = self.all || !wanted.is_empty();
        let mut found = ps::read(engine, all)?;
        found.retain(|(brief, _)| wanted.is_empty() || wanted.contains(&brief.id));
        if !wanted.is_empty() {
            found.sort_by_key(|(brief, _)| wanted.iter().position(|id| *id == brief.id));
        }
        let looks = found
            .into_iter()
            .map(|(brief, state)| Look::at(brief, &state));
        Ok(looks.collect())
    }

    fn row(&self, look: &Look, before: &[Look]) -> Row {
        let mut row = Row::default();
        let id = match self.no_trunc {
            true => look.brief.id.as_str(),
            false => short_id(&look.brief.id),
        };
        let usage = &look.usage;
        let speed = before.iter().find(|other| other.brief.id == look.brief.id);
        let speed = speed.map_or(0.0, |before| look.cpu_since(before));
        let part = match usage.memory_limit {
            0 => 0.0,
            limit => usage.memory as f64 / limit as f64,
        };
        row.set("Container", id);
        row.set("ID", id);
        row.set("Name", look.brief.name.as_str());
        row.set("CPUPerc", format!("{:.2}%", speed * 100.0));
        let (memory, limit) = (binary_size(usage.memory), binary_size(usage.memory_limit));
        row.set("MemUsage", format!("{memory} / {limit}"));
        row.set("MemPerc", format!("{:.2}%", part * 100.0));
        row.set(
            "NetIO",
            format!("{} / {}", size(usage.received), size(usage.sent)),
        );
        row.set(
            "BlockIO",
            format!("{} / {}", size(usage.read), size(usage.written)),
        );
        row.set("PIDs", usage.processes.to_string());
        row
    }
}

/// One container at one moment.
struct Look {
    brief: Brief,
    usage: Usage,
    at: Instant,
}

impl Look {
    fn at(brief: Brief, state: &State) -> Self {
        let usage = match state.pid {
            0 => Usage::default(),
            pid => usage::of(pid, &state.cgroup),
        };
        Self {
            brief,
            usage,
            at: Instant::now(),
        }
    }

    /// CPUs used: 1.5 is one and a half of them, all the time.
    fn cpu_since(&self, before: &Self) -> f64 {
        let used = self.usage.cpu.saturating_sub(before.usage.cpu);
        let time = self.at.duration_since(before.at);
        used.as_secs_f64() / time.as_secs_f64().max(f64::EPSILON)
    }
}
