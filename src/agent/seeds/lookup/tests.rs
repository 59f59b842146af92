//! Names as a DNS server of our own knows them.

use std::net::UdpSocket;

use domain::{
    base::{Message, MessageBuilder},
    resolv::stub::conf::{ServerConf, Transport},
};

use super::*;

/// A server that answers every question with `code` and these services.
fn server(code: Rcode, services: &'static [(&str, u16)]) -> impl FnOnce() -> ResolvConf {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = Message::from_octets(buffer[..length].to_vec()).unwrap();
            let mut answer = MessageBuilder::new_vec()
                .start_answer(&question, code)
                .unwrap();
            let name = question.sole_question().unwrap().into_qname();
            for (target, port) in services {
                let target: Name<Vec<u8>> = target.parse().unwrap();
                answer
                    .push((&name, 60, Srv::new(0, 0, *port, target)))
                    .unwrap();
            }
            socket.send_to(&answer.finish(), from).unwrap();
        }
    });
    move || {
        let mut servers = ResolvConf::new();
        servers.servers = vec![ServerConf::new(address, Transport::UdpTcp)];
        servers.finalize();
        servers
    }
}

async fn found(
    code: Rcode,
    services: &'static [(&str, u16)],
) -> Result<Vec<String>, (ErrorKind, String)> {
    let seed = "srv:_headcount._udp.example".parse().unwrap();
    let found = look_up(&seed, server(code, services), &mut Known::new()).await;
    let found = found.map_err(|error| (error.kind(), error.to_string()))?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_service_is_every_host_and_port_that_dns_lists_for_it() {
    let services = &[
        ("127.0.0.2.", 80),
        ("127.0.0.1.", 7946),
        (".", 7946),
        ("127.0.0.3.", 0),
    ];
    assert_eq!(
        found(Rcode::NOERROR, services).await.unwrap(),
        ["127.0.0.1:7946", "127.0.0.2:80"]
    );
    assert_eq!(found(Rcode::NOERROR, &[]).await.unwrap(), [""; 0]);
}

#[test]
fn a_target_that_cannot_be_resolved_leads_where_it_did_and_hides_no_other() {
    let at = |address: &str| Ok([address.parse().unwrap()].into());
    let gone = || Err(ErrorKind::TimedOut.into());
    let mut known = Known::new();
    let mut learned = |a, b| {
        let looked_up = vec![(("a".into(), 1), a), (("b".into(), 2), b)];
        let found = learn(&mut known, looked_up).map_err(|error| error.kind());
        found.map(|found| found.iter().map(SocketAddr::port).collect::<Vec<_>>())
    };
    assert_eq!(learned(gone(), at("10.0.0.2:2")), Ok(vec![2]));
    assert_eq!(learned(at("10.0.0.1:1"), gone()), Ok(vec![1, 2]));
    assert_eq!(learned(gone(), gone()), Err(ErrorKind::TimedOut));
    assert_eq!(learned(gone(), at("10.0.0.2:3")), Ok(vec![1, 3]));
    assert_eq!(learned(Ok(BTreeSet::new()), gone()), Ok(vec![3]));
    let alone = learn(&mut known, vec![(("b".into(), 2), at("10.0.0.2:4"))]);
    assert_eq!(
        (alone.unwrap().len(), known.len()),
        (1, 1),
        "a is no target any more"
    );
}

#[tokio::test]
async fn what_dns_says_instead_is_the_error() {
    let (kind, _) = found(Rcode::NXDOMAIN, &[]).await.unwrap_err();
    assert_eq!(kind, ErrorKind::NotFound);
    let (_, error) = found(Rcode::REFUSED, &[]).await.unwrap_err();
    assert!(error.contains("REFUSED"), "{error}");
}

#[tokio::test]
async fn addresses_need_no_resolver_and_names_have_all_their_addresses() {
    let nobody = || panic!("nobody is asked");
    let address = look_up(&"127.0.0.1:80".parse().unwrap(), nobody, &mut Known::new())
        .await
        .unwrap();
    assert_eq!(address, ["127.0.0.1:80".parse().unwrap()].into());
    let local = look_up(&"localhost:80".parse().unwrap(), nobody, &mut Known::new())
        .await
        .unwrap();
    assert!(
        local.contains(&"127.0.0.1:80".parse().unwrap()),
        "{local:?}"
    );
    let error = resolve(&"file:/etc/hosts".parse().unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("configuration"), "{error}");
}
