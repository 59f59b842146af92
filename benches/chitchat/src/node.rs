//! One member, that writes a line whenever the number of those it holds alive changes.

use std::{
    io::{self, Read},
    net::SocketAddr,
    process, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use chitchat::{
    ChitchatConfig, ChitchatId, FailureDetectorConfig, ProtocolVersion, spawn_chitchat,
    transport::UdpTransport,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(name: &str, address: SocketAddr, seed: &str) -> Result<()> {
    thread::spawn(end_with_parent);
    let generation = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let config = ChitchatConfig {
        chitchat_id: ChitchatId::new(name, generation, address),
        cluster_id: "bench".into(),
        gossip_interval: Duration::from_secs(1),
        listen_addr: address,
        seed_nodes: vec![seed.into()],
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(15 * 60),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: ProtocolVersion::V1,
    };
    let handle = spawn_chitchat(config, Vec::new(), &UdpTransport).await?;
    let mut live = handle.with_chitchat(|us| us.live_nodes_watcher()).await;
    loop {
        println!("{}", live.borrow_and_update().len());
        live.changed().await?;
    }
}

/// Whoever started us holds the other end of our input, and lets go of it however it ends.
fn end_with_parent() {
    let _ = io::stdin().read(&mut [0]);
    process::exit(0);
}
