//! Signals by name and by number.
//!
//! Read: signal(7)

use std::str::FromStr;

use anyhow::bail;
use nix::sys::signal::Signal;

/// `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`: its number.
///
/// # Errors
/// docker's words for one that is none.
pub fn parse(text: &str) -> anyhow::Result<i32> {
    if let Ok(number) = text.parse::<i32>() {
        if !(1..=libc::SIGRTMAX()).contains(&number) {
            bail!("invalid signal: {text}");
        }
        return Ok(number);
    }
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    // Real-time signals have no names but these two and a distance.
    let distance = |text: &str| match text {
        "" => Some(0),
        text => text.get(1..)?.parse::<i32>().ok(),
    };
    let real_time = if let Some(rest) = bare.strip_prefix("RTMIN") {
        distance(rest).map(|distance| libc::SIGRTMIN() + distance)
    } else if let Some(rest) = bare.strip_prefix("RTMAX") {
        distance(rest).map(|distance| libc::SIGRTMAX() - distance)
    } else {
        None
    };
    match (real_time, Signal::from_str(&format!("SIG{bare}"))) {
        (Some(number), _) if (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number) => Ok(number),
        (None, Ok(signal)) => Ok(signal as i32),
        _ => bail!("invalid signal: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_signal_has_many_names() {
        for text in ["15", "TERM", "SIGTERM", "sigterm", "Term"] {
            assert_eq!(parse(text).unwrap(), 15, "{text}");
        }
        assert_eq!(parse("RTMIN+3").unwrap(), libc::SIGRTMIN() + 3);
        assert_eq!(parse("SIGRTMAX-1").unwrap(), libc::SIGRTMAX() - 1);
        for text in ["0", "65", "-9", "", "SIG", "FOO", "RTMIN+99", "RTMINx"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid signal: {text}"));
        }
    }
}
