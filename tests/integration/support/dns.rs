//! `Dns`: a name server with a zone that changes while others ask it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const HEADER_BYTES: usize = 12;
/// Every answer is about the name that begins there.
const POINTER_TO_QUESTION: [u8; 2] = [0xc0, 12];

/// The data of the records of a name and a type.
type Zone = BTreeMap<(String, u16), Vec<Vec<u8>>>;

/// Answers until the process ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dns(Arc<Mutex<Zone>>);

impl Dns {
    /// Answers at `socket`.
    pub(crate) fn serve(socket: UdpSocket) -> Self {
        let dns = Self::default();
        let served = dns.clone();
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let answer = served.answer(&buffer[..length]);
                // Who asked may be gone.
                let _ = socket.send_to(&answer, from);
            }
        });
        dns
    }

    /// From now on `name` has these addresses and no others.
    pub(crate) fn hosts(&self, name: &str, addresses: &[&str]) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for address in addresses {
            match address.parse().expect("an address") {
                IpAddr::V4(ip) => v4.push(ip.octets().to_vec()),
                IpAddr::V6(ip) => v6.push(ip.octets().to_vec()),
            }
        }
        self.set(name, A, v4);
        self.set(name, AAAA, v6);
    }

    /// From now on the service `name` is at these hosts and ports and no others.
    pub(crate) fn services(&self, name: &str, targets: &[(&str, u16)]) {
        let data = targets.iter().map(|(target, port)| {
            let head = [[0, 0], [0, 0], port.to_be_bytes()].concat();
            [head, encoded(target)].concat()
        });
        self.set(name, SRV, data.collect());
    }

    fn set(&self, name: &str, kind: u16, records: Vec<Vec<u8>>) {
        let mut zone = self.0.lock().expect("no panic before");
        zone.insert((name.to_owned(), kind), records);
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (name, end) = name(query);
        let kind = u16::from_be_bytes([query[end], query[end + 1]]);
        let zone = self.0.lock().expect("no panic before");
        let is_known = zone.keys().any(|(known, _)| *known == name);
        let records = zone.get(&(name, kind)).cloned().unwrap_or_default();
        let code = if is_known { 0 } else { 3 };
        let count = u8::try_from(records.len()).expect("few");
        // An answer, recursion available; one question, so many answers, nothing else.
        let flags = [0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
        let mut answer = [&query[..2], &flags, &query[HEADER_BYTES..end + 4]].concat();
        for data in records {
            let length = u16::try_from(data.len()).expect("short");
            answer.extend(POINTER_TO_QUESTION);
            answer.extend(kind.to_be_bytes());
            // Of the internet, not to be kept.
            answer.extend([0, 1, 0, 0, 0, 0]);
            answer.extend(length.to_be_bytes());
            answer.extend(data);
        }
        answer
    }
}

/// The name asked for, and where it ends.
fn name(query: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), HEADER_BYTES);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label"));
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}
