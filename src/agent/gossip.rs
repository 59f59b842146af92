//! The gossip port: one UDP socket and one TCP listener with the same number.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    ops::BitOr,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tracing::warn;

use super::{
    clock::{Clock, OnceAMinute},
    refusals::{self, Undelivered},
};

/// Asked of the system for each direction; it gives less without a word where it must. Room for
/// what arrives while the process does not run.
const BUFFER_BYTES: usize = 2 * 1024 * 1024;
/// Tries to find one number that is free for both, when the system chooses.
const PORT_TRIES: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 256;

/// Both sockets, not yet part of a runtime.
#[derive(Debug)]
pub(super) struct Gossip {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
    /// Where they are: `bind` with the real port.
    pub(super) address: SocketAddr,
}

impl Gossip {
    /// Opens both at `bind`. Port 0 finds a number that both can have.
    pub(super) fn bind(bind: SocketAddr) -> io::Result<Self> {
        let mut tries = if bind.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            let udp = bind_udp(bind)?;
            let address = udp.local_addr()?;
            match bind_tcp(address) {
                Ok(tcp) => return Ok(Self { udp, tcp, address }),
                Err(error) if tries == 0 || error.kind() != ErrorKind::AddrInUse => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
    }
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    // A small buffer loses datagrams sooner; that is no reason not to start.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A listening TCP socket at `address` that can be bound again right after its process died.
pub(super) fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.ip() == IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED) {
        // `[::]` means every address, those of IPv4 too.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What a try to read one datagram gave.
#[derive(Debug)]
pub(super) enum Received<'a> {
    Datagram {
        from: SocketAddr,
        bytes: &'a [u8],
    },
    /// The system reported that an earlier datagram could not be delivered.
    Error,
    /// The same, because nobody listens there.
    Refused {
        by: SocketAddr,
    },
    /// Nothing is waiting.
    Nothing,
}

/// The UDP socket inside a runtime.
///
/// It reads the socket itself and uses the runtime only to be woken: whether something waits is
/// asked of the kernel, not of readiness that the runtime saw earlier. After the process was
/// stopped for a while, this is how the answers that queued up meanwhile are read before the
/// timers that waited for them.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    /// The same socket, as the runtime watches it.
    watched: tokio::net::UdpSocket,
    buffer: Box<[u8]>,
    clock: Clock,
    is_v6: bool,
    /// What became of datagrams may be waiting in the error queue.
    is_troubled: bool,
    /// Datagrams that the system refused to send.
    pub(super) send_errors: u64,
    complained: OnceAMinute,
    /// Errors that the system reported instead of a datagram.
    pub(super) receive_errors: u64,
}

impl Datagrams {
    /// Must be called inside a runtime.
    pub(super) fn new(socket: UdpSocket, clock: Clock) -> io::Result<Self> {
        let is_v6 = socket.local_addr()?.is_ipv6();
        // Without it a dead process is silent, as on systems that have no error queue.
        let _ = refusals::enable(&socket, is_v6);
        Ok(Self {
            is_v6,
            is_troubled: false,
            watched: tokio::net::UdpSocket::from_std(socket.try_clone()?)?,
            socket,
            // Larger than any packet of ours, so that an oversized one is seen to be so.
            buffer: vec![0; 65_536].into(),
            send_errors: 0,
            complained: OnceAMinute::default(),
            clock,
            receive_errors: 0,
        })
    }

    /// Waits until something arrives. May wake for nothing.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        let wanted = NEWS.into_iter().reduce(BitOr::bitor);
        let wanted = wanted.unwrap_or(Interest::READABLE);
        self.is_troubled |= self.watched.ready(wanted).await?.is_error();
        // Whatever this finds, it forgets the readiness, before anything is read: what arrives
        // from here on is news that wakes the next call.
        let forget = || Err::<(), _>(ErrorKind::WouldBlock.into());
        for news in NEWS {
            let _ = self.watched.try_io(news, forget);
        }
        Ok(())
    }

    /// Reads one datagram, or what became of one, if there is any.
    pub(super) fn receive(&mut self) -> Received<'_> {
        if let Some(undelivered) = self.undelivered() {
            return match undelivered {
                Undelivered::Refused { by } => Received::Refused { by: canonical(by) },
                Undelivered::Otherwise => Received::Error,
            };
        }
        loop {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    return Received::Datagram {
                        from: canonical(from),
                        bytes: &self.buffer[..length],
                    };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Received::Nothing,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.receive_errors += 1;
                    self.is_troubled = true;
                    return Received::Error;
                }
            }
        }
    }

    fn undelivered(&mut self) -> Option<Undelivered> {
        if !self.is_troubled {
            return None;
        }
        let next = refusals::next(&self.socket);
        self.is_troubled = next.is_some();
        next
    }

    /// Says so once a minute. A peer may have an address that this socket cannot reach at all, as
    /// one of IPv4 from a socket of IPv6 alone.
    fn complain(&mut self, to: SocketAddr, error: &io::Error) {
        if self.complained.is_due(self.clock.now()) {
            let to = canonical(to);
            warn!(%to, %error, "cannot send there: who is there will seem dead");
        }
    }

    /// Sends one datagram. What the system refuses is lost and counted, as the network loses.
    pub(super) fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        let to = if self.is_v6 { mapped(to) } else { to };
        let sent = self.socket.send_to(bytes, to).or_else(|_| {
            // The error may be an earlier datagram's: the system tells of each once, to whoever
            // calls next. It is in the queue, too.
            self.is_troubled = true;
            self.socket.send_to(bytes, to)
        });
        if let Err(error) = sent {
            self.send_errors += 1;
            if error.kind() != ErrorKind::WouldBlock {
                self.complain(to, &error);
            }
        }
    }
}

/// What the runtime watches the socket for. It forgets one kind of readiness at a time.
#[cfg(target_os = "linux")]
const NEWS: [Interest; 2] = [Interest::READABLE, Interest::ERROR];
#[cfg(not(target_os = "linux"))]
const NEWS: [Interest; 1] = [Interest::READABLE];

/// An IPv4 peer seen through an IPv6 socket is the same peer.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        v6 => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sockets_share_a_port_that_the_system_chose() {
        let gossip = Gossip::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(gossip.address.port(), 0);
        assert_eq!(gossip.tcp.local_addr().unwrap(), gossip.address);
        let error = Gossip::bind(gossip.address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn everything_that_waits_is_read_after_one_wake_up() {
        let here = Gossip::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut datagrams = Datagrams::new(here.udp, Clock::start()).unwrap();
        for round in 0..3 {
            for number in 0..10u8 {
                there.send_to(&[round, number], here.address).unwrap();
            }
            datagrams.readable().await.unwrap();
            for number in 0..10 {
                let Received::Datagram { from, bytes } = datagrams.receive() else {
                    panic!("ten were sent");
                };
                assert_eq!(
                    (from, bytes),
                    (there.local_addr().unwrap(), &[round, number][..])
                );
            }
            assert!(matches!(datagrams.receive(), Received::Nothing));
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn refusals_are_told_and_nothing_is_lost_by_them() {
        let here = Gossip::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
        let by = nobody.local_addr().unwrap();
        drop(nobody);
        let mut datagrams = Datagrams::new(here.udp, Clock::start()).unwrap();
        datagrams.send(by, b"are you there?");
        // Finds the error of the one before it, and leaves all the same.
        datagrams.send(there.local_addr().unwrap(), b"and you?");
        assert_eq!(there.recv(&mut [0; 16]).unwrap(), 8);
        there.send_to(b"yes", here.address).unwrap();
        datagrams.readable().await.unwrap();
        let Received::Refused { by: told } = datagrams.receive() else {
            panic!("it was refused");
        };
        assert_eq!(told, by);
        let Received::Datagram { bytes, .. } = datagrams.receive() else {
            panic!("it was answered");
        };
        assert_eq!(bytes, b"yes");
        assert!(matches!(datagrams.receive(), Received::Nothing));
        assert_eq!((datagrams.send_errors, datagrams.receive_errors), (0, 0));
        // A refusal alone wakes, too.
        datagrams.send(by, b"are you there now?");
        datagrams.readable().await.unwrap();
        assert!(matches!(datagrams.receive(), Received::Refused { .. }));
        // And then there is peace.
        tokio::select! {
            biased;
            _ = datagrams.readable() => panic!("nothing happened"),
            () = tokio::task::yield_now() => {}
        }
    }

    #[tokio::test]
    async fn a_v6_socket_talks_with_v4_peers_by_their_own_address() {
        let Ok(here) = Gossip::bind("[::]:0".parse().unwrap()) else {
            return; // A machine without IPv6.
        };
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut datagrams = Datagrams::new(here.udp, Clock::start()).unwrap();
        there
            .send_to(b"hello", ("127.0.0.1", here.address.port()))
            .unwrap();
        datagrams.readable().await.unwrap();
        let Received::Datagram { from, .. } = datagrams.receive() else {
            panic!("one was sent");
        };
        assert_eq!(from, there.local_addr().unwrap());
        datagrams.send(from, b"back");
        assert_eq!(there.recv(&mut [0; 8]).unwrap(), 4);
    }
}
