//! `Lines`: a body that does not end, line by line.

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Longest line that a stream may have: a snapshot of some million members.
const LINE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The lines of a body that does not end.
#[derive(Debug)]
pub(super) struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line end.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Incoming) -> Self {
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
