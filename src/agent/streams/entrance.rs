//! The entrance: where whoever connects waits until it has said one whole frame.
//!
//! It may be anybody, so it gets little memory and little time. When every place is taken, one
//! gives way: of the source that has most places, whoever has waited longest. So one source keeps
//! out nobody else, and may yet have every place that no other source wants.

use std::{
    collections::BTreeMap,
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::AsyncRead,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};
use tracing::{debug, warn};

use crate::{
    agent::{
        clock::{Clock, OnceAMinute},
        gossip::canonical,
        shared::Tallies,
    },
    swim::{OPENING_BYTES_MAX, Timestamp, source},
};

use super::{
    Message,
    frames::{Frame, read_small},
};

/// Peers that have said nothing whole yet, at once. More of them wait in the kernel.
pub(super) const GUESTS_MAX: usize = 128;
/// Streams that peers opened, at once. More of them wait at the entrance.
pub(super) const ACCEPTED_MAX: usize = 48;
/// How long a peer that connected may take to say its first frame.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// Nobody gives way sooner. Many who come at once are heard in less.
const GRACE: Duration = Duration::from_millis(200);

/// A peer that connected, and what it said.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) tcp: TcpStream,
    pub(super) from: SocketAddr,
    pub(super) opening: Frame,
    /// To be kept for as long as the stream is open.
    pub(super) place: OwnedSemaphorePermit,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Entrance {
    clock: Clock,
    messages: mpsc::Sender<Message>,
    tallies: Arc<Tallies>,
    places: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    guests: Arc<Guests>,
    warned: OnceAMinute,
}

impl Entrance {
    pub(super) fn new(
        clock: Clock,
        messages: mpsc::Sender<Message>,
        tallies: Arc<Tallies>,
    ) -> Self {
        Self {
            clock,
            messages,
            tallies,
            places: Arc::new(Semaphore::new(GUESTS_MAX)),
            streams: Arc::new(Semaphore::new(ACCEPTED_MAX)),
            guests: Arc::default(),
            warned: OnceAMinute::default(),
        }
    }

    /// Accepts until nobody wants to hear of it any more.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let messages = self.messages.clone();
        tokio::select! {
            () = messages.closed() => {}
            () = self.accept(listener) => {}
        }
    }

    async fn accept(&mut self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((tcp, from)) => {
                    let from = canonical(from);
                    let place = self.place(source(from.ip())).await;
                    self.receive(tcp, from, place);
                }
                Err(error) => self.tallies.unaccepted.outlast(&error, self.clock).await,
            }
        }
    }

    /// A place for one more of this source, if need be that of another guest.
    async fn place(&mut self, source: IpAddr) -> OwnedSemaphorePermit {
        let place = self.places.clone().acquire_owned();
        tokio::pin!(place);
        let place = tokio::select! {
            biased;
            place = &mut place => place,
            () = self.make_room(source) => place.await,
        };
        place.expect("nobody closes the entrance")
    }

    /// Sends one guest away. There may be none while all have been heard; their places are free
    /// as soon as streams end.
    async fn make_room(&mut self, newcomer: IpAddr) {
        loop {
            match self.guests.next_to_give_way(newcomer) {
                None => pending().await,
                Some(next) if next.until > self.clock.now() => {
                    self.clock.reach(Some(next.until)).await;
                }
                Some(next) => {
                    self.guests.remove(next.number);
                    self.tallies.gave_way.add_one();
                    return self.warn(&next);
                }
            }
        }
    }

    fn warn(&mut self, next: &Next) {
        if self.warned.is_due(self.clock.now()) {
            warn!(
                from = %next.from, "closed a connection to the gossip port to make room: \
                {GUESTS_MAX} may wait to say who they are, and {} from there do", next.of_source
            );
        }
    }

    fn receive(&self, mut tcp: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit) {
        let guest = Guests::enter(&self.guests, from, self.clock.now() + GRACE);
        let (messages, streams) = (self.messages.clone(), self.streams.clone());
        tokio::spawn(async move {
            match guest.hear(&mut tcp).await {
                Ok(Some(opening)) => {
                    let Ok(stream) = streams.acquire_owned().await else {
                        return;
                    };
                    drop(place);
                    let accepted = Accepted {
                        tcp,
                        from,
                        opening,
                        place: stream,
                    };
                    // The protocol is gone when this fails.
                    let _ = messages.send(Message::Accepted(accepted)).await;
                }
                Ok(None) => {}
                Err(error) => debug!(%from, %error, "nobody opened a stream"),
            }
        });
    }
}

/// Everyone who has not said a whole frame yet, in the order in which they came.
#[derive(Debug, Default)]
struct Guests(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    guests: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    from: SocketAddr,
    /// When it may be asked to give way.
    until: Timestamp,
    /// Dropped to send it away.
    _stay: oneshot::Sender<()>,
}

/// Who gives way next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    number: u64,
    from: SocketAddr,
    until: Timestamp,
    /// Guests of its source, the newcomer counted.
    of_source: usize,
}

impl Guests {
    fn enter(guests: &Arc<Self>, from: SocketAddr, until: Timestamp) -> Ticket {
        let mut waiting = guests.waiting();
        let number = waiting.next;
        waiting.next += 1;
        let (stay, sent_away) = oneshot::channel();
        let guest = Guest {
            from,
            until,
            _stay: stay,
        };
        waiting.guests.insert(number, guest);
        Ticket {
            number,
            sent_away,
            guests: guests.clone(),
        }
    }

    /// Of the source with most guests, the newcomer counted, whoever has waited longest; of several
    /// such sources, whoever has waited longest of all.
    fn next_to_give_way(&self, newcomer: IpAddr) -> Option<Next> {
        let waiting = self.waiting();
        let mut counts = BTreeMap::from([(newcomer, 1)]);
        for guest in waiting.guests.values() {
            *counts.entry(source(guest.from.ip())).or_insert(0) += 1;
        }
        let count = |guest: &Guest| counts[&source(guest.from.ip())];
        let most = waiting.guests.values().map(count).max()?;
        let mut guests = waiting.guests.iter();
        let (number, guest) = guests.find(|(_, guest)| count(guest) == most)?;
        Some(Next {
            number: *number,
            from: guest.from,
            until: guest.until,
            of_source: most,
        })
    }

    /// Whether it was there.
    fn remove(&self, number: u64) -> bool {
        self.waiting().guests.remove(&number).is_some()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who has not said a whole frame yet.
#[derive(Debug)]
struct Ticket {
    number: u64,
    sent_away: oneshot::Receiver<()>,
    guests: Arc<Guests>,
}

impl Ticket {
    /// The first frame; nothing when the peer ended the stream before it.
    async fn hear(mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
        let opening = read_small(reader, OPENING_BYTES_MAX);
        let opening = tokio::select! {
            opening = timeout(FIRST_FRAME_TIMEOUT, opening) => Some(opening??),
            _ = &mut self.sent_away => None,
        };
        // Whoever waits for its place gets it, even if the frame became whole just now.
        match opening {
            Some(opening) if self.guests.remove(self.number) => Ok(opening),
            _ => Err(io::Error::other("it gave way to another one")),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.guests.remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "10.0.0.1:1";
    const OTHER: &str = "10.0.0.2:1";

    fn enter(guests: &Arc<Guests>, from: &str) -> Ticket {
        Guests::enter(guests, from.parse().unwrap(), Timestamp::ZERO)
    }

    fn next(guests: &Guests, newcomer: &str) -> Option<(u64, usize)> {
        let newcomer: SocketAddr = newcomer.parse().unwrap();
        let next = guests.next_to_give_way(source(newcomer.ip()))?;
        Some((next.number, next.of_source))
    }

    #[test]
    fn whoever_waited_longest_of_the_source_with_most_gives_way() {
        let guests = Arc::<Guests>::default();
        assert_eq!(next(&guests, ONE), None);
        let [honest, first, _second] = [OTHER, ONE, ONE].map(|from| enter(&guests, from));
        assert_eq!(next(&guests, OTHER), Some((honest.number, 2)));
        assert_eq!(next(&guests, ONE), Some((first.number, 3)));
        drop(first);
        assert_eq!(next(&guests, "10.0.0.3:1"), Some((honest.number, 1)));
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_are_one_source() {
        let guests = Arc::<Guests>::default();
        let many = [
            "[2001:db8::1]:1",
            "[2001:db8:0:1::1]:1",
            "[2001:db8:0:1::2]:1",
        ];
        let [_other, first, _second] = many.map(|from| enter(&guests, from));
        assert_eq!(next(&guests, OTHER), Some((first.number, 2)));
    }

    #[tokio::test]
    async fn whoever_is_sent_away_is_not_heard_even_if_it_speaks_at_that_moment() {
        let guests = Arc::<Guests>::default();
        let speak = |ticket: Ticket| async { ticket.hear(&mut &b"\0\0\0\x02hi"[..]).await };
        let heard = speak(enter(&guests, ONE)).await.unwrap();
        assert_eq!(&heard.expect("a frame").bytes[..], b"hi");
        let ticket = enter(&guests, ONE);
        assert!(guests.remove(ticket.number));
        assert!(speak(ticket).await.is_err());
        assert!(guests.waiting().guests.is_empty());
    }
}
