//! `headcount agent`: runs an agent until it leaves.

use std::{ffi::OsString, sync::Arc, time::Duration};

use tracing::{Level, level_filters::LevelFilter, warn};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, reload, util::SubscriberInitExt};

use super::{
    Failure, Output,
    log::Log,
    output::shown,
    table::{self, Cell},
};
use crate::{
    agent::{self, Exit, Reload},
    config::{self, Flags, Logging, Outputs, Setting, Surroundings},
};

/// How long an ended agent still waits for whoever reads its log.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// Run an agent on this host
///
/// Runs until it is told to leave by SIGTERM, SIGINT or `headcount leave`; a second signal ends it
/// at once. Without any option it is a cluster of its own on loopback. With a COMMAND these signals
/// go to that program; the agent leaves when it has ended.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every option can also be set by a variable (--log-level as \
    HEADCOUNT_LOG_LEVEL, lists with commas)\nor by the file (log-level = \"debug\"). Options beat \
    variables, variables beat the file."
)]
pub(super) struct Args {
    /// Name of this member, unique in the cluster [default: this host's name]
    #[arg(long)]
    name: Option<String>,
    /// Address for gossip, UDP and TCP: IP:PORT, IP or :PORT; port 0 takes any free one
    /// [default: 127.0.0.1:7946]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Where others reach this agent: IP:PORT, IP or a network interface as eth0 [default: the
    /// bound address, or as they see it]
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
    /// Members to find the cluster by: HOST:PORT or HOST, srv:NAME for a DNS service, file:PATH for
    /// a file with one on each line; tried for ever [default: none, port 7946]
    #[arg(long, value_name = "SEED", num_args = 1.., value_delimiter = ',')]
    join: Vec<String>,
    /// Name of the cluster; agents of different clusters never mix [default: default]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Timing for one data centre, the internet or one machine [default: lan]
    #[arg(long, value_name = "lan|wan|local")]
    profile: Option<String>,
    /// Socket of the local API [default: $XDG_RUNTIME_DIR/headcount.sock, as root
    /// /run/headcount.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// Mode of the socket, in octal digits [default: 0660]
    #[arg(long, value_name = "MODE")]
    socket_mode: Option<String>,
    /// User that the socket belongs to [default: the agent's]
    #[arg(long, value_name = "USER")]
    socket_owner: Option<String>,
    /// Group that the socket belongs to [default: the agent's]
    #[arg(long, value_name = "GROUP")]
    socket_group: Option<String>,
    /// Who may use the whole local API beside root and the agent's user [default: the socket's
    /// group]
    #[arg(long, value_name = "USER|@GROUP", num_args = 1..)]
    allow: Vec<String>,
    /// Who may look at everything and change nothing [default: nobody else]
    #[arg(long, value_name = "USER|@GROUP", num_args = 1..)]
    allow_read: Vec<String>,
    /// Serve the local API on TCP too: IP:PORT or :PORT, which is on loopback [default: off]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// File with the token that requests on TCP must show; off loopback there must be one
    /// [default: none]
    #[arg(long, value_name = "FILE")]
    http_token_file: Option<String>,
    /// Where this member's generation and its peers are kept over restarts [default:
    /// $XDG_STATE_HOME/headcount/NAME, as root /var/lib/headcount/NAME]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Tag that members see, such as role=web; at most 16 KiB in all [default: none]
    #[arg(long = "tag", value_name = "KEY=VALUE", num_args = 1..)]
    tags: Vec<String>,
    /// File with the keys that seal gossip, the same for all agents of the cluster
    /// [default: none]
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// Accept gossip in plain text on other than loopback addresses [default: off]
    #[arg(long)]
    insecure: bool,
    /// List failed and departed members so long, from 1m to 30d [default: 24h]
    #[arg(long, value_name = "TIME")]
    forget_after: Option<String>,
    /// A signal to end announces a restart, due so soon: others are told of one restart then, or of
    /// a failure if it is not there [default: none]
    #[arg(long, value_name = "TIME")]
    restart_eta: Option<String>,
    /// How many members there may be, failed and departed ones until they are forgotten included
    /// [default: 16384]
    #[arg(long, value_name = "N")]
    max_members: Option<String>,
    /// TOML file with the same names as these options [env: HEADCOUNT_CONFIG] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Least severe lines to log: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Format of the log on standard error [default: text]
    #[arg(long, value_name = "text|json")]
    log_format: Option<String>,
    /// Check the configuration, show what each setting is and where it came from, and open nothing;
    /// exit code 2 if it cannot be used
    #[arg(long)]
    check: bool,
    /// Run this program as the application: the agent leaves when it ends, and ends with its
    /// status. It cannot read the terminal
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Ends this agent with the process that started it, which has this id.
    #[arg(long, value_name = "PID", hide = true)]
    exit_with_parent: Option<i32>,
}

impl Args {
    fn flags(self) -> Flags {
        let mut flags = Flags::default();
        flags.set("advertise", self.advertise);
        flags.set("allow", self.allow);
        flags.set("allow-read", self.allow_read);
        flags.set("bind", self.bind);
        flags.set("cluster", self.cluster);
        flags.set("config", self.config);
        flags.set("data-dir", self.data_dir);
        flags.set("forget-after", self.forget_after);
        flags.set("http", self.http);
        flags.set("http-token-file", self.http_token_file);
        flags.set("insecure", self.insecure.then(|| "true".into()));
        flags.set("join", self.join);
        flags.set("key-file", self.key_file);
        flags.set("log-format", self.log_format);
        flags.set("log-level", self.log_level);
        flags.set("max-members", self.max_members);
        flags.set("name", self.name);
        flags.set("profile", self.profile);
        flags.set("restart-eta", self.restart_eta);
        flags.set("socket", self.socket);
        flags.set("socket-group", self.socket_group);
        flags.set("socket-mode", self.socket_mode);
        flags.set("socket-owner", self.socket_owner);
        flags.set("tag", self.tags);
        flags
    }
}

pub(super) fn run(mut args: Args, output: &mut Output) -> Result<(), Failure> {
    if args.check {
        return check(args, output);
    }
    let command = std::mem::take(&mut args.command);
    if let Some(parent) = args.exit_with_parent {
        exit_with(parent)?;
    }
    let (flags, around) = (args.flags(), Surroundings::look());
    let launch = config::load(flags.clone(), &around)?;
    let (log, set_level) = log(launch.logging, output.is_colored())?;
    for warning in launch.warnings {
        warn!("{warning}");
    }
    let reload = Some(Reload {
        logging: launch.logging,
        load: Arc::new(move || config::reload(flags.clone(), &around)),
        set_level: Box::new(set_level),
    });
    let ended = match command.is_empty() {
        true => agent::run(launch.config, reload),
        false => agent::run_with(launch.config, reload, command),
    };
    log.finish(LOG_PATIENCE);
    match ended? {
        Exit::Left => Ok(()),
        Exit::Application(end) => match end.code() {
            0 => Ok(()),
            code => Err(Failure::passed(code)),
        },
        Exit::Forced => Err(Failure::no("ended at once, as it was told twice")
            .hint("the others will take this member for failed, unless it had said goodbye")),
    }
}

/// Says what an agent would run with, or what is wrong with it, and opens nothing.
fn check(args: Args, output: &mut Output) -> Result<(), Failure> {
    let (launch, settings) = config::effective(args.flags(), &Surroundings::look())?;
    agent::check(&launch.config)?;
    for warning in launch.warnings {
        output.talk(format_args!("warning: {warning}"));
    }
    let row = |setting: Setting| -> Vec<Cell> {
        let Setting { key, value, origin } = setting;
        vec![key.into(), shown(&value).into(), shown(&origin).into()]
    };
    let Outputs { hooks, files } = &launch.config.outputs;
    let hooks = hooks
        .iter()
        .map(|hook| ("[[hook]]", hook.command.to_string()));
    let files = files
        .iter()
        .map(|file| ("[[file]]", file.path.display().to_string()));
    let outputs = hooks
        .chain(files)
        .map(|(key, what)| vec![key.into(), shown(&what).into()]);
    let rows: Vec<_> = settings.into_iter().map(row).chain(outputs).collect();
    for line in table::lines(&rows) {
        output.data(line)?;
    }
    output.data("configuration ok")
}

/// The log, and what changes the level from which on it has our lines.
fn log(logging: Logging, is_colored: bool) -> Result<(Log, impl Fn(Level) + Send + Sync), Failure> {
    let log = Log::start(std::io::stderr());
    let log = log.map_err(|error| Failure::trouble(format!("cannot start the log: {error}")))?;
    let (targets, handle) = reload::Layer::new(targets(logging.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(log.clone());
    let registry = tracing_subscriber::registry().with(targets);
    if logging.json {
        registry.with(lines.json().flatten_event(true)).init();
    } else {
        registry
            .with(lines.with_ansi(is_colored).with_target(false))
            .init();
    }
    let set_level = move |level| {
        // It fails only without a log.
        let _ = handle.reload(self::targets(level));
    };
    Ok((log, set_level))
}

/// Our own lines from `level` on; of the libraries below us only what goes wrong.
fn targets(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::from_level(level.min(Level::WARN)))
        .with_target("headcount", level)
}

/// Has the kernel kill us when `parent` ends, even if it is killed itself.
#[cfg(target_os = "linux")]
fn exit_with(parent: i32) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let set = set_parent_process_death_signal(Some(Signal::KILL));
    set.map_err(|error| Failure::trouble(format!("cannot follow process {parent}: {error}")))?;
    // It may have ended before we asked; then somebody else is our parent.
    match getppid() == Pid::from_raw(parent) {
        true => Ok(()),
        false => Err(Failure::trouble(format!("process {parent} is gone"))),
    }
}

#[cfg(not(target_os = "linux"))]
fn exit_with(_parent: i32) -> Result<(), Failure> {
    Ok(())
}
