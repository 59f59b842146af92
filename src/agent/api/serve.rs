//! Accepting connections, bounding them and ending them.

use std::{
    io,
    net::{IpAddr, TcpListener},
    os::unix::net::UnixListener,
    sync::Arc,
    time::Duration,
};

use axum::{Router, http::StatusCode, middleware};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink},
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tracing::debug;

use crate::agent::{
    local::Guard,
    shared::{Command, Shared},
};

use super::{Problem, access, patience::Patient, problem::PROBLEM_TYPE, router};

/// Connections at once, of both kinds together.
const CONNECTIONS_MAX: u32 = 1_024;
/// How long a request's head may take, and how long a connection may idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Buffer for a request's head and for what is written, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;
/// A reader that takes nothing for so long loses its connection.
const STUCK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the last answers may take once the agent ended.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a refusal may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Where connections come in.
#[derive(Debug)]
pub(in crate::agent) struct Doors {
    pub(in crate::agent) local: (UnixListener, Guard),
    pub(in crate::agent) http: Option<TcpListener>,
}

/// Serves until the protocol ended and the last answers are out, or a second later.
///
/// # Errors
/// When a listener cannot be used. Nothing is served then.
pub(in crate::agent) async fn serve(doors: Doors, shared: Arc<Shared>) -> io::Result<()> {
    let house = House {
        router: router(shared.clone()),
        places: Arc::new(Semaphore::new(CONNECTIONS_MAX as usize)),
        shared: shared.clone(),
    };
    let (listener, guard) = doors.local;
    let local = tokio::net::UnixListener::from_std(listener)?;
    let mut accepting = tokio::task::JoinSet::new();
    accepting.spawn(house.clone().accept_local(local, guard));
    if let Some(listener) = doors.http {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.spawn(house.clone().accept_http(listener));
    }
    // One that has ended already needs not know.
    let _ = shared.commands.send(Command::Serving).await;
    shared.ended().await;
    accepting.shutdown().await;
    // Every place free is every connection closed; who does not close is cut off.
    let _ = timeout(GOODBYE_TIMEOUT, house.places.acquire_many(CONNECTIONS_MAX)).await;
    Ok(())
}

#[derive(Clone, Debug)]
struct House {
    router: Router,
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl House {
    async fn accept_local(self, listener: tokio::net::UnixListener, guard: Guard) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) if is_admitted(&stream, &guard) => {
                    self.receive(stream, self.router.clone());
                }
                Ok((stream, _)) => {
                    let detail = "the socket is for root, the agent's user and the socket's group";
                    refuse(stream, Problem::new(StatusCode::FORBIDDEN, detail));
                }
                Err(error) => pause(error).await,
            }
        }
    }

    async fn accept_http(self, listener: tokio::net::TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // A line must not wait for the acknowledgement of the one before.
                    let _ = stream.set_nodelay(true);
                    if let Ok(local) = stream.local_addr() {
                        let ip: IpAddr = local.ip().to_canonical();
                        let check = middleware::from_fn_with_state(ip, access::check);
                        self.receive(stream, self.router.clone().layer(check));
                    }
                }
                Err(error) => pause(error).await,
            }
        }
    }

    fn receive<T>(&self, stream: T, router: Router)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self.places.clone().try_acquire_owned() {
            Ok(place) => {
                let connection = connect(stream, router, self.shared.clone(), place);
                tokio::spawn(connection);
            }
            Err(_) => {
                let detail = format!("{CONNECTIONS_MAX} connections are open already");
                refuse(
                    stream,
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail),
                );
            }
        }
    }
}

fn is_admitted(stream: &UnixStream, guard: &Guard) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|peer| guard.admits(peer.uid(), peer.gid(), peer.pid()))
}

/// Out of file descriptors, most likely: busy waiting would not free any.
async fn pause(error: io::Error) {
    debug!(%error, "accepting a connection failed");
    sleep(Duration::from_millis(100)).await;
}

async fn connect<T>(stream: T, router: Router, shared: Arc<Shared>, place: OwnedSemaphorePermit)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(
            TokioIo::new(Patient::new(stream, STUCK_TIMEOUT)),
            TowerToHyperService::new(router),
        );
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shared.ended() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "a connection broke");
    }
    drop(place);
}

/// Answers whatever is asked, and closes.
fn refuse<T>(mut stream: T, problem: Problem)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (status, json) = (problem.status(), problem.json());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM_TYPE}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        json.len()
    );
    tokio::spawn(timeout(REFUSAL_TIMEOUT, async move {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&json).await?;
        stream.shutdown().await?;
        // Closing with the request unread would reset the connection, and the answer with it.
        copy(&mut stream, &mut sink()).await
    }));
}
