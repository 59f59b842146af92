//! `Client`: HTTP over the agent's Unix socket.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};

use super::Failure;

/// Local answers take milliseconds; an agent that is this late is stopped or stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// A join waits for answers and, for each name, for a resolver.
const PATIENCE_JOIN: Duration = Duration::from_secs(60);
/// Longest line that a stream may have: a snapshot of some million members.
const LINE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// One agent, by its socket.
#[derive(Clone, Debug)]
pub(super) struct Client {
    socket: PathBuf,
}

/// A query string in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(String);

/// What the agent answered: JSON, if it is one of ours.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    json: String,
    socket: PathBuf,
}

/// What the agent says when it does not do as asked.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Client {
    /// Whoever listens at `socket`; nothing happens yet.
    pub(super) const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What is at `path`.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        let request = request(Method::GET, path, Bytes::new());
        self.answer(request, PATIENCE).await
    }

    /// Sends `body` to `path` and gives the answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let request = request(Method::POST, path, body.to_string().into());
        self.answer(request, PATIENCE_JOIN).await
    }

    /// Changes what is at `path` as `body` says and gives the answer.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let request = request(Method::PATCH, path, body.to_string().into());
        self.answer(request, PATIENCE).await
    }

    /// Deletes what is at `path` and gives the answer.
    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        let request = request(Method::DELETE, path, Bytes::new());
        self.answer(request, PATIENCE).await
    }

    /// The stream at `path`.
    pub(super) async fn lines(&self, path: &str) -> Result<Lines, Failure> {
        let request = request(Method::GET, path, Bytes::new());
        let response = self.send(request, PATIENCE).await?;
        match response.status() {
            StatusCode::OK => Ok(Lines::new(response.into_body())),
            _ => Err(self.refused(response).await),
        }
    }

    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let response = self.send(request, patience).await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let body = self.body(response).await?;
        let json = String::from_utf8_lossy(&body).trim_end().to_owned();
        let socket = self.socket.clone();
        Ok(Answer { json, socket })
    }

    /// Sends the request on a connection of its own, which ends with the answer's body.
    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let exchange = async {
            let connected = UnixStream::connect(&self.socket).await;
            let stream = connected.map_err(|error| self.unreachable(&error))?;
            let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = shaken.map_err(|error| self.broken(&error))?;
            tokio::spawn(connection);
            let answered = sender.send_request(request).await;
            answered.map_err(|error| self.broken(&error))
        };
        match timeout(patience, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silent(patience)),
        }
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Bytes, Failure> {
        match timeout(PATIENCE, response.into_body().collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.silent(PATIENCE)),
        }
    }

    /// What the agent said no to: the caller's request is trouble, the members' state a no.
    async fn refused(&self, response: Response<Incoming>) -> Failure {
        let status = response.status();
        let body = match self.body(response).await {
            Ok(body) => body,
            Err(failure) => return failure,
        };
        let text = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => problem.detail,
            Err(_) => format!("the agent at {} answered {status}", self.shown()),
        };
        match status {
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Failure::no(text),
            _ => Failure::trouble(text),
        }
    }

    fn shown(&self) -> impl fmt::Display + '_ {
        self.socket.display()
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let socket = self.shown();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Failure::trouble(format!("no agent is running at {socket}")).hint(format!(
                    "start one with `headcount agent --socket {socket}`, \
                     or say where it is with --socket or HEADCOUNT_SOCKET"
                ))
            }
            io::ErrorKind::PermissionDenied => {
                Failure::trouble(format!("this user may not talk to the agent at {socket}"))
                    .hint("run this as the agent's user, as its group or as root")
            }
            _ => Failure::trouble(format!("cannot connect to {socket}: {error}")),
        }
    }

    fn broken(&self, error: &hyper::Error) -> Failure {
        let text = super::failure::chain(error);
        Failure::trouble(format!("the agent at {} broke off: {text}", self.shown()))
    }

    fn silent(&self, patience: Duration) -> Failure {
        let (socket, seconds) = (self.shown(), patience.as_secs());
        Failure::trouble(format!(
            "the agent at {socket} did not answer for {seconds} s"
        ))
        .hint("is its process stopped, or the machine overloaded?")
    }
}

impl Answer {
    /// What it says.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.json).map_err(|error| {
            let socket = self.socket.display();
            Failure::trouble(format!(
                "whoever listens at {socket} is no headcount agent: {error}"
            ))
            .hint("say where the agent is with --socket or HEADCOUNT_SOCKET")
        })
    }
}

impl fmt::Display for Answer {
    /// The JSON, as it came.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.json)
    }
}

fn request(method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(path);
    let builder = builder.header(header::HOST, "headcount");
    let request = match body.is_empty() {
        true => builder,
        false => builder.header(header::CONTENT_TYPE, "application/json"),
    };
    request
        .body(Full::new(body))
        .expect("paths are made of escaped text")
}

impl Query {
    /// Adds `key=value`.
    pub(super) fn add(&mut self, key: &str, value: &str) {
        let separator = if self.0.is_empty() { '?' } else { '&' };
        self.0 += &format!("{separator}{key}={}", escaped(value));
    }

    /// Adds `key=value` for each value.
    pub(super) fn add_all(&mut self, key: &str, values: &[String]) {
        for value in values {
            self.add(key, value);
        }
    }

    /// `path` and this.
    pub(super) fn of(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

/// Text as it may stand in a path or a query.
pub(super) fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// The lines of a body that does not end.
#[derive(Debug)]
pub(super) struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line end.
    searched: usize,
}

impl Lines {
    fn new(body: Incoming) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            searched: 0,
        }
    }

    /// The next whole line without its end; `None` when the stream is over, however it ended. May
    /// be dropped half-way without losing anything.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            let rest = &self.buffer[self.searched..];
            if let Some(found) = rest.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + found + 1);
                self.searched = 0;
                return Some(String::from_utf8_lossy(&line[..line.len() - 1]).into_owned());
            }
            self.searched = self.buffer.len();
            if self.searched > LINE_BYTES_MAX {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let mut query = Query::default();
        assert_eq!(query.of("/v1/members"), "/v1/members");
        query.add("tag", "a:b c&d=é");
        query.add_all("state", &["alive".into(), "left".into()]);
        assert_eq!(
            query.of("/v1/members"),
            "/v1/members?tag=a%3Ab%20c%26d%3D%C3%A9&state=alive&state=left"
        );
    }
}
