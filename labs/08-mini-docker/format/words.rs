//! Sizes, times and spans in docker's words.

use jiff::Timestamp;

/// `2 minutes`, `About an hour`: docker's words for a time span, in seconds.
pub fn ago(seconds: i64) -> String {
    let minutes = seconds / 60;
    // Hours are rounded, everything else is cut: an hour and a half is "2 hours".
    let hours = (seconds + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Decimal, three digits: `4.26MB`.
pub fn size(bytes: u64) -> String {
    scaled(bytes, 1000.0, 3, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Decimal, four digits, as `system df` has it: `1.982MB`.
pub fn long_size(bytes: u64) -> String {
    scaled(bytes, 1000.0, 4, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Powers of 1024, four digits: `256MiB`.
pub fn binary_size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    scaled(bytes, 1024.0, 4, &units)
}

fn scaled(bytes: u64, base: f64, digits: usize, units: &[&str]) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    general(value, digits) + units[unit]
}

/// C's `%.{digits}g`: so many digits, no zeros at the end, and from 10^digits on an
/// exponent. 999.6 kB is docker's `1e+03kB`.
pub(crate) fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{:.*e}", digits.saturating_sub(1), value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let short = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", short(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    short(&format!("{value:.decimals$}"))
}

/// Now, as docker stores it: RFC 3339, UTC, nanoseconds.
pub fn now() -> String {
    format!("{:.9}", Timestamp::now())
}

/// Whole seconds since an RFC 3339 time; `None` for what is none, and for docker's
/// zero time, year 1.
pub fn seconds_since(time: &str) -> Option<i64> {
    let time: Timestamp = time.parse().ok()?;
    let seconds = Timestamp::now().as_second() - time.as_second();
    (time.as_second() > -62_000_000_000).then_some(seconds.max(0))
}

/// `2026-11-28 21:04:13 +0000 UTC`: how Go prints a time.
pub fn go_time(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        Err(_) => time.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_dockers_words() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (150, "2 minutes"),
            (3_600, "About an hour"),
            (5_400, "2 hours"),
            (47 * 3_600, "47 hours"),
            (3 * 86_400, "3 days"),
            (15 * 86_400, "2 weeks"),
            (61 * 86_400, "2 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(ago(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn sizes_have_three_or_four_digits_and_no_zeros() {
        let decimal = [
            (0, "0B"),
            (4_261_550, "4.26MB"),
            (999_600, "1e+03kB"),
            (77_000_000, "77MB"),
        ];
        for (bytes, words) in decimal {
            assert_eq!(size(bytes), words);
        }
        for (bytes, words) in [(0, "0B"), (256 << 20, "256MiB"), (1_500, "1.465KiB")] {
            assert_eq!(binary_size(bytes), words);
        }
    }

    #[test]
    fn now_has_nine_digits_and_can_be_read_again() {
        let now = now();
        assert_eq!(now.len(), "2026-11-28T21:04:13.000000000Z".len(), "{now}");
        assert!(seconds_since(&now).unwrap() < 5);
        assert_eq!(seconds_since("0001-01-01T00:00:00Z"), None);
    }
}
