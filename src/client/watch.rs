//! `Watch`: the agent's stream for as long as anybody wants it, over every interruption.

use std::time::Duration;

use hyper::Method;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{
    Client, Confidence, Error, Filter, Record, View,
    cursor::Cursor,
    filter::{Query, time_text},
    lines::Lines,
};

/// A stream says that it is alive every 10 s. One that is silent for longer than three times
/// that is dead, whatever the connection pretends.
const SILENCE_MAX: Duration = Duration::from_secs(35);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A stream of changes that opens itself again and resumes where it was.
///
/// Made by [`Client::watch`]; what it should tell is said before it is first read.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    filter: Filter,
    types: Vec<String>,
    confidence: Option<Confidence>,
    settle: Option<Duration>,
    is_patient: bool,
    cursor: Cursor,
    stream: Option<Stream>,
    /// When it is tried to open the stream again, once it was told that there is none.
    retry_at: Option<Instant>,
    pause: Duration,
}

#[derive(Debug)]
struct Stream {
    lines: Lines,
    /// When it counts as dead unless it says something before.
    silent_at: Instant,
}

/// What a watch has to tell.
#[derive(Clone, Debug)]
pub enum Told {
    /// The stream that broke is open again. Whether anything was missed shows in what follows:
    /// nothing was if that is no snapshot.
    Back,
    /// The stream broke, or could not be opened at first; it is tried again from where it was.
    /// Told once, however often that fails.
    Lost(Error),
    /// One record, and the line that it was.
    Record(Record, String),
}

impl Watch {
    pub(super) fn new(client: Client, filter: Filter) -> Self {
        Self {
            client,
            filter,
            types: Vec::new(),
            confidence: None,
            settle: None,
            is_patient: false,
            cursor: Cursor::default(),
            stream: None,
            retry_at: None,
            pause: PAUSE_MIN,
        }
    }

    /// Tells only changes of these types, such as `failed`; of every type if none is given.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.types.extend(types.into_iter().map(Into::into));
        self
    }

    /// Tells failures only when they are this sure.
    #[must_use]
    pub const fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = Some(confidence);
        self
    }

    /// Begins only when nothing has changed for so long: one that starts together with its
    /// cluster does not see half of it.
    #[must_use]
    pub const fn settle(mut self, quiet: Duration) -> Self {
        self.settle = Some(quiet);
        self
    }

    /// Begins after change `seq` of the run `epoch` of the agent, with no snapshot if the agent
    /// still has what came then; 0 is before the first one. A position of another watch is good for
    /// this one only if it asks for the same.
    #[must_use]
    pub fn resume(mut self, epoch: impl Into<String>, seq: u64) -> Self {
        self.cursor = Cursor::after(epoch.into(), seq);
        self
    }

    /// Waits for an agent that is not there yet, too.
    #[must_use]
    pub const fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// The table of members that this watch keeps current, in a task of its own. It waits for an
    /// agent that is not there yet, begins with a snapshot and needs every type of change, whatever
    /// was said before.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn into_view(mut self) -> View {
        self.types.clear();
        self.cursor = Cursor::default();
        View::new(self.patient())
    }

    /// What comes next; never ends by itself. May be dropped half-way without losing anything.
    ///
    /// # Errors
    /// Before the first record anything that keeps the stream from being opened, unless the watch
    /// is [patient](Self::patient). Later only what trying again does not change: see
    /// [`Error::is_passing`].
    pub async fn next(&mut self) -> Result<Told, Error> {
        loop {
            let Some(stream) = &mut self.stream else {
                match self.open().await? {
                    Some(told) => return Ok(told),
                    None => continue,
                }
            };
            return match timeout_at(stream.silent_at, stream.lines.next()).await {
                Ok(Some(line)) => {
                    stream.silent_at = after(SILENCE_MAX);
                    self.take(line)
                }
                Ok(None) => Ok(self.lose(Error::Ended)),
                Err(_) => Ok(self.lose(self.client.silent(SILENCE_MAX))),
            };
        }
    }

    /// Forgets where it was: what comes next is a snapshot.
    pub fn begin_anew(&mut self) {
        self.cursor = Cursor::default();
        self.stream = None;
    }

    /// The members that it tells of.
    pub(super) const fn filter(&self) -> &Filter {
        &self.filter
    }

    fn take(&mut self, line: String) -> Result<Told, Error> {
        let record = line
            .parse::<Record>()
            .map_err(|error| self.client.unreadable(error))?;
        self.pause = PAUSE_MIN;
        self.is_patient = true;
        self.cursor.follow(&record);
        Ok(Told::Record(record, line))
    }

    fn lose(&mut self, why: Error) -> Told {
        self.stream = None;
        self.hold_off();
        Told::Lost(why)
    }

    /// Lets the agent rest, each time longer than before.
    fn hold_off(&mut self) {
        self.retry_at = Some(after(self.pause));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// Tries once, after a pause if it failed before; gives what is news of it.
    async fn open(&mut self) -> Result<Option<Told>, Error> {
        let is_lost = self.retry_at.is_some();
        if let Some(at) = self.retry_at {
            sleep_until(at).await;
        }
        let path = self.query().of("/v1/watch");
        match self.client.stream((Method::GET, &path), None).await {
            Ok(lines) => {
                let silent_at = after(SILENCE_MAX);
                self.stream = Some(Stream { lines, silent_at });
                self.retry_at = None;
                let is_back = is_lost && self.cursor.position().is_some();
                Ok(is_back.then_some(Told::Back))
            }
            Err(error) if !self.is_patient || !error.is_passing() => Err(error),
            Err(_) if is_lost => {
                self.hold_off();
                Ok(None)
            }
            Err(error) => Ok(Some(self.lose(error))),
        }
    }

    fn query(&self) -> Query {
        let mut query = self.filter.query();
        if !self.types.is_empty() {
            query.add("types", &self.types.join(","));
        }
        if let Some(confidence) = self.confidence {
            query.add("confidence", &confidence.to_string());
        }
        if let Some(quiet) = self.settle {
            query.add("settle", &time_text(quiet));
        }
        if let Some(position) = self.cursor.position() {
            query.add("resume", &position);
        }
        query
    }
}

/// A moment to come, whoever stops and begins waiting for it again. Nothing else asks for the time.
fn after(time: Duration) -> Instant {
    sleep(time).deadline()
}
