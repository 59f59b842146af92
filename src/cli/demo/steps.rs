//! `Steps`: what the demo does, and the waiting until it had its effect.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    cli::{
        Failure, Output,
        cluster::Cluster,
        members,
        output::strong,
        story::{Story, about},
        tag_list::Extent,
    },
    client::{Client, Filter, Record, State, Told, Watch, What},
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
    stream: Watch,
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
            stream: client.watch(&Filter::default()).patient(),
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
        let seed = self.until("a snapshot", |record| match record {
            Record::Snapshot(snapshot) => Some(snapshot.members.first()?.address),
            _ => None,
        });
        Ok(seed.await?.to_string())
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
        let mut place = None;
        let place = self.until("that all of them joined", |record| {
            let joined = about(record, |what| matches!(what, What::Join { .. }))?;
            missing.retain(|name| *name != joined.name);
            if joined.name == VICTIM {
                place = Some(joined.address);
            }
            place.filter(|_| missing.is_empty())
        });
        Ok(place.await?.to_string())
    }

    async fn kill(&mut self) -> Result<(), Failure> {
        let id = self.cluster.processes.kill(VICTIM).unwrap_or_default();
        self.say(&format!(
            "Killed {VICTIM} as `kill -9 {id}` does: suspected first, failed when it stays silent."
        ))?;
        self.until_told(What::Suspect, VICTIM).await?;
        self.until_told(What::Failed, VICTIM).await
    }

    async fn revive(&mut self, place: &str, seed: &str) -> Result<(), Failure> {
        self.say(&format!(
            "Starting {VICTIM} again: the same member, one generation later."
        ))?;
        self.cluster.start(VICTIM, place, Some(seed))?;
        let previous = Some(State::Failed);
        self.until_told(What::Join { previous }, VICTIM).await
    }

    async fn leave(&mut self) -> Result<(), Failure> {
        self.say(&format!(
            "Asking {LEAVER} to leave: it says goodbye, so nobody takes it for failed."
        ))?;
        self.cluster.processes.dismiss(LEAVER);
        let client = Client::new(self.cluster.socket(LEAVER));
        client.leave(Some("the demo is over")).await?;
        self.until_told(What::Left, LEAVER).await
    }

    /// Ends with what `headcount members` shows.
    async fn list(&mut self) -> Result<(), Failure> {
        self.say(&format!("Who there is now, as {OBSERVER} knows it:"))?;
        let client = Client::new(self.cluster.socket(OBSERVER));
        let listing = client.members(&Filter::default(), &[]).await?;
        for line in members::table(&listing, Extent::Column) {
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

    /// Shows what the observer tells until it tells `what` of the member called `name`.
    async fn until_told(&mut self, what: What, name: &str) -> Result<(), Failure> {
        let wanted = format!("`{what:?}` about {name}").to_lowercase();
        self.until(&wanted, |record| {
            let member = about(record, |told| *told == what)?;
            (member.name == name).then_some(())
        })
        .await
    }

    /// Shows what the observer tells until `look` finds in it `what` is waited for.
    async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Record) -> Option<T>,
    ) -> Result<T, Failure> {
        for _ in 0..LOOKS_MAX {
            if let Ok(found) = timeout(LOOK_EVERY, self.show_until(&mut look)).await {
                return found;
            }
            self.cluster.processes.all_run()?;
        }
        let seconds = (LOOK_EVERY * LOOKS_MAX).as_secs();
        let text = format!("{OBSERVER} did not tell {what} within {seconds} s");
        Err(Failure::no(text))
    }

    async fn show_until<T>(
        &mut self,
        look: &mut impl FnMut(&Record) -> Option<T>,
    ) -> Result<T, Failure> {
        loop {
            // Whether the observer has ended is seen elsewhere.
            let Told::Record(record, _) = self.stream.next().await? else {
                continue;
            };
            for line in self.story.lines(&record) {
                self.output.data(format_args!("   {line}"))?;
            }
            if let Some(found) = look(&record) {
                return Ok(found);
            }
        }
    }
}
