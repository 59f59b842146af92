//! `Rate`: how much a cable carries.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units, the largest first, in bits a second.
const UNITS: [(&str, u64); 3] = [
    ("Gbit/s", 1_000_000_000),
    ("Mbit/s", 1_000_000),
    ("kbit/s", 1_000),
];

/// Bits a second, 1 kbit/s to 1,000 Gbit/s. In a file `"1Gbit/s"`, `"100Mbit/s"` or `"56kbit/s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    /// The fastest.
    const MAX: u64 = 1_000_000_000_000;

    /// How long so many bytes take.
    pub(super) fn time(self, bytes: usize) -> Duration {
        let bits = bytes as u128 * 8;
        let nanoseconds = bits * 1_000_000_000 / u128::from(self.0);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = UNITS.iter();
        let read = units.filter_map(|(unit, bits)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*bits)
        });
        let mut legal = read.filter(|bits| (1_000..=Self::MAX).contains(bits));
        legal.next().map(Self).ok_or_else(|| {
            format!("\"{text}\": takes \"1kbit/s\" to \"1000Gbit/s\", in kbit/s, Mbit/s or Gbit/s")
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, bits)| self.0.is_multiple_of(*bits));
        let (unit, bits) = whole.unwrap_or(&UNITS[2]);
        write!(formatter, "{}{unit}", self.0 / bits)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again_and_what_cannot_be_is_refused() {
        for text in ["1Gbit/s", "1500Mbit/s", "56kbit/s", "1000Gbit/s"] {
            assert_eq!(
                text.parse::<Rate>().map(|rate| rate.to_string()),
                Ok(text.into())
            );
        }
        for text in [
            "",
            "1",
            "1Gbit",
            "0kbit/s",
            "1001Gbit/s",
            "-1Gbit/s",
            "99999999999Gbit/s",
        ] {
            let error = text.parse::<Rate>().expect_err(text);
            assert!(error.contains("1kbit/s") && error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_megabyte_takes_eight_milliseconds_of_a_gigabit() {
        let rate: Rate = "1Gbit/s".parse().expect("a rate");
        assert_eq!(rate.time(1_000_000), Duration::from_millis(8));
    }
}
