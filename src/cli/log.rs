//! `Log`: the agent's log on its way to standard error, which may be a pipe that nobody empties.
//!
//! Whoever logs only puts a line into a bounded queue; a thread of its own writes it. A full
//! queue loses lines, counts them and says so once the reader is back: the protocol never waits
//! for whoever should read. It does not rotate, compress or keep anything.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a slow reader.
const LINES_QUEUED_MAX: usize = 8_192;

/// Where lines are put. Clones are the same queue.
#[derive(Clone)]
pub(super) struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    /// Lines lost since we last said so.
    lost: u64,
    /// A line was taken and is not written yet.
    is_writing: bool,
}

impl Log {
    /// A log whose lines a thread writes to `sink`, one at a time.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(super) fn start(sink: impl io::Write + Send + 'static) -> io::Result<Self> {
        let log = Self(Arc::default());
        let writer = log.clone();
        let body = move || writer.write_to(sink);
        thread::Builder::new().name("log".into()).spawn(body)?;
        Ok(log)
    }

    /// Waits until everything is written, `patience` at most.
    pub(super) fn finish(&self, patience: Duration) {
        let busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        let queue = self.queue();
        // Whatever is left then, nobody reads.
        let _ = self.0.changed.wait_timeout_while(queue, patience, busy);
    }

    fn write_to(&self, mut sink: impl io::Write) {
        loop {
            let (line, lost) = self.next();
            if lost > 0 {
                warn!(lost, "the log was not read in time: lines are missing");
            }
            // A reader that is gone for good is no reason to end.
            let _ = sink.write_all(&line);
            self.queue().is_writing = false;
            self.0.changed.notify_all();
        }
    }

    /// The next line, and how many were lost if it is the last one from before they were.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut queue = self.queue();
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.is_writing = true;
                // Only with room to say so, or the loss itself would be lost.
                let lost = match queue.lines.is_empty() {
                    true => std::mem::take(&mut queue.lost),
                    false => 0,
                };
                return (line, lost);
            }
            let changed = self.0.changed.wait(queue);
            queue = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Held for as long as it takes to move one line.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Log").finish_non_exhaustive()
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// One call is one line: so the subscriber writes them.
impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.queue();
        match queue.lines.len() < LINES_QUEUED_MAX {
            true => queue.lines.push_back(line.to_vec()),
            false => queue.lost += 1,
        }
        drop(queue);
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::mpsc};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Takes a line each time somebody asks for one.
    struct Reluctant(mpsc::SyncSender<String>);

    impl Write for Reluctant {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(line).into_owned();
            self.0.send(text).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_loses_lines_and_is_told_how_many() {
        let (sink, reader) = mpsc::sync_channel(0);
        let mut log = Log(Arc::default());
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(lines.with_writer(log.clone()));
        thread::spawn(move || {
            tracing::subscriber::with_default(subscriber, || writer.write_to(Reluctant(sink)));
        });
        log.write_all(b"first").unwrap();
        // The writer holds it until we ask, and holds nothing more.
        while !log.queue().is_writing {
            thread::yield_now();
        }
        for _ in 0..LINES_QUEUED_MAX + 3 {
            log.write_all(b"more").unwrap();
        }
        log.finish(Duration::from_millis(1));
        assert_eq!(log.queue().lost, 3);
        assert_eq!(reader.recv().unwrap(), "first");
        for _ in 0..LINES_QUEUED_MAX {
            assert_eq!(reader.recv().unwrap(), "more");
        }
        let told = reader.recv().unwrap();
        assert!(
            told.contains("lines are missing") && told.contains("lost=3"),
            "{told}"
        );
        log.finish(Duration::from_secs(60));
        assert!(!log.queue().is_writing);
    }
}
