//! What happens to one agent, again and again, and when the consumers of the others hear of it.

use std::{ops::Range, time::Duration};

use rand::RngExt;

use super::{Heard, Metric, Peer, Phase, Round};
use crate::cli::{Failure, bench::crowd::Word};

/// Before each blow, so that the dice decide when in a probe period it falls: a period long.
const BREATH_MS: Range<u64> = 100..1_100;
/// Before an event, which no period has to do with.
const SHORT_BREATH_MS: Range<u64> = 50..150;

impl<P: Peer> Round<'_, '_, P> {
    /// One after the other for as long as the plan says, at least one.
    pub(super) async fn blows(&mut self, phase: Phase) -> Result<(), Failure> {
        let until = self.clock.elapsed() + phase.lasts(self.turn.plan.time);
        loop {
            let breath = match phase {
                Phase::Event => SHORT_BREATH_MS,
                _ => BREATH_MS,
            };
            let breath = Duration::from_millis(self.dice.random_range(breath));
            self.listen(breath).await;
            match phase {
                Phase::Event => self.event().await?,
                Phase::Restart => self.restart().await?,
                Phase::Leave => self.leave().await?,
                _ => self.crash().await?,
            }
            self.everybody("afterwards").await?;
            if self.clock.elapsed() >= until {
                return Ok(());
            }
        }
    }

    async fn event(&mut self) -> Result<(), Failure> {
        let sender = self.victim();
        let everybody = self.agents.iter().map(|agent| agent.name.clone()).collect();
        let begun = self.clock.elapsed();
        self.peer.raise(&sender).await?;
        let told = |heard: &Heard| heard.word == Word::User;
        let times = self.all("the user event", everybody, told).await?;
        self.note_time(Metric::Event, times.last - begun);
        Ok(())
    }

    /// Kills an agent, and starts it again when all know.
    async fn crash(&mut self) -> Result<(), Failure> {
        let victim = self.victim();
        let others = self.others(&victim);
        let begun = self.clock.elapsed();
        self.end(&victim);
        let mut suspected = None;
        let failed = says(&victim.name, Word::Failed);
        let is_suspect = says(&victim.name, Word::Suspect);
        let told = |heard: &Heard| {
            if is_suspect(heard) {
                suspected.get_or_insert(heard.at);
            }
            failed(heard)
        };
        let times = self.all("of the failure", others.clone(), told).await?;
        if let Some(suspected) = suspected {
            self.note_time(Metric::CrashSuspected, suspected - begun);
        }
        self.note_time(Metric::CrashFirst, times.first - begun);
        self.note_time(Metric::CrashLast, times.last - begun);
        let begun = self.clock.elapsed();
        self.start_again(&victim).await?;
        let joined = says(&victim.name, Word::Join);
        let times = self.all("of the return", others, joined).await?;
        self.note_time(Metric::Rejoin, times.last - begun);
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), Failure> {
        let victim = self.victim();
        let others = self.others(&victim);
        let begun = self.clock.elapsed();
        self.end(&victim);
        self.start_again(&victim).await?;
        let restarted = says(&victim.name, Word::Restart);
        let times = self.all("of the restart", others, restarted).await?;
        self.note_time(Metric::Restart, times.last - begun);
        Ok(())
    }

    /// Has an agent say goodbye, and starts it again when all know.
    async fn leave(&mut self) -> Result<(), Failure> {
        let victim = self.victim();
        let others = self.others(&victim);
        self.peer.processes_mut().dismiss(&victim.name);
        let begun = self.clock.elapsed();
        self.peer.leave(&victim).await?;
        let left = says(&victim.name, Word::Left);
        let times = self.all("of the goodbye", others, left).await?;
        self.note_time(Metric::Leave, times.last - begun);
        self.end(&victim);
        self.start_again(&victim).await
    }
}

/// Knows what says `word` of the member called `name`.
fn says(name: &str, word: Word) -> impl Fn(&Heard) -> bool {
    move |heard| heard.word == word && heard.about == name
}
