//! `headcount watch`: every change as it happens, over every interruption.

use std::{future::pending, time::Duration};

use tokio::{
    signal::ctrl_c,
    time::{interval, sleep},
};

use super::{
    Failure, Output, Target,
    members::{filter, tag},
    moment::parse_duration,
    output::is_unread,
    story::Story,
    tag_list::Extent,
};
use crate::client::{self, Confidence, Record, Told};

/// How often it is asked whether anybody still reads. A pipe says so only when it is written to or
/// asked, and a quiet cluster, or an agent that is gone, gives nothing to write.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Print every membership change as it happens
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Begins with everyone there is, then prints each change. When the agent goes \
    away, watch waits for it\nand goes on where it was; when changes were missed, it says so."
)]
pub(super) struct Args {
    /// Print the agent's own records, one JSON object a line
    #[arg(long)]
    json: bool,
    /// Show all tags and the whole of each
    #[arg(long, conflicts_with = "json")]
    no_trunc: bool,
    /// Only these types of changes, such as suspect,failed [default: all]
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', num_args = 1..)]
    types: Vec<String>,
    /// Only members with this tag; all of them if more than one is given
    #[arg(long = "tag", value_name = "KEY=VALUE", num_args = 1.., value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Only the member with this name; any of them if more than one is given
    #[arg(long = "name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
    /// How sure the agent must be of a failure: suspect, failed, or stable:TIME for what has lasted
    #[arg(long, value_name = "LEVEL", default_value = "suspect")]
    confidence: Confidence,
    /// Begin when nobody came or went for so long, such as 2s [default: at once]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    settle: Option<Duration>,
    /// Skip the members that are there at the beginning
    #[arg(long)]
    no_snapshot: bool,
    /// Begin with the first change of the agent's run instead of the members, so that events are
    /// told, too, that it heard before this; with the members after all if it forgot the first
    #[arg(long, conflicts_with = "settle")]
    from_start: bool,
    /// End after this many changes [default: never]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after this time, such as 30s; with exit code 1 if --count says that there should have
    /// been more changes [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let client = args.target.clone().client()?;
    let stream = client.watch(&filter(&args.tags, &args.names));
    let mut stream = stream.types(&args.types).confidence(args.confidence);
    if let Some(quiet) = args.settle {
        stream = stream.settle(quiet);
    }
    if args.from_start {
        let status = client.status().await?;
        stream = stream.resume(&status.epoch, 0);
    }
    let limit = args.timeout;
    let mut watch = Watch {
        story: Story::new(Extent::of(args.no_trunc)),
        epoch: None,
        seen: 0,
        args,
        output,
    };
    tokio::select! {
        // Whoever interrupts a watch has seen enough.
        _ = ctrl_c() => return Ok(()),
        end = watch.follow(stream) => return end,
        () = unread() => return Err(Failure::unread()),
        () = over(limit) => {}
    }
    watch.verdict()
}

/// Waits for as long as `limit` says; for ever if it says nothing.
async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}

/// Waits until whoever read standard output is gone.
async fn unread() {
    let mut turns = interval(ASK_EVERY);
    while !is_unread() {
        turns.tick().await;
    }
}

struct Watch<'a> {
    args: Args,
    output: &'a mut Output,
    story: Story,
    /// The run of the agent that is told of.
    epoch: Option<String>,
    /// Changes so far.
    seen: u64,
}

impl Watch<'_> {
    async fn follow(&mut self, mut stream: client::Watch) -> Result<(), Failure> {
        while self.args.count.is_none_or(|count| self.seen < count) {
            match stream.next().await? {
                Told::Back => self.output.talk("reconnected"),
                Told::Lost(why) => self.output.talk(format_args!("{why}; reconnecting")),
                Told::Record(record, line) => self.tell(&record, &line)?,
            }
        }
        Ok(())
    }

    /// The time is over.
    fn verdict(&self) -> Result<(), Failure> {
        let Args { count, timeout, .. } = &self.args;
        let (Some(count), Some(time)) = (count, timeout) else {
            return Ok(());
        };
        let (seen, time) = (self.seen, humantime::format_duration(*time));
        Err(Failure::no(format!(
            "{seen} of {count} changes came within {time}"
        )))
    }

    fn tell(&mut self, record: &Record, line: &str) -> Result<(), Failure> {
        match record {
            Record::Change(_) => self.seen += 1,
            Record::Gap(gap) => {
                let text = format!("changes {} to {} were missed", gap.from, gap.to);
                self.output
                    .talk(format_args!("{text}: here is everyone again"));
            }
            Record::Heartbeat(_) | Record::Other(_) => {}
            Record::Snapshot(snapshot) => {
                self.enter(&snapshot.epoch);
                if self.args.no_snapshot {
                    return Ok(());
                }
            }
        }
        if self.args.json {
            return self.output.data(line);
        }
        for line in self.story.lines(record) {
            self.output.data(line)?;
        }
        Ok(())
    }

    /// What another run of the agent had told does not count any more.
    fn enter(&mut self, epoch: &str) {
        if self.epoch.as_ref().is_some_and(|before| before != epoch) {
            self.output
                .talk("the agent was started anew: here is everyone again");
        }
        self.epoch = Some(epoch.into());
    }
}
