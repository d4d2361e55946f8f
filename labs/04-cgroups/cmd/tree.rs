//! `cgroup-vfs tree`: limits beside use, and who has to wait.
//!
//! On v1 a row comes from several trees, which need not have the same cgroups;
//! what is not there is left blank.

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Directory, Group, Machine, cpu, freezer, memory, names_below, pids, pressure};

/// Show cgroups as a tree, with shares, limits, use and pressure
#[derive(Args)]
#[command(after_help = COLUMNS)]
pub struct Tree {
    /// Where to begin [default: the topmost that is yours]
    #[arg(value_name = "GROUP")]
    group: Option<String>,
}

const COLUMNS: &str = "\
Columns: PROCS processes in the cgroup itself; CPU its share, MAX its limit in
processors' percent, USED processor time; MEMORY in use, LIMIT, OOM processes
killed; PIDS tasks of how many allowed; PRESSURE percent of the last 10 seconds
in which some task waited for cpu/memory/io (v2 alone counts it by cgroup).";

impl Tree {
    pub fn run(self, machine: &Machine) -> anyhow::Result<ExitCode> {
        let start = self.group.unwrap_or_else(|| "/".into());
        let names = names_below(machine, &start)?;
        let depth_of_first = names[0].components().count();
        let mut rows = vec![
            [
                "GROUP", "PROCS", "CPU", "MAX", "USED", "MEMORY", "LIMIT", "OOM", "PIDS",
                "PRESSURE",
            ]
            .map(String::from),
        ];
        for name in names {
            let indent = "  ".repeat(name.components().count() - depth_of_first);
            let label = match name.file_name() {
                Some(last) if !indent.is_empty() => last.to_string_lossy().into_owned(),
                _ => name.display().to_string(),
            };
            let group = Group::find(machine, &name.to_string_lossy())?;
            rows.push(row(&group, format!("{indent}{label}")));
        }
        print(&rows);
        Ok(ExitCode::SUCCESS)
    }
}

fn row(group: &Group, label: String) -> [String; 10] {
    // A controller that is not mounted, or not handed on, leaves its cells empty.
    let of = |controller: &str| group.directory(controller).ok();
    let cell = |controller: &str, value: &dyn Fn(&Directory) -> Option<String>| {
        of(controller).and_then(value).unwrap_or_default()
    };
    let frozen = of("freezer").and_then(freezer::is_frozen) == Some(true);
    let processes = format!(
        "{}{}",
        group.processes().len(),
        if frozen { " frozen" } else { "" }
    );
    let pids = cell("pids", &|group| {
        let used = pids::usage(group)?;
        Some(match pids::max(group) {
            Some(max) => format!("{used}/{max}"),
            None => used.to_string(),
        })
    });
    let waits: Vec<String> = group
        .v2_directory()
        .map(|group| {
            ["cpu", "memory", "io"]
                .into_iter()
                .filter_map(|resource| pressure::some(group, resource))
                .map(|percent| format!("{percent:.0}"))
                .collect()
        })
        .unwrap_or_default();
    [
        label,
        processes,
        cell("cpu", &|group| Some(format!("{}%", cpu::share(group)?))),
        cell("cpu", &|group| Some(format!("{}%", cpu::max(group)?))),
        cell("cpuacct", &|group| {
            Some(format!("{:.1}s", cpu::usage(group)?.as_secs_f64()))
        }),
        cell("memory", &|group| Some(short(memory::usage(group)?))),
        cell("memory", &|group| Some(short(memory::max(group)?))),
        cell("memory", &|group| {
            Some(memory::oom_kills(group)?.to_string())
        }),
        pids,
        waits.join("/"),
    ]
}

/// `12.5M`: for the eye, unlike `get`, which is exact.
fn short(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["B", "K", "M", "G"] {
        if number < 1024.0 {
            return match unit {
                "B" => format!("{number}{unit}"),
                _ => format!("{number:.1}{unit}"),
            };
        }
        number /= 1024.0;
    }
    format!("{number:.1}T")
}

fn print(rows: &[[String; 10]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 10] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in rows {
        let line: Vec<String> = row
            .iter()
            .zip(widths)
            // A column in which nothing is known is left out, its heading too.
            .enumerate()
            .filter(|(column, _)| rows[1..].iter().any(|row| !row[*column].is_empty()))
            .map(|(_, (cell, width))| format!("{cell:<width$}"))
            .collect();
        println!("{}", line.join("  ").trim_end());
    }
}
