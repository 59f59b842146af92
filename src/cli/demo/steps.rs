//! `Steps`: what the demo does, and the waiting until it had its effect.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::Cluster;
use crate::cli::{
    Failure, Output,
    client::{Client, Query},
    follow::{Follower, Told},
    members,
    output::strong,
    record::{Listing, Record},
    story::Story,
};

/// While waiting for the stream, see this often whether everyone is still there.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often before giving up.
const LOOKS_MAX: u32 = 40;
const OBSERVER: &str = "n1";
const OTHERS: [&str; 4] = ["n2", "n3", "n4", "n5"];
const VICTIM: &str = "n4";
const LEAVER: &str = "n5";

/// The demo's director: acts on the cluster, and watches one agent like any other consumer.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    cluster: &'a mut Cluster,
    output: &'a mut Output,
    stream: Follower,
    story: Story,
    number: usize,
}

impl<'a> Steps<'a> {
    /// Plays everything from the first agent to the last goodbye.
    pub(super) async fn play(
        cluster: &'a mut Cluster,
        output: &'a mut Output,
    ) -> Result<(), Failure> {
        let client = Client::new(cluster.socket(OBSERVER));
        let mut steps = Self {
            cluster,
            output,
            stream: Follower::new(client, Query::default()).patient(),
            story: Story::default(),
            number: 0,
        };
        let seed = steps.found().await?;
        let place = steps.gather(&seed).await?;
        steps.kill().await?;
        steps.revive(&place, &seed).await?;
        steps.leave().await?;
        steps.list().await
    }

    /// Starts the first agent; gives its address.
    async fn found(&mut self) -> Result<String, Failure> {
        let dir = self.cluster.dir().display().to_string();
        self.say(&format!(
            "Starting {OBSERVER}, with its files in {dir}. This is what it tells, live:"
        ))?;
        self.cluster.start(OBSERVER, "127.0.0.1:0", None)?;
        let snapshot = self.until("snapshot", OBSERVER).await?;
        let own = snapshot.everyone().first();
        Ok(own.map(|member| member.address.clone()).unwrap_or_default())
    }

    /// Starts the others; gives the victim's address.
    async fn gather(&mut self, seed: &str) -> Result<String, Failure> {
        let others = OTHERS.join(", ");
        self.say(&format!(
            "Starting {others}: each is told {OBSERVER}'s address and nothing else."
        ))?;
        for name in OTHERS {
            self.cluster.start(name, "127.0.0.1:0", Some(seed))?;
        }
        let mut missing = OTHERS.to_vec();
        let mut place = String::new();
        while !missing.is_empty() {
            let record = self.until("join", "").await?;
            let member = record.member.unwrap_or_default();
            missing.retain(|name| *name != member.name);
            if member.name == VICTIM {
                place = member.address;
            }
        }
        Ok(place)
    }

    async fn kill(&mut self) -> Result<(), Failure> {
        let id = self.cluster.kill(VICTIM).unwrap_or_default();
        self.say(&format!(
            "Killed {VICTIM} as `kill -9 {id}` does: suspected first, failed when it stays silent."
        ))?;
        self.until("suspect", VICTIM).await?;
        self.until("failed", VICTIM).await?;
        Ok(())
    }

    async fn revive(&mut self, place: &str, seed: &str) -> Result<(), Failure> {
        self.say(&format!(
            "Starting {VICTIM} again: the same member, one generation later."
        ))?;
        self.cluster.start(VICTIM, place, Some(seed))?;
        let join = self.until("join", VICTIM).await?;
        match join.previous.as_deref() {
            Some("failed") => Ok(()),
            _ => Err(Failure::no(format!(
                "{VICTIM} came back, but not as one that had failed"
            ))),
        }
    }

    async fn leave(&mut self) -> Result<(), Failure> {
        self.say(&format!(
            "Asking {LEAVER} to leave: it says goodbye, so nobody takes it for failed."
        ))?;
        self.cluster.dismiss(LEAVER);
        let client = Client::new(self.cluster.socket(LEAVER));
        client
            .post("/v1/leave", &json!({"reason": "the demo is over"}))
            .await?;
        self.until("left", LEAVER).await?;
        Ok(())
    }

    /// Ends with what `headcount members` shows.
    async fn list(&mut self) -> Result<(), Failure> {
        self.say(&format!("Who there is now, as {OBSERVER} knows it:"))?;
        let client = Client::new(self.cluster.socket(OBSERVER));
        let listing: Listing = client.get("/v1/members").await?.read()?;
        for line in members::table(&listing) {
            self.output.data(format_args!("   {line}"))?;
        }
        Ok(())
    }

    /// Announces the next step.
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.number += 1;
        let heading = strong(format_args!("{}. {text}", self.number));
        self.output.data(heading)
    }

    /// Shows what the observer tells until it tells a `kind` about the member called `name`, or
    /// about anybody if that is empty.
    async fn until(&mut self, kind: &str, name: &str) -> Result<Record, Failure> {
        for _ in 0..LOOKS_MAX {
            if let Ok(found) = timeout(LOOK_EVERY, self.show_until(kind, name)).await {
                return found;
            }
            if let Some(failure) = self.cluster.casualty() {
                return Err(failure);
            }
        }
        let about = if name.is_empty() { "the others" } else { name };
        let seconds = (LOOK_EVERY * LOOKS_MAX).as_secs();
        let text = format!("{OBSERVER} told no `{kind}` about {about} within {seconds} s");
        Err(Failure::no(text))
    }

    async fn show_until(&mut self, kind: &str, name: &str) -> Result<Record, Failure> {
        loop {
            let record = match self.stream.next().await? {
                Told::Lost(why) => return Err(Failure::no(format!("{OBSERVER}: {why}"))),
                Told::Record(record, _) | Told::Restarted(record, _) => *record,
                Told::Back => continue,
            };
            for line in self.story.lines(&record) {
                self.output.data(format_args!("   {line}"))?;
            }
            let subject = record.member.iter().chain(record.everyone()).next();
            let is_about = name.is_empty() || subject.is_some_and(|member| member.name == name);
            if record.kind == kind && is_about {
                return Ok(record);
            }
        }
    }
}
