//! `mini-docker top`
//!
//! As docker does: `ps` of the host is run, and of its lines those are kept whose PID
//! is a process of the container. So the options are those of ps(1), and the PIDs are
//! the machine's, not the container's.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;

use crate::container::store;
use crate::engine::Engine;
use crate::format::print;

/// Display the running processes of a container
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker top web -o pid,user,args")]
pub struct Top {
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Options of ps(1); without any, -ef
    #[arg(
        value_name = "ps OPTIONS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    options: Vec<String>,
}

impl Top {
    /// # Errors
    /// A container that does not run; options that `ps` refuses, or whose output has no PID.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let id = store::running(engine, &self.container)?;
        let state = store::state(engine, &id)?;
        let own = processes(state.pid, &state.cgroup);
        let options = match self.options.is_empty() {
            true => vec!["-ef".to_string()],
            false => self.options,
        };
        let output = Command::new("ps").args(&options).output();
        let output = output.context("ps: install procps")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("ps: {}", error.lines().next().unwrap_or_default());
        }
        print(&listed(&text, &own)?)?;
        Ok(0)
    }
}

/// The processes of a container: those of its cgroup, and of the groups below it.
/// Without one (an ordinary user's on v1) those in its PID namespace.
pub fn processes(init: i32, cgroup: &str) -> BTreeSet<i32> {
    let groups = fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let container = namespace(init);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // A line of a group that is not ours too: the container's own.
    let line = groups.lines().find(|line| {
        !cgroup.is_empty() && !line.ends_with(":/") && !own.lines().any(|own| own == *line)
    });
    let belongs = |pid: &i32| match line {
        Some(line) => fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| {
            let mut lines = text.lines();
            lines.any(|other| other == line || other.starts_with(&format!("{line}/")))
        }),
        None => container.is_some() && namespace(*pid) == container,
    };
    pids.filter(belongs).collect()
}

/// The header and the lines of these processes, in columns of twenty.
fn listed(text: &str, own: &BTreeSet<i32>) -> anyhow::Result<String> {
    let mut lines = text.lines();
    let titles: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let Some(column) = titles.iter().position(|title| *title == "PID") else {
        bail!("Couldn't find PID field in ps output");
    };
    let mut shown = String::new();
    push(&mut shown, &titles);
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pid = words.get(column).and_then(|word| word.parse().ok());
        if !pid.is_some_and(|pid: i32| own.contains(&pid)) {
            continue;
        }
        // All that is left belongs to the last column, which is a command line.
        let (first, rest) = words.split_at((titles.len() - 1).min(words.len()));
        let rest = rest.join(" ");
        let cells: Vec<&str> = first.iter().copied().chain([rest.as_str()]).collect();
        push(&mut shown, &cells);
    }
    Ok(shown)
}

fn push(text: &mut String, cells: &[&str]) {
    let (last, first) = cells.split_last().unwrap_or((&"", &[]));
    for cell in first {
        text.push_str(&format!("{cell:<20}"));
        if cell.chars().count() >= 20 {
            text.push(' ');
        }
    }
    text.push_str(last);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_keeps_its_blanks_and_others_are_left_out() {
        let text = "PID CMD\n  7 sleep 10\n  8 other\n";
        let shown = listed(text, &BTreeSet::from([7])).unwrap();
        assert_eq!(shown, format!("{:<20}CMD\n{:<20}sleep 10\n", "PID", "7"));
        assert!(listed("CMD\n", &BTreeSet::new()).is_err());
    }
}
