//! Accepting connections, bounding them and ending them.

use std::{
    io,
    net::TcpListener,
    os::{fd::AsFd, unix::net::UnixListener},
    sync::Arc,
    time::Duration,
};

use axum::{Router, http::StatusCode, middleware};
use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink},
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tracing::{debug, warn};

use crate::{
    agent::{
        local::{Guard, Rights},
        shared::{Command, Shared},
    },
    config::Token,
};

use super::{
    Problem,
    access::{self, Door},
    caller::Caller,
    head::{Unheard, read_head},
    patience::Patient,
    problem::PROBLEM_TYPE,
    reception::Reception,
    router,
    turn::take_turn,
};

/// Connections at once on the socket, and on TCP. Whoever has no right to the socket can reach the
/// port, and must not take the places of those who have.
const SOCKET_CONNECTIONS_MAX: u32 = 4_096;
const TCP_CONNECTIONS_MAX: u32 = 1_024;
/// How long a request's head may take, and how long a connection may idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What the kernel may keep for a reader that does not read, in bytes; it takes twice as much.
const KERNEL_BUFFER_BYTES: usize = 64 * 1024;
/// A reader that takes nothing for so long loses its connection.
const STUCK_TIMEOUT: Duration = Duration::from_secs(60);
/// A peer on TCP that does not answer for a minute is gone, with its host or its network. A lease
/// has nothing to write that would show it.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);
/// How long the last answers may take once the agent ended.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a refusal may take, and the request before it.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Refusals at once on each way in. Whoever is refused needs no right, and must not use up our file
/// descriptors.
const REFUSALS_MAX: u32 = 64;

/// Where connections come in.
#[derive(Debug)]
pub(in crate::agent) struct Doors {
    pub(in crate::agent) local: (UnixListener, Guard),
    pub(in crate::agent) http: Option<TcpListener>,
    /// What requests on TCP must show.
    pub(in crate::agent) token: Option<Token>,
}

/// Serves until the protocol ended and the last answers are out, or a second later.
///
/// # Errors
/// When a listener cannot be used. Nothing is served then.
pub(in crate::agent) async fn serve(doors: Doors, shared: Arc<Shared>) -> io::Result<()> {
    let house = House::new(shared.clone());
    tokio::spawn(shared.clone().relay());
    let (listener, guard) = doors.local;
    let local = tokio::net::UnixListener::from_std(listener)?;
    let mut accepting = tokio::task::JoinSet::new();
    accepting.spawn(house.clone().accept_local(local, guard));
    if let Some(listener) = doors.http {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.spawn(house.clone().accept_http(listener, doors.token));
    }
    // One that has ended already needs not know.
    let _ = shared.commands.send(Command::Serving).await;
    shared.ended().await;
    accepting.shutdown().await;
    let empty = async { tokio::join!(house.socket.close(), house.tcp.close()) };
    // Who does not close is cut off.
    let _ = timeout(GOODBYE_TIMEOUT, empty).await;
    Ok(())
}

/// A way in. It takes nothing from the other one: neither places nor refusals, and nobody there
/// gives way to who comes in here.
#[derive(Debug)]
pub(super) struct Entrance {
    places: Arc<Semaphore>,
    places_max: u32,
    refusals: Refusals,
    pub(super) reception: Arc<Reception>,
}

impl Entrance {
    fn new(places_max: u32) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places_max as usize)),
            places_max,
            refusals: Refusals::default(),
            reception: Arc::default(),
        })
    }

    /// The place of one who was asked to give way, unless all of those asked something after all.
    async fn vacated(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.places.clone().acquire_owned();
        timeout(HEAD_TIMEOUT, place).await.ok()?.ok()
    }

    fn turn_away<T>(&self, stream: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let detail = format!("{} connections are open already", self.places_max);
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        self.refusals.turn_away(stream, problem);
    }

    /// Calls everyone, and waits until every place is free, which is every connection closed.
    async fn close(&self) {
        self.reception.close();
        let _ = self.places.acquire_many(self.places_max).await;
    }
}

/// One who may ask, for as long as its connection lasts.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    /// What it may ask.
    pub(super) router: Router,
    /// Where it came in on TCP.
    pub(super) door: Option<Door>,
    pub(super) caller: Caller,
    pub(super) entrance: Arc<Entrance>,
    /// For the log.
    who: String,
}

/// What all connections share.
#[derive(Clone, Debug)]
pub(super) struct House {
    router: Router,
    /// The same for whoever may look and change nothing.
    readers: Router,
    /// The same for whoever comes by TCP. A layer copies every route, so that this one is made once
    /// and not for each connection.
    strangers: Router,
    socket: Arc<Entrance>,
    tcp: Arc<Entrance>,
    shared: Arc<Shared>,
}

impl House {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let router = router(shared.clone());
        Self {
            readers: router.clone().layer(middleware::from_fn(access::only_read)),
            strangers: router.clone().layer(middleware::from_fn(access::check)),
            router,
            socket: Entrance::new(SOCKET_CONNECTIONS_MAX),
            tcp: Entrance::new(TCP_CONNECTIONS_MAX),
            shared,
        }
    }

    async fn accept_local(self, listener: tokio::net::UnixListener, guard: Guard) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => match rights(&stream, &guard) {
                    Some(rights) => {
                        bound_buffers(&stream);
                        let guest = self.local(rights, Caller::of(&stream));
                        self.receive(stream, guest);
                    }
                    None => {
                        let detail = "the socket is for root, the agent's user, and its group or \
                            those whom --allow and --allow-read name";
                        let problem = Problem::new(StatusCode::FORBIDDEN, detail);
                        self.socket.refusals.turn_away(stream, problem);
                    }
                },
                Err(error) => self.pause(&error).await,
            }
        }
    }

    pub(super) fn local(&self, rights: Rights, caller: Caller) -> Guest {
        let router = match rights {
            Rights::Full => self.router.clone(),
            Rights::Read => self.readers.clone(),
        };
        Guest {
            router,
            door: None,
            caller,
            entrance: self.socket.clone(),
            who: caller.to_string(),
        }
    }

    pub(super) fn stranger(&self, door: Door, who: String) -> Guest {
        Guest {
            router: self.strangers.clone(),
            door: Some(door),
            caller: Caller::Far,
            entrance: self.tcp.clone(),
            who,
        }
    }

    async fn accept_http(self, listener: tokio::net::TcpListener, token: Option<Token>) {
        let token = token.map(Arc::new);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    bound_buffers(&stream);
                    let _ = SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE);
                    // A line must not wait for the acknowledgement of the one before.
                    let _ = stream.set_nodelay(true);
                    if let Ok(local) = stream.local_addr() {
                        let door = Door {
                            local: local.ip().to_canonical(),
                            token: token.clone(),
                        };
                        self.receive(stream, self.stranger(door, peer.to_string()));
                    }
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    async fn pause(&self, error: &io::Error) {
        let Shared { tallies, clock, .. } = &*self.shared;
        tallies.unaccepted.outlast(error, *clock).await;
    }

    /// Takes the connection in, if need be in place of one that keeps the agent waiting.
    fn receive<T>(&self, stream: T, guest: Guest)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let entrance = guest.entrance.clone();
        let place = entrance.places.clone().try_acquire_owned().ok();
        if place.is_none() && !entrance.reception.make_room() {
            return entrance.turn_away(stream);
        }
        let house = self.clone();
        tokio::spawn(async move {
            let place = match place {
                Some(place) => Some(place),
                None => entrance.vacated().await,
            };
            match place {
                Some(_) => house.attend(stream, guest).await,
                None => entrance.turn_away(stream),
            }
            drop(place);
        });
    }

    /// Hears and answers one request after the other.
    pub(super) async fn attend<T>(&self, stream: T, guest: Guest)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut stream = Patient::new(stream, STUCK_TIMEOUT);
        let mut has_asked = false;
        loop {
            let mut heard = BytesMut::new();
            let ticket = guest.entrance.reception.enter();
            match ticket.hear(&mut stream, &mut heard, HEAD_TIMEOUT).await {
                Ok(()) => stream.put_back(&heard),
                Err(Unheard::Gone) => return,
                // A refusal now would be taken for the answer to what may be asked next. Between
                // two requests a connection may be closed without a word (RFC 9112, 9.5).
                Err(Unheard::Refused(_)) if has_asked && heard.is_empty() => return,
                Err(Unheard::Refused(problem)) => {
                    return guest.entrance.refusals.refuse(stream, problem);
                }
            }
            // An answer may take for ever.
            drop(heard);
            match take_turn(stream, &guest, &self.shared).await {
                Ok(Some(rest)) => stream = rest,
                Ok(None) => return,
                Err(error) => return self.note(&error, &guest.who),
            }
            has_asked = true;
        }
    }

    /// One who does not read cannot be told why the connection was closed: the log tells it, and
    /// the stream's gap when it comes back.
    fn note(&self, error: &hyper::Error, who: &str) {
        if is_stuck(error) {
            self.shared.tallies.stuck.add_one();
            let seconds = STUCK_TIMEOUT.as_secs();
            warn!(who, "closed a connection that read nothing for {seconds} s");
        } else {
            debug!(%error, who, "a connection broke");
        }
    }
}

/// Whether [`Patient`] lost its patience.
pub(super) fn is_stuck(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut)
}

/// A reader that does not read costs no more than this. With other bounds it works as well.
fn bound_buffers(stream: &impl AsFd) {
    let socket = SockRef::from(stream);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER_BYTES);
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES);
}

fn rights(stream: &UnixStream, guard: &Guard) -> Option<Rights> {
    let peer = stream.peer_cred().ok()?;
    guard.rights(peer.uid(), peer.gid(), peer.pid())
}

/// Connections that are told why nobody attends to them.
#[derive(Clone, Debug)]
struct Refusals(Arc<Semaphore>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(REFUSALS_MAX as usize)))
    }
}

impl Refusals {
    /// Refuses one whose request was heard, or will not come.
    fn refuse<T>(&self, stream: T, problem: Problem)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.spend_time(refuse(stream, problem));
    }

    /// Refuses whatever will be asked. Clients take an answer that comes before they have asked for
    /// a broken connection.
    fn turn_away<T>(&self, mut stream: T, problem: Problem)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.spend_time(async move {
            // One that cannot be read is refused as well.
            let _ = read_head(&mut stream, &mut BytesMut::new()).await;
            refuse(stream, problem).await
        });
    }

    /// Refuses for as long as that may take. One too many is closed without a word.
    fn spend_time(&self, refusal: impl Future<Output = io::Result<()>> + Send + 'static) {
        let Ok(place) = self.0.clone().try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            // One who does not listen any more needs no answer.
            let _ = timeout(REFUSAL_TIMEOUT, refusal).await;
            drop(place);
        });
    }
}

/// Answers whatever is asked, and closes.
async fn refuse<T>(mut stream: T, problem: Problem) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (status, json) = (problem.status(), problem.json());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM_TYPE}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        json.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&json).await?;
    stream.shutdown().await?;
    // Closing with the request unread would reset the connection, and the answer with it.
    copy(&mut stream, &mut sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::{
        io::{AsyncReadExt, DuplexStream, duplex},
        task::yield_now,
    };

    use super::*;

    async fn told(mut stream: DuplexStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    async fn asked(mut stream: DuplexStream) -> String {
        stream.write_all(HEAD).await.unwrap();
        told(stream).await
    }

    #[tokio::test]
    async fn refusals_are_bounded_and_end() {
        let refusals = Refusals::default();
        let refused = || {
            let (theirs, ours) = duplex(1_024);
            refusals.turn_away(ours, Problem::new(StatusCode::FORBIDDEN, "no"));
            theirs
        };
        let lingering: Vec<_> = (0..REFUSALS_MAX).map(|_| refused()).collect();
        assert_eq!(told(refused()).await, "");
        for stream in lingering {
            assert!(asked(stream).await.starts_with("HTTP/1.1 403 Forbidden"));
        }
        // Every place is free again.
        drop(refusals.0.acquire_many(REFUSALS_MAX).await.unwrap());
        assert!(asked(refused()).await.starts_with("HTTP/1.1 403 Forbidden"));
        // Whoever asks nothing is told nothing.
        assert_eq!(told(refused()).await, "");
    }

    #[tokio::test]
    async fn nobody_is_refused_before_the_whole_head_is_there() {
        let refusals = Refusals::default();
        let (mut theirs, ours) = duplex(1_024);
        refusals.turn_away(ours, Problem::new(StatusCode::FORBIDDEN, "no"));
        let (start, end) = HEAD.split_at(HEAD.len() - 2);
        theirs.write_all(start).await.unwrap();
        // It reads that, and would answer if it did not wait for more.
        yield_now().await;
        tokio::select! {
            biased;
            early = theirs.read_u8() => panic!("{early:?} came early"),
            () = ready(()) => {}
        }
        theirs.write_all(end).await.unwrap();
        assert!(told(theirs).await.starts_with("HTTP/1.1 403 Forbidden"));
    }
}
