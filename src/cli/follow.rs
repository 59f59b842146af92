//! `Follower`: the agent's stream for as long as anybody wants it, over every interruption.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{
    Failure,
    client::{Client, Lines, Query},
    record::Record,
};

/// A stream says that it is alive every 10 s. One that is silent for longer than three times
/// that is dead, whatever the connection pretends.
const SILENCE_MAX: Duration = Duration::from_secs(35);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a follower has to tell.
#[derive(Debug)]
pub(super) enum Told {
    /// The stream that broke is open again. Whether anything was missed shows in what follows.
    Back,
    /// The stream broke; it is being opened again from where it was.
    Lost(String),
    /// One record, and the line that it was.
    Record(Box<Record>, String),
    /// The agent that comes back is another run of it: what it had told before does not count.
    Restarted(Box<Record>, String),
}

/// A stream that opens itself again and resumes where it was.
#[derive(Debug)]
pub(super) struct Follower {
    client: Client,
    query: Query,
    cursor: Cursor,
    lines: Option<Lines>,
    pause: Duration,
    is_patient: bool,
}

impl Follower {
    /// The stream of `client`, filtered by `query`. Fails when the agent is not there at first.
    pub(super) fn new(client: Client, query: Query) -> Self {
        Self {
            client,
            query,
            cursor: Cursor::default(),
            lines: None,
            pause: PAUSE_MIN,
            is_patient: false,
        }
    }

    /// Waits for an agent that is not there yet, too.
    pub(super) fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// What comes next. Ends only by failing, and that only before the first record.
    pub(super) async fn next(&mut self) -> Result<Told, Failure> {
        loop {
            let Some(lines) = &mut self.lines else {
                self.connect().await?;
                if self.cursor.position().is_some() {
                    return Ok(Told::Back);
                }
                continue;
            };
            match timeout(SILENCE_MAX, lines.next()).await {
                Ok(Some(line)) => return self.take(line),
                Ok(None) => return Ok(self.lost("the stream ended")),
                Err(_) => return Ok(self.lost("the stream fell silent")),
            }
        }
    }

    fn take(&mut self, line: String) -> Result<Told, Failure> {
        let record: Record = serde_json::from_str(&line).map_err(|error| {
            let socket = self.client.socket().display();
            Failure::trouble(format!("{socket} sent what is no record: {error}"))
        })?;
        self.pause = PAUSE_MIN;
        self.is_patient = true;
        let is_restart = self.cursor.follow(&record);
        let record = Box::new(record);
        Ok(match is_restart {
            true => Told::Restarted(record, line),
            false => Told::Record(record, line),
        })
    }

    fn lost(&mut self, why: &str) -> Told {
        self.lines = None;
        Told::Lost(why.into())
    }

    /// Tries until it succeeds, ever more slowly; the first time of all may fail for good.
    async fn connect(&mut self) -> Result<(), Failure> {
        let mut query = self.query.clone();
        if let Some(position) = self.cursor.position() {
            query.add("resume", &position);
        }
        let path = query.of("/v1/watch");
        loop {
            match self.client.lines(&path).await {
                Ok(lines) => {
                    self.lines = Some(lines);
                    return Ok(());
                }
                Err(failure) if !self.is_patient => return Err(failure),
                Err(_) => {
                    sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }
}

/// Where in the stream we are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cursor {
    epoch: Option<String>,
    seq: u64,
}

impl Cursor {
    /// Moves past `record`. Whether it is the first of another run of the agent.
    fn follow(&mut self, record: &Record) -> bool {
        let before = self.epoch.clone();
        if record.kind == "snapshot" {
            self.epoch.clone_from(&record.epoch);
        }
        // A gap has no number of its own: until its snapshot came we are still before it.
        self.seq = record.seq.unwrap_or(self.seq);
        before.is_some() && before != self.epoch
    }

    /// What to say to go on from here, once a snapshot said where here is.
    fn position(&self) -> Option<String> {
        let epoch = self.epoch.as_ref()?;
        Some(format!("{epoch}:{}", self.seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(cursor: &mut Cursor, line: &str) -> bool {
        cursor.follow(&serde_json::from_str(line).unwrap())
    }

    #[test]
    fn it_resumes_after_the_last_record() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.position(), None);
        let snapshot = r#"{"type":"snapshot","epoch":"5f","seq":41,"at":"","members":[]}"#;
        assert!(!follow(&mut cursor, snapshot));
        assert_eq!(cursor.position().unwrap(), "5f:41");
        assert!(!follow(
            &mut cursor,
            r#"{"type":"isolated","seq":42,"at":""}"#
        ));
        assert!(!follow(
            &mut cursor,
            r#"{"type":"heartbeat","seq":43,"at":""}"#
        ));
        assert_eq!(cursor.position().unwrap(), "5f:43");
    }

    #[test]
    fn a_gap_is_passed_only_with_its_snapshot() {
        let mut cursor = Cursor {
            epoch: Some("5f".into()),
            seq: 42,
        };
        assert!(!follow(&mut cursor, r#"{"type":"gap","from":43,"to":910}"#));
        assert_eq!(cursor.position().unwrap(), "5f:42");
        let snapshot = r#"{"type":"snapshot","epoch":"5f","seq":910,"at":"","members":[]}"#;
        assert!(!follow(&mut cursor, snapshot));
        assert_eq!(cursor.position().unwrap(), "5f:910");
    }

    #[test]
    fn another_epoch_is_another_run() {
        let mut cursor = Cursor {
            epoch: Some("5f".into()),
            seq: 910,
        };
        let snapshot = r#"{"type":"snapshot","epoch":"60","seq":1,"at":"","members":[]}"#;
        assert!(follow(&mut cursor, snapshot));
        assert_eq!(cursor.position().unwrap(), "60:1");
    }
}
