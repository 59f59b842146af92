//! `Rpc`: Serf's own protocol for consumers: MessagePack maps over TCP, a header before each body.

use std::{io, net::SocketAddr};

use rmp_serde::decode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::cli::bench::site::Host;

/// The version of the protocol that every Serf since 0.1 speaks.
const VERSION: u8 = 1;

/// A connection to an agent.
#[derive(Debug)]
pub(super) struct Rpc {
    stream: TcpStream,
    /// Came, and is not read yet.
    buffer: Vec<u8>,
    requests: u64,
}

/// What every answer begins with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    /// The request's number.
    seq: u64,
    error: String,
}

impl Rpc {
    /// Connects from `host`, and greets.
    pub(super) async fn connect(host: &Host, to: SocketAddr) -> io::Result<Self> {
        let stream = host.connect(to)?;
        stream.set_nonblocking(true)?;
        let mut rpc = Self {
            stream: TcpStream::from_std(stream)?,
            buffer: Vec::new(),
            requests: 0,
        };
        rpc.ask("handshake", Some(json!({"Version": VERSION})))
            .await?;
        Ok(rpc)
    }

    /// Asks, and waits for the answer's header. Gives the request's number.
    pub(super) async fn ask(&mut self, command: &str, body: Option<Value>) -> io::Result<u64> {
        let number = self.send(command, body).await?;
        while self.header().await? != number {}
        Ok(number)
    }

    /// Asks without waiting. Gives the request's number.
    pub(super) async fn send(&mut self, command: &str, body: Option<Value>) -> io::Result<u64> {
        self.requests += 1;
        let header = json!({"Command": command, "Seq": self.requests});
        for part in std::iter::once(header).chain(body) {
            let bytes = rmp_serde::to_vec(&part).map_err(io::Error::other)?;
            self.stream.write_all(&bytes).await?;
        }
        Ok(self.requests)
    }

    /// The next header: the number of the request that it answers.
    pub(super) async fn header(&mut self) -> io::Result<u64> {
        let header: Header = self.read().await?;
        match header.error.as_str() {
            "" => Ok(header.seq),
            error => Err(io::Error::other(error.to_owned())),
        }
    }

    /// What comes next.
    pub(super) async fn read<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        loop {
            let mut rest = &*self.buffer;
            match rmp_serde::from_read(&mut rest) {
                Ok(value) => {
                    let read = self.buffer.len() - rest.len();
                    self.buffer.drain(..read);
                    return Ok(value);
                }
                Err(error) if is_half(&error) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Whether more has to come.
fn is_half(error: &decode::Error) -> bool {
    match error {
        decode::Error::InvalidMarkerRead(error) | decode::Error::InvalidDataRead(error) => {
            error.kind() == io::ErrorKind::UnexpectedEof
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_may_come_in_pieces() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut agent, _) = listener.accept().await.unwrap();
        let answer = b"\x82\xa5Error\xa0\xa3Seq\x02\xa5after".as_slice();
        let mut rpc = Rpc {
            stream,
            // What is there is no whole header.
            buffer: answer[..6].to_vec(),
            requests: 2,
        };
        agent.write_all(&answer[6..]).await.unwrap();
        assert_eq!(rpc.header().await.unwrap(), 2);
        assert_eq!(rpc.read::<String>().await.unwrap(), "after");
        drop(agent);
        let ended = rpc.header().await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    }
}
