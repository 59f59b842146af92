//! HTTP/1.1 in as few lines as the local API needs, so that the tests share no code with it.

use std::io::{BufRead, BufReader, Read, Write};

use serde_json::Value;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Sends `request` as it is and reads the answer.
///
/// # Panics
/// When the other side does not answer in HTTP.
pub(crate) fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Response {
    // A server may answer, and hang up, before it has read everything.
    let _ = stream.write_all(request);
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader).expect("an HTTP answer");
    let mut body = Vec::new();
    Body::new(reader, &headers)
        .read_to_end(&mut body)
        .expect("the whole body");
    Response {
        status,
        headers,
        body,
    }
}

/// A status code and the headers.
pub(crate) type Head = (u16, Vec<(String, String)>);

/// The status line and the headers; `None` when the stream ended before.
pub(crate) fn read_head(reader: &mut impl BufRead) -> Option<Head> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.trim().parse().ok()?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((key, value)) = line.trim_end().split_once(':') else {
            return Some((status, headers));
        };
        headers.push((key.trim().to_owned(), value.trim().to_owned()));
    }
}

/// Reads a body to its end, however it is framed.
pub(crate) struct Body<R> {
    reader: R,
    framing: Framing,
}

enum Framing {
    /// Bytes left of this chunk.
    Chunked(u64),
    Length(u64),
    UntilEnd,
}

impl<R: BufRead> Body<R> {
    pub(crate) fn new(reader: R, headers: &[(String, String)]) -> Self {
        let length = find(headers, "content-length").and_then(|value| value.parse().ok());
        let framing = match (find(headers, "transfer-encoding"), length) {
            (Some(_), _) => Framing::Chunked(0),
            (None, Some(length)) => Framing::Length(length),
            (None, None) => Framing::UntilEnd,
        };
        Self { reader, framing }
    }

    /// Opens the next chunk and gives its size, zero at the end.
    fn next_chunk(&mut self) -> std::io::Result<u64> {
        let mut line = String::new();
        while line.trim().is_empty() {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                return Ok(0);
            }
        }
        u64::from_str_radix(line.trim(), 16)
            .map_err(|error| std::io::Error::other(format!("chunk size {line:?}: {error}")))
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if matches!(self.framing, Framing::Chunked(0)) {
            self.framing = match self.next_chunk()? {
                0 => Framing::Length(0),
                size => Framing::Chunked(size),
            };
        }
        let (Framing::Chunked(left) | Framing::Length(left)) = &mut self.framing else {
            return self.reader.read(buffer);
        };
        let size = self.reader.by_ref().take(*left).read(buffer)?;
        *left -= size as u64;
        Ok(size)
    }
}
