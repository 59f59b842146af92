//! HTTP over the agent's Unix socket: one connection a request, which ends with the answer.

use std::{error, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};

use super::{Answer, Client, Error, lines::Lines};

/// Local answers take milliseconds; an agent that is this late is stopped or stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What the agent says when it does not do as asked.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Client {
    /// Asks, waiting at most `patience` for the answer's head, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        (method, path): (Method, &str),
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer<T>, Error> {
        let response = self.send(request(method, path, body), patience).await?;
        let body = self.body(response).await?;
        let json = String::from_utf8_lossy(&body).trim_end().to_owned();
        Answer::read(json).map_err(|error| self.unreadable(error))
    }

    /// Asks for an answer that does not end.
    pub(super) async fn stream(
        &self,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> Result<Lines, Error> {
        let response = self.send(request(method, path, body), PATIENCE).await?;
        Ok(Lines::new(response.into_body()))
    }

    /// What an answer means that is not what it should be.
    pub(super) fn unreadable(&self, error: serde_json::Error) -> Error {
        Error::Unreadable {
            socket: self.socket().into(),
            source: Arc::new(error),
        }
    }

    pub(super) fn silent(&self, patience: Duration) -> Error {
        Error::Silent {
            socket: self.socket().into(),
            patience,
        }
    }

    /// Gives what the agent did as asked.
    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Error> {
        let response = match timeout(patience, self.exchange(request)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.silent(patience)),
        };
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.refusal(response).await),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        let connected = UnixStream::connect(self.socket()).await;
        let stream = connected.map_err(|error| Error::connecting(self.socket().into(), error))?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| self.broken(error))?;
        tokio::spawn(connection);
        let answered = sender.send_request(request).await;
        answered.map_err(|error| self.broken(error))
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Bytes, Error> {
        match timeout(PATIENCE, response.into_body().collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.broken(error)),
            Err(_) => Err(self.silent(PATIENCE)),
        }
    }

    async fn refusal(&self, response: Response<Incoming>) -> Error {
        let status = response.status();
        let body = match self.body(response).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        Error::Refused {
            status: status.as_u16(),
            detail: self.detail(status, &body),
        }
    }

    fn detail(&self, status: StatusCode, body: &[u8]) -> String {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => problem.detail,
            Err(_) => format!("the agent at {} answered {status}", self.socket().display()),
        }
    }

    fn broken(&self, error: impl error::Error + Send + Sync + 'static) -> Error {
        Error::Broken {
            socket: self.socket().into(),
            source: Arc::new(io::Error::other(error)),
        }
    }
}

fn request(method: Method, path: &str, body: Option<&Value>) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(path);
    let builder = builder.header(header::HOST, "headcount");
    let (builder, body) = match body {
        None => (builder, Bytes::new()),
        Some(body) => (
            builder.header(header::CONTENT_TYPE, "application/json"),
            body.to_string().into(),
        ),
    };
    builder
        .body(Full::new(body))
        .expect("paths are made of escaped text")
}
