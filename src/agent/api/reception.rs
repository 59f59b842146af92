//! `Reception`: everyone whom the agent waits for, and who of them gives way.
//!
//! A connection keeps the agent waiting before each head, its first and all later ones, and in the
//! middle of a body. When every place is taken, whoever has done so for longest gives way, whatever
//! it lacks: so many who say no more do not drive away one who has just come. Whoever waits for the
//! agent, for an answer or for what a stream will tell, never gives way.
//! The socket has one of these and TCP another: nobody gives way to who came by another way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;
use bytes::BytesMut;
use tokio::{io::AsyncRead, sync::oneshot, time::timeout};

use super::{
    Problem,
    head::{Unheard, read_head},
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reception(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// In the order in which the agent began to wait for them. Dropped to call one.
    places: BTreeMap<u64, oneshot::Sender<()>>,
    is_closed: bool,
}

/// One who keeps the agent waiting, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    called: oneshot::Receiver<()>,
    gave_way: bool,
    reception: Arc<Reception>,
}

impl Reception {
    pub(super) fn enter(self: &Arc<Self>) -> Ticket {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        let (call, called) = oneshot::channel();
        if !waiting.is_closed {
            waiting.places.insert(number, call);
        }
        Ticket {
            number,
            called,
            gave_way: false,
            reception: self.clone(),
        }
    }

    /// Calls whoever has kept the agent waiting for longest. Whether there was one.
    pub(super) fn make_room(&self) -> bool {
        self.waiting().places.pop_first().is_some()
    }

    /// Calls everyone, and whoever comes later.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        waiting.places.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Waits until `heard` holds a whole head that can be read. That may take as long as
    /// `patience`.
    pub(super) async fn hear<T>(
        mut self,
        stream: &mut T,
        heard: &mut BytesMut,
        patience: Duration,
    ) -> Result<(), Unheard>
    where
        T: AsyncRead + Unpin,
    {
        tokio::select! {
            // Whoever has asked by the time it is called is heard.
            biased;
            told = timeout(patience, read_head(stream, heard)) => {
                if let Ok(told) = told {
                    return told;
                }
            }
            () = self.called() => {
                return Err(Unheard::Refused(gave_way("had not asked anything")));
            }
        }
        Err(match heard.is_empty() {
            true => Unheard::Gone,
            false => too_late(patience),
        })
    }

    /// Waits until it is called. It must give way then.
    pub(super) async fn called(&mut self) {
        let _ = (&mut self.called).await;
        self.gave_way = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let place = self.reception.waiting().places.remove(&self.number);
        // Somebody was promised its room; but it asked in the same moment, and stays.
        if place.is_none() && !self.gave_way {
            self.reception.make_room();
        }
    }
}

fn too_late(patience: Duration) -> Unheard {
    let seconds = patience.as_secs();
    let detail = format!("the request's head took longer than {seconds} s");
    Unheard::Refused(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
}

/// What whoever gives way is told: what is `lacking` made it the one.
pub(super) fn gave_way(lacking: &str) -> Problem {
    let detail = format!("every connection is taken and this one {lacking}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    async fn status(ticket: Ticket, stream: &mut (impl AsyncRead + Unpin)) -> Option<StatusCode> {
        let patience = Duration::from_secs(3_600);
        match ticket.hear(stream, &mut BytesMut::new(), patience).await {
            Err(Unheard::Refused(problem)) => Some(problem.status()),
            Ok(()) | Err(Unheard::Gone) => None,
        }
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_given_up() {
        let (mut near, mut far) = duplex(64);
        far.write_all(b"GET / HT").await.unwrap();
        let ticket = Arc::new(Reception::default()).enter();
        let heard = &mut BytesMut::new();
        let told = ticket.hear(&mut near, heard, Duration::ZERO).await;
        let Err(Unheard::Refused(problem)) = told else {
            panic!("it never came");
        };
        assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn whoever_waited_longest_gives_way() {
        let reception = Arc::new(Reception::default());
        let (mut near, _far) = duplex(64);
        let (first, second) = (reception.enter(), reception.enter());
        assert!(reception.make_room());
        let refused = Some(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(first, &mut near).await, refused);
        // It has given way, and nobody else has to.
        assert!(reception.make_room());
        drop(second);
        assert!(!reception.make_room());
    }

    #[tokio::test]
    async fn whoever_asks_when_it_is_called_is_heard_and_the_next_one_gives_way() {
        let reception = Arc::new(Reception::default());
        let (mut near, mut far) = duplex(64);
        let (first, mut second) = (reception.enter(), reception.enter());
        far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(reception.make_room());
        assert_eq!(status(first, &mut near).await, None);
        second.called().await;
        assert!(!reception.make_room());
    }

    #[tokio::test]
    async fn whoever_comes_when_it_is_closed_is_called_at_once() {
        let reception = Arc::new(Reception::default());
        let mut early = reception.enter();
        reception.close();
        early.called().await;
        reception.enter().called().await;
    }
}
