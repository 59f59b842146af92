use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::swim::{FRAME_BYTES_MAX, OPENING_BYTES_MAX};

use super::{
    entrance::{ACCEPTED_MAX, GUESTS_MAX},
    *,
};

async fn streams() -> (Streams, SocketAddr) {
    counted(Arc::default()).await
}

async fn counted(tallies: Arc<Tallies>) -> (Streams, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let streams = Streams::new(listener, address.ip(), Clock::start(), tallies);
    (streams, address)
}

async fn frame(streams: &mut Streams) -> (StreamId, Vec<u8>) {
    match streams.next().await {
        StreamEvent::Frame { stream, frame, .. } => (stream, frame.bytes.to_vec()),
        other => panic!("{other:?} instead of a frame"),
    }
}

async fn closed(streams: &mut Streams) -> (StreamId, StreamEnd) {
    match streams.next().await {
        StreamEvent::Closed { stream, end } => (stream, end),
        other => panic!("{other:?} instead of an end"),
    }
}

/// One that connects and says this.
async fn peer(to: SocketAddr, said: &[u8]) -> TcpStream {
    let mut peer = TcpStream::connect(to).await.unwrap();
    peer.write_all(said).await.unwrap();
    peer
}

fn head(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap().to_be_bytes()
}

/// Waits until the connection was closed, without a word.
async fn is_closed(peer: &mut TcpStream) {
    let mut heard = Vec::new();
    // It may be reset.
    let _ = peer.read_to_end(&mut heard).await;
    assert_eq!(heard, b"");
}

#[tokio::test]
async fn a_question_and_its_answer_then_the_end() {
    let (mut here, _) = streams().await;
    let (mut there, address) = streams().await;
    let question = vec![7; OPENING_BYTES_MAX];
    here.dial(StreamId(2), address, question.clone().into());
    assert_eq!(frame(&mut there).await, (StreamId(1), question));
    let answer = vec![8; 3_000_000];
    there.write(StreamId(1), answer.clone().into());
    assert_eq!(frame(&mut here).await, (StreamId(2), answer));
    let word = vec![9; 2_000_000];
    here.write(StreamId(2), word.clone().into());
    assert_eq!(frame(&mut there).await, (StreamId(1), word));
    there.close(StreamId(1));
    assert_eq!(closed(&mut here).await, (StreamId(2), StreamEnd::Closed));
    assert_eq!((here.len(), there.len()), (0, 0));
    assert!(here.tasks.budget.is_whole() && there.tasks.budget.is_whole());
}

#[tokio::test]
async fn dialing_nobody_is_refused() {
    let (mut here, _) = streams().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    here.dial(StreamId(2), address, Bytes::new());
    assert_eq!(closed(&mut here).await, (StreamId(2), StreamEnd::Refused));
}

#[tokio::test]
async fn a_length_that_lies_closes_the_stream_and_takes_no_memory() {
    let (mut here, address) = streams().await;
    for length in [u32::MAX as usize, OPENING_BYTES_MAX + 1] {
        let mut stranger = peer(address, &head(length)).await;
        is_closed(&mut stranger).await;
    }
    for length in [u32::MAX as usize, FRAME_BYTES_MAX] {
        let mut member = peer(address, b"\0\0\0\x02hi").await;
        let (stream, _) = frame(&mut here).await;
        here.write(stream, Bytes::new());
        member.write_all(&head(length)).await.unwrap();
        member.write_all(b"hardly anything").await.unwrap();
        member.shutdown().await.unwrap();
        assert_eq!(closed(&mut here).await, (stream, StreamEnd::Closed));
    }
    assert!(here.tasks.budget.is_whole());
}

#[tokio::test]
async fn more_streams_than_allowed_wait_their_turn() {
    let tallies = Arc::<Tallies>::default();
    let (mut here, address) = counted(tallies.clone()).await;
    let mut peers = Vec::new();
    for number in 0..60 {
        peers.push(peer(address, &[0, 0, 0, 1, number]).await);
    }
    let mut open = Vec::new();
    for _ in 0..ACCEPTED_MAX {
        open.push(frame(&mut here).await.0);
    }
    assert_eq!(here.len(), ACCEPTED_MAX);
    for stream in open {
        here.close(stream);
    }
    for _ in ACCEPTED_MAX..peers.len() {
        frame(&mut here).await;
    }
    assert_eq!(tallies.gave_way.get(), 0);
}

#[tokio::test]
async fn nothing_more_is_heard_of_whom_the_node_does_not_answer() {
    let (mut here, address) = streams().await;
    let mut stranger = peer(address, b"\0\0\0\x02hi\0\0\0\x05again").await;
    let (stream, said) = frame(&mut here).await;
    assert_eq!(said, b"hi");
    here.close(stream);
    is_closed(&mut stranger).await;
    let _other = peer(address, b"\0\0\0\x05other").await;
    assert_eq!(frame(&mut here).await.1, b"other");
}

#[tokio::test]
async fn strangers_at_one_address_keep_out_nobody_else() {
    let unsaid = [[0, 0, 0x7f, 0xff].as_slice(), &[7; 0x7ffe]].concat();
    // Silent, without what was announced, without the last byte of it.
    for said in [&[], &unsaid[..4], &unsaid] {
        let tallies = Arc::<Tallies>::default();
        let (mut here, address) = counted(tallies.clone()).await;
        let mut strangers = Vec::new();
        for _ in 0..GUESTS_MAX + 50 {
            strangers.push(peer(address, said).await);
        }
        let honest = TcpSocket::new_v4().unwrap();
        honest.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut honest = honest.connect(address).await.unwrap();
        honest.write_all(b"\0\0\0\x06honest").await.unwrap();
        assert_eq!(frame(&mut here).await.1, b"honest");
        assert!(tallies.gave_way.get() >= 50, "{}", tallies.gave_way.get());
        // Whoever waited longest was the first to go.
        is_closed(&mut strangers[0]).await;
    }
}
