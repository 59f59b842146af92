//! Streams that are cut off at any byte, and agents that are killed, stopped, asked to leave and
//! started again meanwhile: what a consumer was told is what its agent holds, always.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Agent, Body, Lab, Launch, draws, pause, read_head, until};

const AGENTS: usize = 4;
/// Things that happen to agents.
const BLOWS: usize = 100;
/// Streams cut off, at least.
const CUTS: usize = 500;
const TASTES: [&str; 3] = ["", "confidence=failed", "confidence=stable:1s"];

type Members = BTreeMap<String, Value>;
/// A place in the history of an agent's run.
type Place = (String, u64);

/// A consumer that loses its connection again and again and goes on where it was.
struct Consumer {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    socket: PathBuf,
    taste: &'static str,
    place: Option<Place>,
    members: Members,
    /// What it held after each record.
    held: BTreeMap<Place, Members>,
    cuts: usize,
    connection: Option<UnixStream>,
    is_over: bool,
}

impl Consumer {
    fn new(socket: PathBuf, taste: &'static str, seed: u64) -> Self {
        let state = State {
            socket,
            taste,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let mut draws = draws(seed);
            while !lock(&shared).is_over {
                let bytes = draws.next().expect("endless") % 6_000;
                if connect(&shared, bytes).is_none() {
                    // The agent is not there just now.
                    pause(Duration::from_millis(5));
                }
                lock(&shared).cuts += 1;
            }
        });
        let thread = Some(thread);
        Self { state, thread }
    }

    /// What it held at `place`, once it is past it. `None` when the agent was started anew and it
    /// came back only after that: it never held anything there.
    fn held_at(&self, place: &Place) -> Option<Members> {
        let what = format!("{:?} passes {place:?}", lock(&self.state).taste);
        until(&what, || {
            let is_dead = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            assert!(!is_dead, "the consumer found a fault");
            let state = lock(&self.state);
            let (epoch, seq) = state.place.as_ref()?;
            let is_past = *epoch == place.0 && *seq > place.1;
            let held = state.held.range(..=place).next_back();
            let held = held.filter(|((epoch, _), _)| *epoch == place.0);
            is_past.then(|| held.map(|(_, held)| held.clone()))
        })
    }

    fn end(mut self) -> usize {
        let cuts = {
            let mut state = lock(&self.state);
            state.is_over = true;
            if let Some(connection) = &state.connection {
                // It may have ended by itself.
                let _ = connection.shutdown(Shutdown::Both);
            }
            state.cuts
        };
        let thread = self.thread.take().expect("not ended yet");
        thread.join().expect("it found no fault");
        cuts
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic")
}

/// One connection, of which no more than `bytes` are read.
fn connect(state: &Mutex<State>, bytes: u64) -> Option<()> {
    let request = {
        let state = lock(state);
        let resume = state.place.as_ref();
        let resume =
            resume.map_or_else(String::new, |(epoch, seq)| format!("resume={epoch}:{seq}"));
        let taste = state.taste;
        format!("GET /v1/watch?{taste}&{resume} HTTP/1.1\r\nHost: headcount\r\n\r\n")
    };
    let mut stream = UnixStream::connect(&lock(state).socket).ok()?;
    lock(state).connection = stream.try_clone().ok();
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream.take(bytes));
    let (status, headers) = read_head(&mut reader)?;
    assert_eq!(status, 200, "{request}");
    let mut body = BufReader::new(Body::new(reader, &headers));
    let mut line = String::new();
    while body.read_line(&mut line).is_ok() && line.ends_with('\n') {
        lock(state).take(&serde_json::from_str(&line).expect("JSON"));
        line.clear();
    }
    Some(())
}

impl State {
    fn take(&mut self, record: &Value) {
        let seq = record["seq"].as_u64();
        match record["type"].as_str().expect("a type") {
            "snapshot" => {
                let epoch = record["epoch"].as_str().expect("an epoch").to_owned();
                self.place = Some((epoch, seq.expect("a number")));
                self.members = listed(record);
                assert_eq!(record["digest"], digest(&self.members));
            }
            "gap" => return,
            "heartbeat" => {
                self.advance(seq.expect("a number"), 0);
                assert_eq!(record["digest"], digest(&self.members));
            }
            kind => {
                self.advance(seq.expect("a number"), 1);
                match record.get("member").map(named) {
                    Some((name, _)) if kind == "removed" => drop(self.members.remove(&name)),
                    Some((name, member)) => drop(self.members.insert(name, member)),
                    None => {}
                }
            }
        }
        let place = self.place.clone().expect("a snapshot comes first");
        self.held.insert(place, self.members.clone());
    }

    /// Goes on to `seq`, which is `least` numbers further at least, and just so many for one who
    /// hears everything.
    fn advance(&mut self, seq: u64, least: u64) {
        let (_, last) = self.place.as_mut().expect("a snapshot comes first");
        match self.taste {
            "" => assert_eq!(seq, *last + least, "a hole"),
            _ => assert!(seq >= *last + least, "{seq} after {last}"),
        }
        *last = seq;
    }
}

fn named(member: &Value) -> (String, Value) {
    let name = member["name"].as_str().expect("a name");
    (name.to_owned(), member.clone())
}

fn listed(record: &Value) -> Members {
    let members = record["members"].as_array().expect("a list of members");
    members.iter().map(named).collect()
}

/// As the README has it.
fn digest(members: &Members) -> String {
    let sum = members.values().fold(0_u64, |sum, member| {
        let text = |key: &str| match &member[key] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let keys = [
            "name",
            "address",
            "state",
            "generation",
            "incarnation",
            "since",
            "app",
        ];
        let mut lines: Vec<_> = keys.map(text).into();
        let tags = member["tags"].as_object().expect("tags");
        lines.extend(
            tags.iter()
                .map(|(key, value)| format!("{key}={}", value.as_str().expect("text"))),
        );
        let hash = Sha256::digest(lines.join("\n"));
        sum.wrapping_add(u64::from_be_bytes(hash[..8].try_into().expect("eight")))
    });
    format!("{sum:016x}")
}

/// What a new consumer of this taste would be shown: where, and whom.
fn shown(agent: &Agent, taste: &str) -> (Place, Members) {
    let record = match taste {
        "" => agent.get("/v1/members").json(),
        _ => {
            let mut stream = agent.connect();
            let request = format!("GET /v1/watch?{taste} HTTP/1.0\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("written");
            let mut reader = BufReader::new(stream);
            read_head(&mut reader).expect("an answer");
            let mut line = String::new();
            reader.read_line(&mut line).expect("a snapshot");
            serde_json::from_str(&line).expect("JSON")
        }
    };
    let epoch = record["epoch"].as_str().expect("an epoch").to_owned();
    let seq = record["seq"].as_u64().expect("a number");
    ((epoch, seq), listed(&record))
}

/// Compares what each taste's consumer holds with what its agent shows just now.
fn check(agent: &Agent, consumers: &[Consumer], note: usize) {
    let shown: Vec<_> = TASTES.iter().map(|taste| shown(agent, taste)).collect();
    // Something that every taste hears of, so that every consumer gets past the place.
    let news = json!({"state": "down", "reason": format!("check {note}")}).to_string();
    let answer = agent.request("PUT", "/v1/app", &news);
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (consumer, (place, members)) in consumers.iter().zip(shown) {
        if let Some(held) = consumer.held_at(&place) {
            assert_eq!(held, members, "{place:?} at {}", agent.name());
        }
    }
}

/// What happens to an agent, which runs afterwards.
fn strike(mut agent: Agent, choice: u64) -> Agent {
    match choice % 4 {
        0 => agent.kill().start(),
        1 => {
            agent.signal(Signal::TERM);
            assert_eq!(agent.exit_code(), 0, "{}", agent.log());
            agent.kill().start()
        }
        2 => {
            agent.signal(Signal::STOP);
            // That it lasts is the thing tested.
            pause(Duration::from_millis(choice % 1_500));
            agent.signal(Signal::CONT);
            agent
        }
        _ => {
            let body = json!({"state": "down", "reason": choice.to_string()}).to_string();
            agent.request("PUT", "/v1/app", &body);
            agent
        }
    }
}

#[test]
fn whatever_is_interrupted_a_consumer_holds_what_its_agent_holds() {
    let lab = Lab::new();
    let seeds: Vec<_> = (0..AGENTS).map(|_| lab.reserve()).collect();
    let launch = |index: usize| -> Launch {
        let agent = lab.agent(&format!("n{index}")).bind(seeds[index]);
        let agent = agent.args(["--profile", "local"]);
        seeds.iter().fold(agent, |agent, seed| agent.join(*seed))
    };
    let mut agents: Vec<_> = (0..AGENTS).map(|index| launch(index).start()).collect();
    let consumers: Vec<Vec<_>> = (0..)
        .zip(&agents)
        .map(|(index, agent)| {
            let numbered = (100 * index..).zip(TASTES);
            let each = numbered.map(|(seed, taste)| Consumer::new(agent.socket(), taste, seed));
            each.collect()
        })
        .collect();
    let mut draws = draws(7);
    for blow in 0..BLOWS {
        let [victim, choice] = [draws.next(), draws.next()].map(|draw| draw.expect("endless"));
        let victim = usize::try_from(victim).expect("64 bits") % AGENTS;
        let agent = agents.remove(victim);
        agents.insert(victim, strike(agent, choice));
        if blow % 5 == 4 {
            check(&agents[victim], &consumers[victim], blow);
        }
    }
    for (agent, consumers) in agents.iter().zip(&consumers) {
        check(agent, consumers, BLOWS);
    }
    let cuts = consumers.into_iter().flatten().map(Consumer::end);
    let cuts = cuts.sum::<usize>();
    assert!(cuts > CUTS, "only {cuts} streams were cut off");
}
