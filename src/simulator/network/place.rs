//! `Place`: an address in the simulated network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The gossip port of every simulated process.
const PORT: u16 = 7946;

/// An address in the simulated network: 10.0.0.1 and up, always the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub(in crate::simulator) u32);

impl Place {
    const NET: u32 = u32::from_be_bytes([10, 0, 0, 1]);

    /// The socket address a process at this place is reached at.
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(self.ip(), PORT)
    }

    /// The place behind `address`, if it is one of this network.
    pub(in crate::simulator) fn behind(address: SocketAddr) -> Option<Self> {
        match address {
            SocketAddr::V4(v4) if v4.port() == PORT => {
                v4.ip().to_bits().checked_sub(Self::NET).map(Self)
            }
            _ => None,
        }
    }

    fn ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(Self::NET + self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_and_back() {
        for place in [Place(0), Place(255), Place(70_000), Place(1_000_000)] {
            assert_eq!(Place::behind(place.address()), Some(place));
        }
        let mut elsewhere = Place(3).address();
        elsewhere.set_port(1);
        assert_eq!(Place::behind(elsewhere), None);
        assert_eq!(Place(0).address().to_string(), "10.0.0.1:7946");
    }
}
