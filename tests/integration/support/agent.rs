//! `Agent`: one real agent process, killed when dropped.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;

use super::{
    Response, Watch, exchange,
    lab::{Finished, Running, clean, finish},
    until,
};

/// How to start an agent. Kept by the agent, so that it can be started again.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    name: String,
    bind: String,
    args: Vec<String>,
    /// Holds the data directory, the socket and the log.
    dir: PathBuf,
    namespace: Option<String>,
    /// The command that executes the program.
    under: Vec<String>,
    variables: Vec<(String, OsString)>,
}

impl Launch {
    pub(crate) fn new(parent: &Path, name: &str, bind: String) -> Self {
        Self {
            name: name.to_owned(),
            bind,
            args: Vec::new(),
            dir: parent.join(name),
            namespace: None,
            under: Vec::new(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn join(self, seed: SocketAddr) -> Self {
        self.args(["--join", &seed.to_string()])
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    pub(crate) fn bind(mut self, address: impl ToString) -> Self {
        self.bind = address.to_string();
        self
    }

    /// Keeps files in another folder than the one named after the agent.
    pub(crate) fn folder(mut self, name: &str) -> Self {
        self.dir.set_file_name(name);
        self
    }

    /// Runs inside the network namespace `name`.
    pub(crate) fn within(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    /// Lets `command` execute the program, whose path and arguments it is given.
    pub(crate) fn under<'a>(mut self, command: impl IntoIterator<Item = &'a str>) -> Self {
        self.under = command.into_iter().map(str::to_owned).collect();
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Starts the process and waits until its API answers.
    pub(crate) fn start(self) -> Agent {
        fs::create_dir_all(&self.dir).expect("our own folder");
        let mut appending = File::options();
        let log = appending.create(true).append(true);
        let log = log.open(self.dir.join("log")).expect("a log file");
        self.start_logging_to(log)
    }

    /// Starts the process with its log elsewhere.
    pub(crate) fn start_logging_to(self, log: impl Into<Stdio>) -> Agent {
        fs::create_dir_all(&self.dir).expect("our own folder");
        let mut command = self.command();
        let process = Running::start(command.stdout(Stdio::null()).stderr(log));
        let mut agent = Agent {
            launch: self,
            process,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        agent.address = agent.await_address();
        agent
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn spawn(self) -> Running {
        fs::create_dir_all(&self.dir).expect("our own folder");
        Running::start(self.command().stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Starts the process, expecting that it ends by itself.
    pub(crate) fn finish(self) -> Finished {
        fs::create_dir_all(&self.dir).expect("our own folder");
        finish(&mut self.command())
    }

    /// Starts the process with its log elsewhere and gives the code that it ends with by itself.
    pub(crate) fn exit_code_logging_to(self, log: impl Into<Stdio>) -> i32 {
        fs::create_dir_all(&self.dir).expect("our own folder");
        let mut command = self.command();
        let mut process = Running::start(command.stdout(Stdio::null()).stderr(log));
        process.end().code().unwrap_or(-1)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("socket")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn command(&self) -> Command {
        let namespace = self.namespace.iter();
        let within = namespace.flat_map(|name| ["ip", "netns", "exec", name]);
        let under = self.under.iter().map(String::as_str);
        let program = [env!("CARGO_BIN_EXE_headcount")];
        let mut words = within.chain(under).chain(program);
        let mut command = Command::new(words.next().expect("one at least"));
        clean(&mut command);
        command.args(words).envs(self.variables.clone());
        command.args(["agent", "--name", &self.name, "--bind", &self.bind]);
        command.arg("--socket").arg(self.socket());
        command.arg("--data-dir").arg(self.data_dir());
        command.args(&self.args);
        command
    }
}

/// A running agent.
#[derive(Debug)]
pub(crate) struct Agent {
    launch: Launch,
    process: Running,
    address: SocketAddr,
}

impl Agent {
    pub(crate) fn name(&self) -> &str {
        &self.launch.name
    }

    /// The gossip address that it reports.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it was started.
    pub(crate) fn launch(&self) -> &Launch {
        &self.launch
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.launch.socket()
    }

    /// Everything that it logged, former lives included.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.launch.dir.join("log")).expect("a log file")
    }

    /// How many lines of the log hold all of `words`.
    pub(crate) fn logged(&self, words: &[&str]) -> usize {
        let log = self.log();
        let lines = log.lines();
        lines
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .count()
    }

    /// Waits until exactly one line of the log holds all of `words`.
    pub(crate) fn await_logged(&self, words: &[&str]) {
        let what = format!("{words:?} in the log");
        until(&what, || (self.logged(words) == 1).then_some(()));
    }

    /// A watch on everything from now on.
    pub(crate) fn watch(&self) -> Watch {
        Watch::open(self.name(), &self.socket())
    }

    pub(crate) fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).expect("the agent's socket accepts")
    }

    pub(crate) fn request(&self, method: &str, target: &str, body: &str) -> Response {
        let kind = match body {
            "" => "",
            _ => "Content-Type: application/json\r\n",
        };
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: headcount\r\nConnection: close\r\n{kind}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        exchange(self.connect(), request.as_bytes())
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.request("GET", target, "")
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/v1/status").json()
    }

    /// The member list: its number, and the members by name.
    pub(crate) fn members(&self) -> (u64, BTreeMap<String, Value>) {
        let answer = self.get("/v1/members").json();
        let members = answer["members"].as_array().expect("a list");
        let named = members.iter().map(|member| {
            let name = member["name"].as_str().expect("a name");
            (name.to_owned(), member.clone())
        });
        (answer["seq"].as_u64().expect("a number"), named.collect())
    }

    /// The member called `name`.
    pub(crate) fn member(&self, name: &str) -> Option<Value> {
        self.members().1.remove(name)
    }

    /// How many members it lists in `state`.
    pub(crate) fn count(&self, state: &str) -> usize {
        let (_, members) = self.members();
        members.values().filter(|m| m["state"] == state).count()
    }

    /// The sum of all metrics whose line begins with `prefix`.
    pub(crate) fn metric(&self, prefix: &str) -> f64 {
        let text = self.get("/metrics").text();
        let lines = text.lines().filter(|line| line.starts_with(prefix));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until the sum of all metrics whose line begins with `prefix` is as `wanted`: it is
    /// told after what it counts.
    pub(crate) fn await_metric(&self, prefix: &str, wanted: impl Fn(f64) -> bool) {
        until(prefix, || wanted(self.metric(prefix)).then_some(()));
    }

    pub(crate) fn signal(&self, kind: Signal) {
        self.process.signal(kind);
    }

    /// As by `kill -9`; gives what is needed to start it again at the same address.
    pub(crate) fn kill(self) -> Launch {
        self.launch.bind(self.address)
    }

    /// Waits until it ends by itself and gives its exit code.
    pub(crate) fn exit_code(&mut self) -> i32 {
        self.process.end().code().unwrap_or(-1)
    }

    fn await_address(&mut self) -> SocketAddr {
        let what = format!("the API of {} answers", self.name());
        until(&what, || {
            if let Some(status) = self.process.child.try_wait().expect("our child") {
                panic!("{} ended with {status}: {}", self.name(), self.log());
            }
            UnixStream::connect(self.socket()).ok()?;
            self.status()["address"].as_str()?.parse().ok()
        })
    }
}
