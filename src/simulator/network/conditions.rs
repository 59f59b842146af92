//! `Conditions`: how well the network carries.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Bursts, Latency, Rate};

/// What an IPv4 and a UDP header take of a packet, in bytes.
pub(super) const HEADERS: usize = 28;

/// How well the network carries between any two machines. In a file what is not said is as on a
/// healthy [LAN](Conditions::LAN).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// How long datagrams, and segments of streams, are under way.
    pub latency: Latency,
    /// What each machine's cable carries, either way, if there is a limit. What is too much for it
    /// waits, and nothing is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Rate>,
    /// Share of datagrams that never arrive, each independent of all others, 0 to 1.
    #[serde(deserialize_with = "deserialize_share")]
    pub loss: f64,
    /// Losses that come in bursts, beside the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bursts: Option<Bursts>,
    /// Share of datagrams that arrive twice.
    #[serde(rename = "duplicate", deserialize_with = "deserialize_share")]
    pub duplication: f64,
    /// Share of datagrams that are held back, so that later ones overtake them.
    #[serde(rename = "reorder", deserialize_with = "deserialize_share")]
    pub reordering: f64,
    /// Share of datagrams that arrive with one byte changed.
    #[serde(rename = "corrupt", deserialize_with = "deserialize_share")]
    pub corruption: f64,
    /// The largest packet that arrives, if there is a limit. Streams fit any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// Share of streams that never open: the other end is not heard of.
    #[serde(deserialize_with = "deserialize_share")]
    pub dial_failures: f64,
    /// Share of streams that break after some of their frames.
    #[serde(deserialize_with = "deserialize_share")]
    pub stream_breaks: f64,
}

impl Conditions {
    /// One data centre, nothing lost: 0.5 to 2 ms.
    pub const LAN: Self = Self {
        latency: Latency::Uniform {
            min: Duration::from_micros(500),
            max: Duration::from_millis(2),
        },
        link: None,
        loss: 0.0,
        bursts: None,
        duplication: 0.0,
        reordering: 0.0,
        corruption: 0.0,
        mtu: None,
        dial_failures: 0.0,
        stream_breaks: 0.0,
    };

    /// [`Conditions::LAN`] that loses `loss` of all datagrams.
    pub const fn lossy(loss: f64) -> Self {
        Self { loss, ..Self::LAN }
    }

    /// The same distances and cables without any of the vices.
    #[must_use]
    pub const fn healed(&self) -> Self {
        Self {
            latency: self.latency,
            link: self.link,
            ..Self::LAN
        }
    }

    /// What most networks are not said to have, as label and value, for people.
    pub(in crate::simulator) fn rare_vices(&self) -> Vec<(&'static str, String)> {
        let bursts = self.bursts.map(|bursts| {
            let mean = humantime::format_duration(bursts.mean);
            format!("share {}, mean {mean}", bursts.share)
        });
        let share = |share: f64| (share > 0.0).then(|| share.to_string());
        let vices = [
            ("link", self.link.map(|rate| rate.to_string())),
            ("bursts", bursts),
            ("mtu", self.mtu.map(|mtu| mtu.to_string())),
            ("dial failures", share(self.dial_failures)),
            ("stream breaks", share(self.stream_breaks)),
        ];
        let given = |(label, value): (_, Option<String>)| Some((label, value?));
        vices.into_iter().filter_map(given).collect()
    }

    /// Whether every datagram and every stream arrives whole.
    pub(in crate::simulator) fn is_faithful(&self) -> bool {
        let peaceful = Self {
            duplication: self.duplication,
            reordering: self.reordering,
            ..self.healed()
        };
        *self == peaceful
    }
}

impl Default for Conditions {
    fn default() -> Self {
        Self::LAN
    }
}

/// The largest packet that a path carries, in bytes with its IP and UDP headers; larger ones
/// vanish, as where fragments are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mtu(u16);

impl Mtu {
    /// What every IPv4 host must accept (RFC 791).
    pub const MIN: u16 = 576;

    /// A limit of `bytes`; `None` below [`Mtu::MIN`].
    pub fn new(bytes: u16) -> Option<Self> {
        (bytes >= Self::MIN).then_some(Self(bytes))
    }

    /// Whether a datagram with `payload` bytes arrives.
    pub(super) fn fits(self, payload: usize) -> bool {
        payload + HEADERS <= usize::from(self.0)
    }
}

impl<'de> Deserialize<'de> for Mtu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = u16::deserialize(deserializer).ok();
        let mtu = bytes.and_then(Self::new);
        mtu.ok_or_else(|| de::Error::custom("takes 576 to 65535 bytes"))
    }
}

impl std::fmt::Display for Mtu {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.0)
    }
}

/// Reads a share, 0 to 1.
pub(in crate::simulator) fn deserialize_share<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer).ok();
    let legal = share.filter(|share| (0.0..=1.0).contains(share));
    legal.ok_or_else(|| de::Error::custom("takes a share from 0.0 to 1.0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Conditions, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "latency = { median = \"2ms\", sigma = 0.5 }\nloss = 0.25\nmtu = 1280\n\
                    link = \"1Gbit/s\"\nstream_breaks = 0.5\n\
                    bursts = { share = 0.1, mean = \"200ms\" }\n";
        let conditions = read(text).expect(text);
        let written = toml::to_string(&conditions).expect("it can be written");
        assert_eq!(read(&written), Ok(conditions));
        let lan = toml::to_string(&Conditions::LAN).expect("it can be written");
        assert_eq!(read(&lan), Ok(Conditions::LAN));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (text, allowed) in [
            ("loss = -0.1", "0.0 to 1.0"),
            ("dial_failures = \"some\"", "0.0 to 1.0"),
            ("mtu = 100", "576 to 65535"),
            ("link = \"1Gb\"", "\"1kbit/s\" to \"1000Gbit/s\""),
            ("bursts = { share = 1.0, mean = \"1s\" }", "0.0 to 0.9"),
            (
                "bursts = { share = 0.1, mean = \"1s\", men = 1 }",
                "unknown field `men`",
            ),
            ("latency = 5", "\"1ms..5ms\""),
            ("latency = \"5\"", "200ms"),
            ("latency = { median = \"5ms\" }", "either p99 or sigma"),
            (
                "latency = { median = \"5ms\", p99 = \"1ms\" }",
                "1 to 1000 times",
            ),
            ("latency = { median = \"5ms\", sigma = 9.0 }", "0.0 to 3.0"),
            ("latency = { median = \"0s\", sigma = 1.0 }", "more than 0s"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(allowed), "{text}: {error}");
        }
    }

    #[test]
    fn a_packet_counts_with_its_headers() {
        let mtu = Mtu::new(1_280).expect("large enough");
        assert!(mtu.fits(1_252) && !mtu.fits(1_253));
    }
}
