//! PSI, pressure stall information: how much of the time somebody *waited*.
//!
//! Use says how much a group has; pressure says whether that is enough. 90 % CPU
//! may be a machine that is well used, or one on which everybody queues. `some`
//! is the part of the time in which at least one task waited, `full` in which all
//! did and nothing went on.
//!
//! v2 counts it in each cgroup; v1 not at all. For the whole machine it is in
//! /proc/pressure. A kernel built with PSI off by default wants `psi=1` at boot.
//!
//! Read: Documentation/accounting/psi

use super::files::Directory;

/// Percent of the last ten seconds in which some task waited, for `cpu`, `memory`
/// or `io`. `None` where the kernel does not count it.
pub fn some(group: &Directory, resource: &str) -> Option<f64> {
    parse(&group.read(&format!("{resource}.pressure")).ok()?)
}

/// The same for the whole machine.
pub fn of_machine(resource: &str) -> Option<f64> {
    parse(&std::fs::read_to_string(format!("/proc/pressure/{resource}")).ok()?)
}

/// `some avg10=1.25 avg60=0.40 avg300=0.10 total=1234`.
fn parse(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    let average = line
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    average.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::files::Version;
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn the_last_ten_seconds_are_read() {
        let text = "some avg10=12.50 avg60=4.00 avg300=1.00 total=9\nfull avg10=1.00 total=2\n";
        let group = scene(Version::V2, &[("io.pressure", text)]);
        assert_eq!(some(&group.0, "io"), Some(12.5));
        assert_eq!(some(&group.0, "cpu"), None);
    }
}
