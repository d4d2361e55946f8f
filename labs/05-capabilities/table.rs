//! The slide's table, with the two columns that came after it.

use std::fmt::Write as _;
use std::io::{ErrorKind, Result, Write as _, stdout};

use colored::{Color, Colorize};
use labs::capabilities::{Capability, Sets, all};

/// Each row is a capability of this kernel, each X a bit that the kernel holds.
/// Colour only repeats what the letters say: green counts now, yellow can be
/// had, and a red name is gone from the bounding set.
pub fn show(sets: &Sets) -> Result<()> {
    // At once, at the end: whoever reads the first lines only (`| head -1`) is
    // gone before the last, and that is no error.
    match stdout().write_all(table(sets).as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn table(sets: &Sets) -> String {
    // The slide's order, then the two sets that came after it.
    let mut table = String::from(
        "Capability              Effective  Permitted  Inheritable  Bounding  Ambient\n",
    );
    for capability in all().iter() {
        // With each column the place where it begins, as in the line above.
        let columns = [
            (sets.effective, 24, Color::Green),
            (sets.permitted, 35, Color::Yellow),
            (sets.inheritable, 46, Color::Yellow),
            (sets.bounding, 59, Color::Yellow),
            (sets.ambient, 69, Color::Yellow),
        ];
        let text = capability.to_string();
        table += &text.color(colour_of_name(capability, sets)).to_string();
        let mut at = text.len();
        for (set, begin, colour) in columns {
            // X as on the slide. A blank, and no 0: what is missing shall look so.
            if set.contains(capability) {
                // To a String nothing can fail.
                let _ = write!(table, "{:1$}{2}", "", begin - at, "X".color(colour));
                at = begin + 1;
            }
        }
        table.push('\n');
    }
    table
}

/// That of the most that can be said of it. The crate leaves colours out where
/// nobody sees them: in a pipe, in a file, with NO_COLOR.
fn colour_of_name(capability: Capability, sets: &Sets) -> Color {
    // Green also when the bounding set has lost it: what one has, one has.
    if sets.effective.contains(capability) {
        Color::Green
    } else if sets.bounding.contains(capability) {
        Color::Yellow
    } else {
        Color::Red
    }
}
