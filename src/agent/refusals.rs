//! The error queue of the UDP socket: who says that nobody listens where we sent to.
//!
//! An unconnected UDP socket does not learn from its calls which of its datagrams was refused.
//! Linux keeps the ICMP messages in a queue of their own (`ip(7)`, `IP_RECVERR`); elsewhere there
//! is none, and refusals are seen on streams only.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

/// One entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// ICMP port unreachable: the system at this address is there, and nobody has the port.
    Refused { by: SocketAddr },
    /// A host or network that is unreachable, a packet too large: no word of the process.
    Otherwise,
}

/// Lets the system keep what becomes of datagrams.
#[cfg(target_os = "linux")]
pub(super) fn enable(socket: &UdpSocket, is_v6: bool) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    // A socket of both families has errors of both.
    setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    if is_v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

/// Takes the oldest entry, if there is one.
#[cfg(target_os = "linux")]
pub(super) fn next(socket: &UdpSocket) -> Option<Undelivered> {
    use std::{io::IoSliceMut, os::fd::AsRawFd as _};

    use nix::{
        errno::Errno,
        sys::socket::{MsgFlags, SockaddrStorage, recvmsg},
    };

    // The head of the datagram comes with the entry; where it went to is all we need.
    let mut head = [0; 1];
    let mut buffers = [IoSliceMut::new(&mut head)];
    let mut space = nix::cmsg_space!([u8; 64]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = loop {
        let fd = socket.as_raw_fd();
        match recvmsg::<SockaddrStorage>(fd, &mut buffers, Some(&mut space), flags) {
            Ok(message) => break message,
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    };
    let refused = message
        .cmsgs()
        .is_ok_and(|mut parts| parts.any(|part| is_refusal(&part)));
    let by = message.address.as_ref().and_then(plain);
    Some(match by.filter(|_| refused) {
        Some(by) => Undelivered::Refused { by },
        None => Undelivered::Otherwise,
    })
}

#[cfg(target_os = "linux")]
fn is_refusal(part: &nix::sys::socket::ControlMessageOwned) -> bool {
    use nix::{libc, sys::socket::ControlMessageOwned};

    let error = match part {
        ControlMessageOwned::Ipv4RecvErr(error, _) => error,
        ControlMessageOwned::Ipv6RecvErr(error, _) => error,
        _ => return false,
    };
    let told_by_network = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6];
    told_by_network.contains(&error.ee_origin)
        && i32::try_from(error.ee_errno) == Ok(libc::ECONNREFUSED)
}

/// The datagram's destination.
#[cfg(target_os = "linux")]
fn plain(address: &nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| {
        let v6 = address.as_sockaddr_in6()?;
        Some(SocketAddr::V6((*v6).into()))
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn enable(_socket: &UdpSocket, _is_v6: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn next(_socket: &UdpSocket) -> Option<Undelivered> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn nobody(host: &str) -> SocketAddr {
        let socket = UdpSocket::bind((host, 0)).expect("any port is free");
        socket.local_addr().expect("it is bound")
    }

    /// On loopback the answer is there when the call that sent the datagram returns.
    fn told(socket: &UdpSocket, to: SocketAddr) -> Option<Undelivered> {
        enable(socket, to.is_ipv6()).expect("Linux has it");
        socket.send_to(b"anybody there?", to).expect("it leaves");
        next(socket)
    }

    #[test]
    fn a_refusal_names_the_address_that_refused() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let by = nobody("127.0.0.1");
        assert_eq!(told(&socket, by), Some(Undelivered::Refused { by }));
        assert_eq!(next(&socket), None);
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = socket.take_error();
        assert_eq!(told(&socket, listener.local_addr().unwrap()), None);
    }

    #[test]
    fn a_socket_of_both_families_hears_both() {
        let Ok(socket) = UdpSocket::bind("[::]:0") else {
            return; // A machine without IPv6.
        };
        let by = nobody("::1");
        assert_eq!(told(&socket, by), Some(Undelivered::Refused { by }));
        let by = nobody("127.0.0.1");
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), by.port());
        let _ = socket.take_error();
        let told = told(&socket, mapped);
        assert_eq!(told, Some(Undelivered::Refused { by: mapped }));
    }

    #[test]
    fn a_datagram_that_is_too_large_is_no_refusal() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        enable(&socket, false).unwrap();
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let large = vec![0; 70_000];
        let _ = socket.send_to(&large, listener.local_addr().unwrap());
        assert_ne!(
            next(&socket),
            Some(Undelivered::Refused {
                by: listener.local_addr().unwrap()
            })
        );
    }
}
