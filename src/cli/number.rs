//! Numbers and times on the command line, refused in our words: what they may be.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

/// Reads a whole number in `range`.
pub(super) fn whole<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + fmt::Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (min, max) = (range.start(), range.end());
        number.ok_or_else(|| format!("takes a whole number, {min} to {max}"))
    }
}

/// Reads a time such as `90s`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text);
    time.map_err(|_| "takes a time such as 90s, 5m or 1h 30m".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_in_range_is_told_the_range() {
        let read = whole(1..=10_u32);
        assert_eq!((read("1"), read("10")), (Ok(1), Ok(10)));
        for text in ["", "0", "11", "-3", "abc", "1.5", "99999999999"] {
            assert_eq!(read(text), Err("takes a whole number, 1 to 10".into()));
        }
    }

    #[test]
    fn what_is_no_time_is_told_what_one_looks_like() {
        assert_eq!(time("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "90", "abc", "-5s"] {
            assert!(time(text).is_err_and(|said| said.contains("90s")), "{text}");
        }
    }
}
