//! The head of a request: read and checked before hyper sees it.
//!
//! hyper refuses a head that it cannot read without saying why. So nothing reaches it that it
//! would refuse: here each refusal is a problem document.

use std::fmt::Display;

use axum::http::{StatusCode, Uri};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Problem;

/// Largest head of a request, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request.
pub(super) const HEADERS_MAX: usize = 64;
/// Longest body that hyper counts; greater numbers mean other things to it.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// Why a connection did not get to ask.
#[derive(Debug)]
pub(super) enum Unheard {
    Gone,
    Refused(Problem),
}

/// Reads until a whole head is heard, or what cannot be one.
pub(super) async fn read_head<T>(stream: &mut T, heard: &mut BytesMut) -> Result<(), Unheard>
where
    T: AsyncRead + Unpin,
{
    loop {
        let read = stream.read_buf(heard).await.map_err(|_| Unheard::Gone)?;
        if read == 0 {
            return Err(Unheard::Gone);
        }
        // A head that comes byte by byte is looked at once a line.
        let is_first = heard.len() == read;
        if (is_first || heard[heard.len() - read..].contains(&b'\n')) && is_whole(heard)? {
            return Ok(());
        }
        if heard.len() > HEAD_BYTES_MAX {
            return Err(too_large());
        }
    }
}

/// Whether `heard` holds a whole head.
fn is_whole(heard: &[u8]) -> Result<bool, Unheard> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(heard) {
        Ok(httparse::Status::Partial) => Ok(false),
        Ok(httparse::Status::Complete(size)) if size > HEAD_BYTES_MAX => Err(too_large()),
        Ok(httparse::Status::Complete(_)) => match flaw(&request) {
            Some(flaw) => Err(malformed(flaw)),
            None => Ok(true),
        },
        Err(httparse::Error::TooManyHeaders) => Err(too_large()),
        Err(error) => Err(malformed(error)),
    }
}

/// What hyper would refuse in a head that can be read: its target, and how long its body is
/// (RFC 9112, 3.2 and 6).
fn flaw(request: &httparse::Request<'_, '_>) -> Option<&'static str> {
    let is_target = |path: &str| path.parse::<Uri>().is_ok();
    if !request.path.is_some_and(is_target) {
        return Some("what it asks for is no URI");
    }
    let mut lengths = values(request, "content-length").map(length);
    let first = lengths.next();
    if first == Some(None) || lengths.any(|other| Some(other) != first) {
        return Some("Content-Length must be one number");
    }
    let codings = values(request, "transfer-encoding").last()?;
    let coding = codings.rsplit(|byte| *byte == b',').next()?;
    let is_chunked = coding.trim_ascii().eq_ignore_ascii_case(b"chunked") && codings.is_ascii();
    let is_fine = is_chunked && request.version == Some(1) && first.is_none();
    (!is_fine)
        .then_some("Transfer-Encoding must end with chunked, and stand without Content-Length")
}

fn values<'a>(
    request: &'a httparse::Request<'_, '_>,
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    let named = request.headers.iter();
    named
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

fn length(value: &[u8]) -> Option<u64> {
    let is_number = value.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok().filter(|length| *length <= LENGTH_MAX)
}

fn malformed(flaw: impl Display) -> Unheard {
    let detail = format!("this is not HTTP/1.1: {flaw}");
    Unheard::Refused(Problem::bad_request(detail))
}

fn too_large() -> Unheard {
    let detail = format!(
        "the request's head is larger than {HEAD_BYTES_MAX} bytes or {HEADERS_MAX} headers"
    );
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Unheard::Refused(Problem::new(status, detail))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    async fn hear(said: &[u8]) -> Result<BytesMut, Unheard> {
        let (mut near, mut far) = duplex(1 << 20);
        far.write_all(said).await.unwrap();
        far.shutdown().await.unwrap();
        let mut heard = BytesMut::new();
        read_head(&mut near, &mut heard).await.map(|()| heard)
    }

    #[tokio::test]
    async fn a_whole_head_is_heard_and_what_came_with_it() {
        let said = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nmore";
        assert_eq!(hear(said).await.unwrap(), &said[..]);
        assert!(matches!(hear(b"").await, Err(Unheard::Gone)));
        assert!(matches!(hear(&said[..20]).await, Err(Unheard::Gone)));
    }

    #[tokio::test]
    async fn heads_whose_bodies_have_a_length_are_heard() {
        for framing in [
            "Content-Length: 3",
            "Content-Length: 3\r\nContent-Length: 3",
            "Transfer-Encoding: chunked",
            "transfer-encoding: gzip, Chunked",
        ] {
            let said = format!("PUT /v1/tags HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n");
            assert_eq!(hear(said.as_bytes()).await.unwrap(), said.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_head_that_cannot_be_read_is_refused_with_a_reason() {
        let huge = format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            "x".repeat(HEAD_BYTES_MAX)
        );
        let endless = huge.trim_end();
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "X: y\r\n".repeat(HEADERS_MAX + 1)
        );
        for (said, status) in [
            (huge.as_bytes(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            (
                endless.as_bytes(),
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ),
            (many.as_bytes(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            (b"\x16\x03\x01", StatusCode::BAD_REQUEST),
            (b"hello?\r\n", StatusCode::BAD_REQUEST),
            (b"GET :: HTTP/1.1\r\n\r\n", StatusCode::BAD_REQUEST),
            (
                b"PUT / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
            (
                b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
            (
                b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
            (
                b"PUT / HTTP/1.1\r\nTransfer-Encoding: unchunked\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
            (
                b"PUT / HTTP/1.1\r\nTransfer-Encoding: \xff, chunked\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
            (
                b"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551614\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
            (
                b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
            (
                b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                StatusCode::BAD_REQUEST,
            ),
        ] {
            let Err(Unheard::Refused(problem)) = hear(said).await else {
                panic!("{said:?} is no request");
            };
            assert_eq!(problem.status(), status);
        }
    }
}
