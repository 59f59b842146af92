//! `PUT /v1/app` and `DELETE /v1/app`: the application's lease.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rustix::process::Pid;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::{
    agent::{
        app::{self, Ended, Lease, Process},
        shared::Shared,
    },
    nearest::nearest,
    swim::AppStatus,
};

use super::{Problem, body::TaskBody, query};

/// Every key of a request.
const KEYS: [&str; 5] = ["connection", "interval", "pid", "reason", "state"];
/// Exactly one of these is given.
const KINDS: [&str; 4] = ["interval", "pid", "connection", "state"];
/// How often a heartbeat may be due.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The greatest process number that Linux gives.
const PID_MAX: i32 = 1 << 22;
/// The reason of an application that gave none.
const REASON: &str = "said so itself";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    /// The request is repeated so often, for as long as the application lives.
    Heartbeat(Duration),
    /// The application lives as long as this process.
    Process(Pid),
    /// The application lives as long as the connection.
    Connection,
    /// The application says it in so many words.
    Word(AppStatus),
}

impl From<Ended> for Problem {
    fn from(_: Ended) -> Self {
        Self::ending()
    }
}

/// `PUT /v1/app`.
pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let wish = Wish::read(&query::json(request).await?)?;
    let answer = Json(wish.answer());
    match wish {
        Wish::Connection => return connection(shared).await,
        Wish::Heartbeat(interval) => {
            let lease = shared.lease(Some(AppStatus::Up)).await?;
            let silence = app::silence(shared.clock, interval);
            tokio::spawn(app::watch(shared, lease, silence));
        }
        Wish::Process(pid) => {
            let process = Process::open(pid).map_err(|error| unwatched(pid, &error))?;
            let lease = shared.lease(Some(AppStatus::Up)).await?;
            tokio::spawn(app::watch(shared, lease, process.end()));
        }
        // Nobody may take this word back but whoever says another.
        Wish::Word(status) => drop(shared.lease(Some(status)).await?),
    }
    Ok(answer.into_response())
}

/// `DELETE /v1/app`: there is no application to speak of any more, and none died.
pub(super) async fn delete(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    shared.lease(None).await?;
    Ok(Json(json!({"app": null, "lease": null})).into_response())
}

fn unwatched(pid: Pid, error: &io::Error) -> Problem {
    let detail = match error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error)
    {
        Some(rustix::io::Errno::SRCH) => format!("pid {pid}: there is no such process"),
        _ => format!("pid {pid} cannot be watched: {error}"),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

/// The answer does not end before the application, or the lease, does. Between its first line and
/// its last there is nothing: an application need not read, and one that does not would be cut off
/// for it once the socket is full.
async fn connection(shared: Arc<Shared>) -> Result<Response, Problem> {
    let lease = shared.lease(Some(AppStatus::Up)).await?;
    let (sender, body) = mpsc::channel(2);
    let first = line(&Wish::Connection.answer());
    sender.try_send(first).expect("nothing is in it yet");
    tokio::spawn(hold(shared, lease, sender));
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::new(TaskBody(body))).into_response())
}

async fn hold(shared: Arc<Shared>, mut lease: Lease, lines: mpsc::Sender<Bytes>) {
    tokio::select! {
        () = lines.closed() => shared.lapse(&lease, "its connection closed").await,
        // Its reader may have gone in the same moment.
        () = lease.replaced() => drop(lines.try_send(line(&json!({"lease": null})))),
        () = shared.ended() => {}
    }
}

fn line(record: &Value) -> Bytes {
    format!("{record}\n").into()
}

impl Wish {
    fn read(body: &Map<String, Value>) -> Result<Self, Problem> {
        if let Some(key) = body.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown(key));
        }
        let mut kinds = KINDS
            .iter()
            .filter_map(|kind| Some((*kind, body.get(*kind)?)));
        let (Some((kind, value)), None) = (kinds.next(), kinds.next()) else {
            let detail = format!("give exactly one of {}", KINDS.join(", "));
            return Err(Problem::bad_request(detail));
        };
        let wish = match kind {
            "interval" => value.as_str().and_then(heartbeat),
            "pid" => value.as_i64().and_then(process),
            "connection" => (*value == Value::Bool(true)).then_some(Self::Connection),
            _ => value.as_str().and_then(word),
        };
        let wish = wish.ok_or_else(|| refused(kind, value))?;
        match body.get("reason") {
            None => Ok(wish),
            Some(reason) => wish.because(reason),
        }
    }

    fn because(self, reason: &Value) -> Result<Self, Problem> {
        match (self, reason.as_str()) {
            (Self::Word(AppStatus::Down(_)), Some(text)) => Ok(Self::Word(AppStatus::down(text))),
            (Self::Word(AppStatus::Down(_)), None) => Err(refused("reason", reason)),
            _ => Err(Problem::bad_request(
                "reason goes with \"state\": \"down\" only",
            )),
        }
    }

    /// What holds from now on.
    fn answer(&self) -> Value {
        let text = |time| humantime::format_duration(time).to_string();
        match self {
            Self::Heartbeat(interval) => {
                let grace = text(app::grace(*interval));
                let lease = json!({"interval": text(*interval), "grace": grace});
                json!({"app": "up", "lease": lease})
            }
            Self::Process(pid) => json!({"app": "up", "lease": {"pid": pid.as_raw_nonzero()}}),
            Self::Connection => json!({"app": "up", "lease": {"connection": true}}),
            Self::Word(AppStatus::Up) => json!({"app": "up", "lease": null}),
            Self::Word(AppStatus::Down(reason)) => {
                json!({"app": "down", "app_reason": reason.as_str(), "lease": null})
            }
        }
    }
}

fn heartbeat(text: &str) -> Option<Wish> {
    let interval = humantime::parse_duration(text).ok()?;
    let allowed = INTERVAL_MIN..=INTERVAL_MAX;
    allowed
        .contains(&interval)
        .then_some(Wish::Heartbeat(interval))
}

fn process(number: i64) -> Option<Wish> {
    let number = i32::try_from(number).ok()?;
    let number = (1..=PID_MAX).contains(&number).then_some(number)?;
    Pid::from_raw(number).map(Wish::Process)
}

fn word(state: &str) -> Option<Wish> {
    match state {
        "up" => Some(Wish::Word(AppStatus::Up)),
        "down" => Some(Wish::Word(AppStatus::down(REASON))),
        _ => None,
    }
}

/// What each key takes.
fn allowed(key: &str) -> String {
    match key {
        "connection" => "true".into(),
        "interval" => "a time from 100ms to 24h such as \"5s\"".into(),
        "pid" => format!("a process number from 1 to {PID_MAX}"),
        "reason" => "text, of which at most 128 bytes are told".into(),
        _ => "\"up\" or \"down\"".into(),
    }
}

fn refused(key: &str, value: &Value) -> Problem {
    Problem::bad_request(format!("{key} = {value}: takes {}", allowed(key)))
}

fn unknown(key: &str) -> Problem {
    let nearest =
        nearest(key, KEYS).map_or_else(String::new, |known| format!(": did you mean {known}?"));
    let keys = KEYS.join(", ");
    Problem::bad_request(format!("unknown key {key:?}{nearest} The keys are {keys}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<Wish, String> {
        let body = body.as_object().expect("an object");
        Wish::read(body).map_err(|problem| String::from_utf8_lossy(&problem.json()).into_owned())
    }

    #[test]
    fn each_kind_of_lease_is_read() {
        let pid = Pid::from_raw(42).expect("not zero");
        for (body, wish) in [
            (
                json!({"interval": "5s"}),
                Wish::Heartbeat(Duration::from_secs(5)),
            ),
            (json!({"interval": "100ms"}), Wish::Heartbeat(INTERVAL_MIN)),
            (json!({"interval": "24h"}), Wish::Heartbeat(INTERVAL_MAX)),
            (json!({"pid": 42}), Wish::Process(pid)),
            (json!({"connection": true}), Wish::Connection),
            (json!({"state": "up"}), Wish::Word(AppStatus::Up)),
            (
                json!({"state": "down"}),
                Wish::Word(AppStatus::down(REASON)),
            ),
            (
                json!({"state": "down", "reason": "drained"}),
                Wish::Word(AppStatus::down("drained")),
            ),
        ] {
            assert_eq!(read(&body), Ok(wish), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_key_value_and_range() {
        for (body, words) in [
            (json!({}), "exactly one of interval, pid"),
            (json!({"interval": "5s", "pid": 1}), "exactly one"),
            (json!({"intervall": "5s"}), "did you mean interval?"),
            (json!({"interval": "99ms"}), "100ms to 24h"),
            (json!({"interval": "25h"}), "100ms to 24h"),
            (json!({"interval": 5}), "interval = 5"),
            (json!({"pid": 0}), "pid = 0: takes a process number from 1"),
            (json!({"pid": -1}), "pid = -1"),
            (json!({"pid": 1u64 << 40}), "4194304"),
            (
                json!({"connection": false}),
                "connection = false: takes true",
            ),
            (json!({"state": "fine"}), "up"),
            (json!({"state": "up", "reason": "x"}), "reason goes with"),
            (json!({"interval": "5s", "reason": "x"}), "reason goes with"),
            (json!({"state": "down", "reason": 3}), "reason = 3"),
            (json!({"reason": "x"}), "exactly one"),
        ] {
            let said = read(&body).expect_err("refused");
            assert!(said.contains(words), "{body}: {said}");
        }
    }
}
