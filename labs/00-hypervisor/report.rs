//! What was measured, as a table and as a chart.
//!
//! The chart's scale is logarithmic: between a process and a machine lie
//! factors of a thousand, and on a linear scale two of three bars would be
//! invisible.
//!
//! Read: Scalable Vector Graphics (SVG) 2, W3C

use std::fmt::Write;
use std::time::Duration;

use crate::measure::{Found, Place};

/// A line of the table: what, and the words for one place.
type Row = (&'static str, fn(&Found) -> String);

const ROWS: [Row; 10] = [
    ("kernel release", |found| found.release.clone()),
    // The first group is enough to tell two of them apart.
    ("boot id", |found| {
        found
            .boot_id
            .split('-')
            .next()
            .unwrap_or_default()
            .to_owned()
    }),
    ("host name", |found| found.hostname.clone()),
    ("its own process id", |found| found.pid.clone()),
    ("start", |found| time(found.start)),
    ("memory", |found| bytes(found.memory as f64)),
    ("as many would fit", |found| found.fit.to_string()),
    ("numbers sorted", |found| time(found.cpu)),
    ("file written", |found| bytes(found.write) + "/s"),
    ("file read", |found| bytes(found.read) + "/s"),
];

pub fn print(places: &[Place]) {
    print!("{}", table(places));
}

fn table(places: &[Place]) -> String {
    let mut text = format!("{:<20}", "");
    for place in places {
        let _ = write!(text, "{:<24}", place.name);
    }
    let mut lines = vec![text.trim_end().to_owned()];
    for (name, value) in ROWS {
        let mut line = format!("{name:<20}");
        for place in places {
            let value = place.found.as_ref().map_or("-".to_owned(), value);
            let _ = write!(line, "{value:<24}");
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.push(String::new());
    for place in places {
        if let Err(reason) = &place.found {
            lines.push(format!("{}: not measured: {reason}", place.name));
        }
        if let Some(note) = &place.note {
            lines.push(format!("{}: {note}", place.name));
        }
    }
    let ids: Vec<(&str, &str)> = places
        .iter()
        .filter_map(|place| Some((place.name, place.found.as_ref().ok()?.boot_id.as_str())))
        .collect();
    if let [(first, id), others @ ..] = &ids[..] {
        for (name, other) in others {
            let how = if id == other {
                "the kernel of"
            } else {
                "another kernel than"
            };
            lines.push(format!("{name}: {how} the {first}"));
        }
    }
    lines.join("\n") + "\n"
}

/// What the chart compares; a bar is longer where the number is larger.
struct Scale {
    title: &'static str,
    value: fn(&Found) -> f64,
    words: fn(&Found) -> String,
}

const SCALES: [Scale; 5] = [
    Scale {
        title: "time to start (less is better)",
        value: |found| found.start.as_secs_f64(),
        words: |found| time(found.start),
    },
    Scale {
        title: "memory (less is better)",
        value: |found| found.memory as f64,
        words: |found| bytes(found.memory as f64),
    },
    Scale {
        title: "time to sort the same numbers (less is better)",
        value: |found| found.cpu.as_secs_f64(),
        words: |found| time(found.cpu),
    },
    Scale {
        title: "file written in memory (more is better)",
        value: |found| found.write,
        words: |found| bytes(found.write) + "/s",
    },
    Scale {
        title: "file read from memory (more is better)",
        value: |found| found.read,
        words: |found| bytes(found.read) + "/s",
    },
];

/// The chart as an SVG file, readable on light and on dark ground.
pub fn chart(places: &[Place]) -> String {
    const LEFT: f64 = 140.0;
    const WIDEST: f64 = 380.0;
    let mut body = String::new();
    let mut y = 30.0;
    for scale in &SCALES {
        let values: Vec<f64> = places
            .iter()
            .filter_map(|place| place.found.as_ref().ok().map(scale.value))
            .filter(|value| *value > 0.0)
            .collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        // The shortest bar is one power of ten long, so that it can be seen.
        let decades = (most / least).log10() + 1.0;
        let _ = writeln!(
            body,
            "<text class=\"title\" x=\"10\" y=\"{y}\">{}</text>",
            scale.title
        );
        for (index, place) in places.iter().enumerate() {
            y += 26.0;
            let name = place.name;
            let _ = writeln!(body, "<text x=\"10\" y=\"{y}\">{name}</text>");
            let (length, words) = match &place.found {
                Ok(found) => {
                    let decade = ((scale.value)(found) / least).log10() + 1.0;
                    (WIDEST * decade / decades, (scale.words)(found))
                }
                Err(_) => (0.0, "not measured".to_owned()),
            };
            let top = y - 14.0;
            let after = LEFT + length + 8.0;
            let _ = writeln!(
                body,
                "<rect class=\"bar{index}\" x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"18\" rx=\"3\"/>\
                 <text x=\"{after:.1}\" y=\"{y}\">{words}</text>"
            );
        }
        y += 40.0;
    }
    let told: Vec<String> = SCALES
        .iter()
        .map(|scale| {
            let values = places.iter().map(|place| match &place.found {
                Ok(found) => format!("{} {}", place.name, (scale.words)(found)),
                Err(_) => format!("{} not measured", place.name),
            });
            format!("{}: {}", scale.title, values.collect::<Vec<_>>().join(", "))
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 660 {y}\" role=\"img\" \
         aria-labelledby=\"t d\" font-family=\"sans-serif\" font-size=\"14\">\n\
         <title id=\"t\">A process, a container and a virtual machine side by side</title>\n\
         <desc id=\"d\">{}.</desc>\n\
         <style>\n text{{fill:#24292f}}.title{{font-weight:bold}}\n\
         .bar0{{fill:#57606a}}.bar1{{fill:#1a7f37}}.bar2{{fill:#0969da}}\n\
         @media (prefers-color-scheme:dark){{text{{fill:#e6edf3}}.bar0{{fill:#9da7b3}}\
         .bar1{{fill:#3fb950}}.bar2{{fill:#58a6ff}}}}\n</style>\n{body}\
         <text x=\"10\" y=\"{}\" font-size=\"12\">logarithmic: a bar is as much longer for each factor of ten</text>\n\
         </svg>\n",
        told.join("; "),
        y - 16.0,
    )
}

/// Three digits and a unit.
fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{} s", digits(s)),
        s if s >= 1e-3 => format!("{} ms", digits(s * 1e3)),
        s => format!("{} µs", digits(s * 1e6)),
    }
}

fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB"];
    let mut value = number;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", digits(value), units[unit])
}

fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(boot_id: &str, start: u64) -> Found {
        Found {
            release: "6.1.0".into(),
            boot_id: boot_id.into(),
            hostname: "box".into(),
            pid: "1".into(),
            start: Duration::from_millis(start),
            memory: 3 << 20,
            fit: 1000,
            cpu: Duration::from_millis(20),
            write: 2e9,
            read: 4e9,
        }
    }

    fn places() -> Vec<Place> {
        let place = |name, found| Place {
            name,
            found,
            note: None,
        };
        vec![
            place("process", Ok(found("aaaa-1", 2))),
            place("container", Ok(found("aaaa-1", 4))),
            place("virtual machine", Ok(found("bbbb-2", 4000))),
        ]
    }

    #[test]
    fn the_table_says_whose_kernel_it_is_by_the_boot_id_alone() {
        let text = table(&places());
        for line in [
            "container: the kernel of the process",
            "virtual machine: another kernel than the process",
        ] {
            assert!(text.lines().any(|one| one == line), "{text}");
        }
    }

    #[test]
    fn what_was_not_measured_is_said_in_table_and_chart_and_not_invented() {
        let mut places = places();
        places[2].found = Err("no qemu".into());
        let text = table(&places);
        assert!(
            text.contains("virtual machine: not measured: no qemu"),
            "{text}"
        );
        assert!(!text.contains("another kernel"), "{text}");
        let chart = chart(&places);
        assert_eq!(chart.matches("not measured</text>").count(), SCALES.len());
        assert_eq!(chart.matches("width=\"0.0\"").count(), SCALES.len());
    }

    #[test]
    fn a_bar_grows_by_the_same_length_for_each_factor_of_ten() {
        let mut places = places();
        for (place, start) in places.iter_mut().zip([1, 10, 100]) {
            place.found = Ok(found("a", start));
        }
        let chart = chart(&places);
        let widths: Vec<f64> = chart
            .split("width=\"")
            .skip(1)
            .take(3)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        let steps = [widths[1] - widths[0], widths[2] - widths[1]];
        assert!(
            widths[0] > 0.0 && (steps[0] - steps[1]).abs() < 0.2,
            "{widths:?}"
        );
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        assert_eq!(time(Duration::from_micros(1234)), "1.23 ms");
        assert_eq!(time(Duration::from_millis(12345)), "12.3 s");
        assert_eq!(bytes(1536.0), "1.50 KiB");
        assert_eq!(bytes(210.0 * 1024.0 * 1024.0), "210 MiB");
    }
}
