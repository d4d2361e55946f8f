//! The small languages of docker's flags: sizes, ports, mounts, devices, times.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, bail};

use super::options::Options;
use crate::container::record::{
    DeviceMapping, Healthcheck, Member, PortBinding, RestartPolicy, Ulimit,
};

/// One parser over the values of a flag that may be given several times.
pub(super) fn each<T>(
    values: &[String],
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    values.iter().map(|value| parse(value)).collect()
}

/// The same, for flags whose name docker tells with the error.
pub(super) fn named<T>(
    flag: &str,
    values: &[String],
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    each(values, |value| {
        parse(value).with_context(|| format!("invalid argument {value:?} for \"--{flag}\" flag"))
    })
}

/// `256m`, `1.5g`, `64KiB`, `1024`: bytes, in powers of 1024.
///
/// # Errors
/// docker's words for what is no size.
pub fn bytes(text: &str) -> anyhow::Result<i64> {
    let lower = text.to_ascii_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = lower.split_at(split.unwrap_or(lower.len()));
    let unit = unit.trim_start();
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(unit)
    {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => bail!("invalid suffix: '{unit}'"),
    };
    let number: f64 = number
        .parse()
        .ok()
        .with_context(|| format!("invalid size: '{text}'"))?;
    let bytes = number * 1024_f64.powi(power);
    if !bytes.is_finite() || bytes >= i64::MAX as f64 {
        bail!("invalid size: '{text}'");
    }
    Ok(bytes as i64)
}

/// The size of a flag, 0 where it is not given.
pub(super) fn size_flag(text: Option<&str>, flag: &str) -> anyhow::Result<i64> {
    match text {
        Some(text) => {
            bytes(text).with_context(|| format!("invalid argument {text:?} for \"--{flag}\" flag"))
        }
        None => Ok(0),
    }
}

/// `1.5` CPUs, times 10⁹.
pub fn cpus(text: &str) -> anyhow::Result<i64> {
    let invalid = || {
        format!(
            "invalid argument {text:?} for \"--cpus\" flag: failed to parse {text} as a rational number"
        )
    };
    let number: f64 = text
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
        .with_context(invalid)?;
    Ok((number * 1e9).round() as i64)
}

/// `0-2,4`, as cpuset(7) has it; docker's `what` is `cpus` or `mems`.
pub fn cpu_list(text: &str, what: &str) -> anyhow::Result<String> {
    let number = |text: &str| text.parse::<u16>().ok();
    let good = |part: &str| match part.split_once('-') {
        Some((low, high)) => matches!((number(low), number(high)), (Some(l), Some(h)) if l <= h),
        None => number(part).is_some(),
    };
    if !text.is_empty() && !text.split(',').all(good) {
        bail!("Invalid value {text} for cpuset {what}");
    }
    Ok(text.into())
}

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
pub fn restart(text: &str) -> anyhow::Result<RestartPolicy> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => {
            let count = count.parse().ok();
            (
                name,
                count.context(
                    "invalid restart policy format: maximum retry count must be an integer",
                )?,
            )
        }
        None => (text, 0),
    };
    match name {
        "" | "no" | "always" | "unless-stopped" if text.contains(':') => {
            bail!("invalid restart policy: maximum retry count can only be used with 'on-failure'")
        }
        "" | "no" => Ok(RestartPolicy {
            name: "no".into(),
            maximum_retry_count: 0,
        }),
        "on-failure" if count < 0 => {
            bail!("invalid restart policy: maximum retry count cannot be negative")
        }
        "always" | "unless-stopped" | "on-failure" => Ok(RestartPolicy {
            name: name.into(),
            maximum_retry_count: count,
        }),
        other => bail!(
            "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        ),
    }
}

/// `80`, `80-85`, `80/udp`: the ports, as docker keys them.
pub(super) fn expose(text: &str) -> anyhow::Result<Vec<(String, Member)>> {
    if text.contains(':') {
        bail!("invalid port format for --expose: {text}");
    }
    let invalid = || format!("invalid range format for --expose: {text}");
    let (range, protocol) = protocol(text)?;
    let range = ports(range).with_context(invalid)?;
    Ok(range
        .map(|port| (format!("{port}/{protocol}"), Member {}))
        .collect())
}

fn protocol(text: &str) -> anyhow::Result<(&str, String)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        bail!("invalid proto: {protocol}");
    }
    Ok((port, protocol))
}

fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high && low > 0).then_some(low..=high)
}

/// `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`, each port perhaps a range.
pub(super) fn publish(text: &str) -> anyhow::Result<Vec<(String, PortBinding)>> {
    let (rest, protocol) = protocol(text)?;
    let (rest, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    // An IPv6 address has colons itself, and so stands in brackets.
    let (address, host) = match rest.rsplit_once(':') {
        Some((address, host)) => (address.trim_matches(['[', ']']), host),
        None => ("", rest),
    };
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        bail!("invalid IP address: {address}");
    }
    let inside = ports(container).with_context(|| match container.is_empty() {
        true => format!("no port specified: {text}<empty>"),
        false => format!("invalid containerPort: {container}"),
    })?;
    let outside = match host {
        "" => None,
        host => Some(ports(host).with_context(|| format!("invalid hostPort: {host}"))?),
    };
    let count = inside.clone().count();
    let several = outside
        .as_ref()
        .map_or(count, |range| range.clone().count());
    if several != count && count != 1 {
        bail!("invalid ranges specified for container and host Ports: {container} and {host}");
    }
    let binding = |port: u16, host_port: String| {
        let host_ip = address.to_string();
        (
            format!("{port}/{protocol}"),
            PortBinding { host_ip, host_port },
        )
    };
    Ok(match outside {
        None => inside.map(|port| binding(port, String::new())).collect(),
        // Several on the host for one inside: any of them that is free.
        Some(range) if several != count => {
            vec![binding(
                *inside.start(),
                format!("{}-{}", range.start(), range.end()),
            )]
        }
        Some(range) => inside
            .zip(range)
            .map(|(port, host)| binding(port, host.to_string()))
            .collect(),
    })
}

/// `NAME=VALUE` of a flag that may be given several times.
pub(super) fn pairs(values: &[String], flag: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => bail!("invalid argument {text:?} for \"--{flag}\" flag: invalid {flag} '{text}'"),
    };
    values.iter().map(pair).collect()
}

/// `NAME:ADDRESS`; the address may be `host-gateway`, or have brackets.
pub(super) fn extra_host(text: &str) -> anyhow::Result<String> {
    let (name, address) = text.split_once([':', '=']).unwrap_or((text, ""));
    let bare = address.trim_matches(['[', ']']);
    if name.is_empty() || address.is_empty() {
        bail!("bad format for add-host: {text:?}");
    }
    if bare != "host-gateway" && bare.parse::<IpAddr>().is_err() {
        bail!("invalid IP address in add-host: {address:?}");
    }
    Ok(format!("{name}:{bare}"))
}

pub(super) fn address(text: &str) -> anyhow::Result<String> {
    if text.parse::<IpAddr>().is_err() {
        bail!("{text} is not an ip address");
    }
    Ok(text.into())
}

/// `CONTAINER[:ALIAS]`
pub(super) fn link(text: &str) -> anyhow::Result<String> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        ["", ..] => bail!("empty string specified for links"),
        [name] | [name, ""] => Ok(format!("{name}:{name}")),
        [name, alias] => Ok(format!("{name}:{alias}")),
        _ => bail!("bad format for links: {text}"),
    }
}

/// `host`, `container:NAME`, or one of `known`.
pub(super) fn namespace(kind: &str, text: &str, known: &[&str]) -> anyhow::Result<String> {
    let other = text
        .strip_prefix("container:")
        .is_some_and(|name| !name.is_empty());
    if !text.is_empty() && !other && !known.contains(&text) {
        bail!("--{}: invalid {kind} mode", kind.to_ascii_lowercase());
    }
    Ok(text.into())
}

/// `HOST[:CONTAINER][:rwm]`
pub(super) fn device(text: &str) -> anyhow::Result<DeviceMapping> {
    let mode = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, second] if mode(second) => (host, host, second),
        [host, container] => (host, container, "rwm"),
        [host, container, permissions] if mode(permissions) => (host, container, permissions),
        [_, _, bad] => bail!("invalid device mode: {bad}"),
        _ => bail!("invalid device specification: {text}"),
    };
    if !host.starts_with('/') || !container.starts_with('/') {
        bail!("{text} is not an absolute path");
    }
    Ok(DeviceMapping {
        path_on_host: host.into(),
        path_in_container: container.into(),
        cgroup_permissions: permissions.into(),
    })
}

/// `NAME=SOFT[:HARD]`, -1 for no limit.
pub(super) fn ulimit(text: &str) -> anyhow::Result<Ulimit> {
    const NAMES: [&str; 15] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
    let (name, limits) = text
        .split_once('=')
        .with_context(|| format!("invalid ulimit argument: {text}"))?;
    if !NAMES.contains(&name) {
        bail!("invalid ulimit type: {name}");
    }
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| -> anyhow::Result<i64> {
        text.parse()
            .ok()
            .with_context(|| format!("invalid ulimit value: {text}"))
    };
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard != -1 && (soft > hard || soft == -1) {
        bail!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
    }
    Ok(Ulimit {
        name: name.into(),
        soft,
        hard,
    })
}

/// `1h30m`, `500ms`, `2.5s`: nanoseconds, as Go's time.ParseDuration.
pub fn duration(text: &str) -> anyhow::Result<i64> {
    let invalid = || format!("time: invalid duration {text:?}");
    let mut rest = text;
    let mut sum = 0.0;
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        bail!(invalid());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest.split_at(end.with_context(invalid)?);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let factor = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            _ => bail!("time: unknown unit {unit:?} in duration {text:?}"),
        };
        sum += number.parse::<f64>().ok().with_context(invalid)? * factor;
        rest = after;
    }
    Ok(sum as i64)
}

/// The flags `--health-*` together.
pub(super) fn health(options: &Options) -> anyhow::Result<Option<Healthcheck>> {
    let time = |text: &Option<String>, flag: &str| match text {
        Some(text) => {
            let time = duration(text)
                .with_context(|| format!("invalid argument {text:?} for \"--{flag}\" flag"))?;
            if time != 0 && time < 1_000_000 {
                bail!("{flag} cannot be less than 1ms");
            }
            Ok(time)
        }
        None => Ok(0),
    };
    let check = Healthcheck {
        test: match (&options.health_cmd, options.no_healthcheck) {
            (_, true) => vec!["NONE".into()],
            (Some(command), _) => vec!["CMD-SHELL".into(), command.clone()],
            _ => Vec::new(),
        },
        interval: time(&options.health_interval, "health-interval")?,
        timeout: time(&options.health_timeout, "health-timeout")?,
        start_period: time(&options.health_start_period, "health-start-period")?,
        retries: options.health_retries.unwrap_or(0),
    };
    if check.retries < 0 {
        bail!("--health-retries cannot be negative");
    }
    Ok((check != Healthcheck::default()).then_some(check))
}

/// The lines of a file that say something, for `--label-file`.
pub(super) fn lines_of(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| anyhow::anyhow!("open {}: {}", file.display(), io_words(&error)))?;
    let lines = text.lines().map(str::trim_start);
    let said = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(said.map(String::from).collect())
}

/// The same for `--env-file`, where a name has no blanks.
pub(super) fn variables_of(file: &Path) -> anyhow::Result<Vec<String>> {
    let lines = lines_of(file)?;
    for line in &lines {
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() {
            bail!("poorly formatted environment: no variable name on line '{line}'");
        }
        if name.contains(char::is_whitespace) {
            bail!("poorly formatted environment: variable '{name}' contains whitespaces");
        }
    }
    Ok(lines)
}

/// As Go words the errors of files.
pub fn io_words(error: &std::io::Error) -> String {
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(errno) => errno.desc().to_ascii_lowercase(),
        None => error.to_string(),
    }
}
