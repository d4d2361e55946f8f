//! The slide's table, with the two columns that came after it.

use colored::Colorize;
use labs::capabilities::{Capability, Set, Sets, all};

/// Each row is a capability of this kernel, each X a bit that the kernel holds.
/// Colour only repeats what the letters say: green counts now, yellow can be
/// had, and a red name is gone from the bounding set.
pub fn show(sets: &Sets) {
    println!("Capability              Effective  Permitted  Inheritable  Bounding  Ambient");
    for capability in all().iter() {
        let mark = |set: Set| if set.contains(capability) { "X" } else { "" };
        let row = format!(
            "  {:<9}  {:<9}  {:<11}  {:<8}  {}",
            mark(sets.effective).green(),
            mark(sets.permitted),
            mark(sets.inheritable).yellow(),
            mark(sets.bounding).yellow(),
            mark(sets.ambient).yellow(),
        );
        println!(
            "{}{}",
            name(capability, sets),
            if row.trim().is_empty() { "" } else { &row }.trim_end()
        );
    }
}

fn name(capability: Capability, sets: &Sets) -> String {
    let name = format!("{capability:<22}");
    match (
        sets.effective.contains(capability),
        sets.bounding.contains(capability),
    ) {
        (true, _) => name.green().to_string(),
        (false, true) => name,
        (false, false) => name.red().to_string(),
    }
}
