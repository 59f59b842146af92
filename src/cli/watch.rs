//! `headcount watch`: every change as it happens, over every interruption.

use tokio::signal::ctrl_c;

use super::{
    Failure, Output, Target,
    client::Query,
    follow::{Follower, Told},
    record::Record,
    story::Story,
};

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
    /// Only these types of changes, such as suspect,failed [default: all]
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', num_args = 1..)]
    types: Vec<String>,
    /// Only members with this tag; all of them if more than one is given
    #[arg(long = "tag", value_name = "KEY=VALUE", num_args = 1..)]
    tags: Vec<String>,
    /// Only the member with this name; any of them if more than one is given
    #[arg(long = "name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
    /// Skip the members that are there at the beginning
    #[arg(long)]
    no_snapshot: bool,
    /// End after this many changes [default: never]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let mut query = Query::default();
    query.add_all("tag", &args.tags);
    query.add_all("name", &args.names);
    if !args.types.is_empty() {
        query.add("types", &args.types.join(","));
    }
    let follower = Follower::new(args.target.clone().client()?, query);
    let mut watch = Watch {
        story: Story::default(),
        seen: 0,
        args,
        output,
    };
    tokio::select! {
        // Whoever interrupts a watch has seen enough.
        _ = ctrl_c() => Ok(()),
        end = watch.follow(follower) => end,
    }
}

struct Watch<'a> {
    args: Args,
    output: &'a mut Output,
    story: Story,
    /// Changes so far.
    seen: u64,
}

impl Watch<'_> {
    async fn follow(&mut self, mut follower: Follower) -> Result<(), Failure> {
        while self.args.count.is_none_or(|count| self.seen < count) {
            match follower.next().await? {
                Told::Back => self.output.talk("reconnected"),
                Told::Lost(why) => self.output.talk(format_args!("{why}; reconnecting")),
                Told::Record(record, line) => self.tell(&record, &line)?,
                Told::Restarted(record, line) => {
                    self.output
                        .talk("the agent was started anew: here is everyone again");
                    self.tell(&record, &line)?;
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, record: &Record, line: &str) -> Result<(), Failure> {
        match record.kind.as_str() {
            "gap" => {
                let to = record.to.unwrap_or_default();
                let text = format!("changes {} to {to} were missed", record.from);
                self.output
                    .talk(format_args!("{text}: here is everyone again"));
            }
            "heartbeat" if self.output.is_unread() => return Err(Failure::unread()),
            "heartbeat" => {}
            "snapshot" if self.args.no_snapshot => return Ok(()),
            "snapshot" => {}
            _ => self.seen += 1,
        }
        if self.args.json {
            return self.output.data(line);
        }
        for line in self.story.lines(record) {
            self.output.data(line)?;
        }
        Ok(())
    }
}
