//! `cgroup-vfs apply`: a whole tree from one YAML file.
//!
//! Top down: a parent is made and limited before its children, because a child
//! cannot be given what its parent does not have.
//!
//! Read: cgroups(7), tc-htb(8); university.yaml

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use labs::cgroups::{Group, Machine, Setting, memory};
use labs::explain::{CallError, Explain};
use nix::errno::Errno;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};

/// Make the tree of a YAML file, with its shares and limits
#[derive(Args)]
pub struct Apply {
    /// Remove that tree again, its processes killed
    #[arg(long)]
    remove: bool,

    #[arg(value_name = "FILE.yaml")]
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree {
    /// The interface that tc divides by the groups' network shares.
    network: Option<Network>,
    groups: Mapping,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    interface: String,
    /// As tc(8) has it: 100mbit.
    rate: String,
}

/// A group to be made: its name, and words with their values.
#[derive(Debug)]
struct Plan {
    name: String,
    settings: Vec<Setting>,
    /// Percent, and the tc class that stands for it.
    network: Option<(u32, u32)>,
}

impl Apply {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        let place = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file).with_context(|| place.clone())?;
        let tree: Tree = serde_yaml::from_str(&text).with_context(|| place.clone())?;
        // The whole file is read before the first mkdir.
        let mut plans = Vec::new();
        plan("", &tree.groups, memory::of_machine(), &mut plans).with_context(|| place.clone())?;
        if plans.is_empty() {
            bail!("{place}: no groups; see university.yaml");
        }
        if self.remove {
            for top in plans.iter().filter(|plan| !plan.name.contains('/')) {
                let group = Group::find(machine, &top.name)?;
                group.kill(explain)?;
                group.delete(explain, true)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        for plan in &plans {
            let group = Group::find(machine, &plan.name)?;
            group.create(explain)?;
            for setting in &plan.settings {
                or_left_out(&plan.name, setting.apply(explain, &group))?;
            }
            if let Some((_, class)) = plan.network {
                or_left_out(
                    &plan.name,
                    mark(explain, &group, class, tree.network.as_ref()),
                )?;
            }
        }
        if let Some(network) = &tree.network {
            divide(explain, network, &plans)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What this kernel or this user does not have is said, and the rest is done: a
/// user may share out the processor, but not mark packets.
fn or_left_out(name: &str, result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if is_out_of_reach(&error) => eprintln!("left out: {name}: {error:#}"),
        other => other?,
    }
    Ok(())
}

fn is_out_of_reach(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<CallError>() {
        Some(CallError { call, errno }) => {
            call.starts_with("bpf") && *errno == Errno::EPERM
                || call.contains("io.weight") && *errno == Errno::ENOENT
        }
        None => error.to_string().contains("no mounted hierarchy"),
    }
}

/// Reads the groups of one level, and those below.
fn plan(
    above: &str,
    groups: &Mapping,
    memory_above: Option<u64>,
    plans: &mut Vec<Plan>,
) -> anyhow::Result<()> {
    for (name, content) in groups {
        let name = match name {
            Value::String(name) if !name.is_empty() && !name.contains('/') => name,
            other => bail!("{above}: {other:?} is no name of a group"),
        };
        let path = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}/{name}")
        };
        let content = match content {
            Value::Mapping(content) => content.clone(),
            Value::Null => Mapping::new(),
            _ => bail!("{path}: wants words with values, as {{cpu: 50%}}"),
        };
        let mut own = Plan {
            name: path.clone(),
            settings: Vec::new(),
            network: None,
        };
        let (mut below, mut limit) = (None, memory_above);
        for (word, value) in &content {
            let word = word
                .as_str()
                .with_context(|| format!("{path}: a word is text"))?;
            if word == "groups" {
                let Value::Mapping(groups) = value else {
                    bail!("{path}.groups: wants names with their words below");
                };
                below = Some(groups.clone());
                continue;
            }
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                // YAML's `yes` and `no`.
                Value::Bool(on) => if *on { "yes" } else { "no" }.into(),
                _ => bail!("{path}.{word}: wants one value, as 50%"),
            };
            match (word, value.strip_suffix('%')) {
                ("memory", Some(percent)) => {
                    let percent: u64 = percent
                        .parse()
                        .ok()
                        .filter(|p| (1..=100).contains(p))
                        .with_context(|| {
                            format!("{path}.memory: {value}: not between 1% and 100%")
                        })?;
                    let whole = memory_above.context("/proc/meminfo tells no MemTotal")?;
                    // Whole pages, which is what the kernel keeps.
                    limit = Some(whole * percent / 100 / 4096 * 4096);
                    own.settings.push(Setting::Memory(limit));
                }
                ("network", _) => {
                    let Setting::CpuShare(percent) =
                        Setting::of("cpu", &value).with_context(|| format!("{path}.network"))?
                    else {
                        bail!("{path}.network: wants a share, as 50%");
                    };
                    let number = plans.iter().filter(|plan| plan.network.is_some()).count() + 1;
                    own.network = Some((percent, 0x10000 | number as u32));
                }
                _ => {
                    let setting =
                        Setting::of(word, &value).with_context(|| format!("{path}.{word}"))?;
                    if let Setting::Memory(bytes) = setting {
                        limit = bytes.or(memory_above);
                    }
                    own.settings.push(setting);
                }
            }
        }
        plans.push(own);
        if let Some(groups) = below {
            plan(&path, &groups, limit, plans)?;
        }
    }
    Ok(())
}

/// Marks the group's packets with its class. On v1 also as the priority on the
/// interface: a classful queueing discipline finds its class by that, too.
fn mark(
    explain: Explain,
    group: &Group,
    class: u32,
    network: Option<&Network>,
) -> anyhow::Result<()> {
    Setting::NetClass(class).apply(explain, group)?;
    match network {
        Some(network) => Setting::NetPrio(network.interface.clone(), class).apply(explain, group),
        None => Ok(()),
    }
}

/// The class that lends: no group has this number.
const WHOLE: &str = "ffff";

/// The other half, which no cgroup does: HTB on the interface, with a class for
/// each mark that is sure of its share and may borrow what others leave.
///
/// Borrow from whom? From the class above, which has the whole rate. Right below
/// the queueing discipline there is nobody to lend, and a `ceil` means nothing.
fn divide(explain: Explain, network: &Network, plans: &[Plan]) -> anyhow::Result<()> {
    let Network { interface, rate } = network;
    let digits = rate
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rate.len());
    let (number, unit) = rate.split_at(digits);
    let number: u64 = number
        .parse()
        .with_context(|| format!("network.rate: {rate}: wants a rate such as 100mbit"))?;
    tc(
        explain,
        &format!("qdisc replace dev {interface} root handle 1: htb"),
    )?;
    tc(
        explain,
        &format!("class replace dev {interface} parent 1: classid 1:{WHOLE} htb rate {rate}"),
    )?;
    for (percent, class) in plans.iter().filter_map(|plan| plan.network) {
        // In thousandths, so that a share of 1mbit is a number too.
        let share = number * u64::from(percent) * 10;
        let minor = class & 0xffff;
        let unit = unit
            .strip_prefix(['m', 'M'])
            .map_or(unit.to_string(), |rest| format!("k{rest}"));
        tc(
            explain,
            &format!(
                "class replace dev {interface} parent 1:{WHOLE} classid 1:{minor:x} htb rate {share}{unit} ceil {rate}"
            ),
        )?;
    }
    Ok(())
}

fn tc(explain: Explain, words: &str) -> anyhow::Result<()> {
    explain.announce(&format!("tc {words}"));
    let status = Command::new("tc").args(words.split(' ')).status();
    match status.context("tc: it comes with iproute2")?.success() {
        true => Ok(()),
        false => bail!("tc {words}: refused; its own line above says why"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(text: &str) -> anyhow::Result<Vec<Plan>> {
        let tree: Tree = serde_yaml::from_str(text)?;
        let mut plans = Vec::new();
        plan("", &tree.groups, Some(1000 * 4096), &mut plans)?;
        Ok(plans)
    }

    #[test]
    fn the_slides_tree_is_read_and_memory_is_a_share_of_what_is_above() {
        let plans = plans(include_str!("../university.yaml")).unwrap();
        let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
        let all = [
            "university",
            "university/professors",
            "university/students",
            "university/system",
        ];
        assert_eq!(names, all);
        assert!(plans[2].settings.contains(&Setting::CpuShare(30)));
        assert!(
            plans[2]
                .settings
                .contains(&Setting::Memory(Some(300 * 4096)))
        );
        assert!(plans[2].settings.contains(&Setting::DiskShare(30)));
        assert_eq!(plans[2].network, Some((30, 0x10002)));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, says) in [
            ("groups: {a: {cpu: 50}}", "a.cpu"),
            ("groups: {a: {groups: {b: {memory: 200%}}}}", "a/b.memory"),
            ("groups: {a: {network: x}}", "a.network"),
            ("groups: {a: {cpuu: 5%}}", "no such word"),
            ("groups: {a: [1]}", "a: wants words"),
            ("groups: {a/b: {}}", "no name"),
            ("grups: {}", "unknown field"),
        ] {
            let error = format!("{:#}", plans(text).unwrap_err());
            assert!(
                error.contains(says) && error.lines().count() == 1,
                "{text}: {error}"
            );
        }
    }
}
