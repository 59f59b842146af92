//! `GET`, `PUT` and `DELETE /v1/app`: the application's lease.

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
        app::{self, Claim, Ended, Lease, Process, Sign},
        shared::Shared,
    },
    nearest::nearest,
    swim::AppStatus,
};

use super::{Problem, body::TaskBody, caller::Caller, query};

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

impl From<Ended> for Problem {
    fn from(_: Ended) -> Self {
        Self::ending()
    }
}

/// `GET /v1/app`.
pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let held = shared.leases.borrow().clone();
    let mut answer = shown(&held.claim);
    if held.claim.status.is_some() {
        answer["since"] = held.since.to_rfc3339().into();
    }
    if let Some(Sign::Heartbeat(interval)) = held.claim.sign {
        let due = held.heard + interval + app::grace(interval);
        answer["lease"]["due"] = due.to_rfc3339().into();
    }
    Json(answer)
}

/// `PUT /v1/app`.
pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    // Who came in by no connection is known least.
    let caller: Option<Caller> = request.extensions().get().copied();
    let caller = caller.unwrap_or(Caller::Far);
    let claim = read(&query::json(request).await?)?;
    let answer = Json(shown(&claim));
    match claim.sign {
        Some(Sign::Connection) => return connection(shared, claim).await,
        Some(Sign::Heartbeat(interval)) => {
            let (lease, said) = shared.lease(claim).await?;
            let silence = app::silence(shared.clock, interval);
            tokio::spawn(app::watch(shared, lease, silence));
            said.heard().await?;
        }
        Some(Sign::Process(pid)) => {
            caller.share_number(pid)?;
            let process = Process::open(pid).map_err(|error| unwatched(pid, &error))?;
            let (lease, said) = shared.lease(claim).await?;
            tokio::spawn(app::watch(shared, lease, process.end()));
            said.heard().await?;
        }
        None => shared.claim(claim).await?,
    }
    Ok(answer.into_response())
}

/// `DELETE /v1/app`: there is no application to speak of any more, and none died.
pub(super) async fn delete(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let nothing = Claim::default();
    let answer = Json(shown(&nothing));
    shared.claim(nothing).await?;
    Ok(answer.into_response())
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
/// for it once the socket is full. It is its connection's last answer, so that whatever else the
/// application says there does not hide its end.
async fn connection(shared: Arc<Shared>, claim: Claim) -> Result<Response, Problem> {
    let first = line(&shown(&claim));
    let (sender, body) = mpsc::channel(2);
    sender.try_send(first).expect("nothing is in it yet");
    let (lease, said) = shared.lease(claim).await?;
    tokio::spawn(hold(shared, lease, sender));
    said.heard().await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONNECTION, "close"),
    ];
    Ok((headers, Body::new(TaskBody(body))).into_response())
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

/// What a request asks for.
fn read(body: &Map<String, Value>) -> Result<Claim, Problem> {
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
    let claim = match kind {
        "interval" => value.as_str().and_then(heartbeat).map(Claim::shown_by),
        "pid" => value.as_i64().and_then(process).map(Claim::shown_by),
        "connection" => (*value == Value::Bool(true)).then_some(Claim::shown_by(Sign::Connection)),
        _ => value.as_str().and_then(word).map(Claim::word),
    };
    let claim = claim.ok_or_else(|| refused(kind, value))?;
    match body.get("reason") {
        None => Ok(claim),
        Some(reason) => because(&claim, reason),
    }
}

fn because(claim: &Claim, reason: &Value) -> Result<Claim, Problem> {
    match (&claim.status, reason.as_str()) {
        (Some(AppStatus::Down(_)), Some(text)) => Ok(Claim::word(AppStatus::down(text))),
        (Some(AppStatus::Down(_)), None) => Err(refused("reason", reason)),
        _ => Err(Problem::bad_request(
            "reason goes with \"state\": \"down\" only",
        )),
    }
}

/// A claim as it is answered.
fn shown(claim: &Claim) -> Value {
    let text = |time| humantime::format_duration(time).to_string();
    let lease = match claim.sign {
        None => Value::Null,
        Some(Sign::Connection) => json!({"connection": true}),
        Some(Sign::Process(pid)) => json!({"pid": pid.as_raw_nonzero()}),
        Some(Sign::Heartbeat(interval)) => {
            json!({"interval": text(interval), "grace": text(app::grace(interval))})
        }
    };
    let mut answer = json!({"app": claim.status.as_ref().map(AppStatus::as_str), "lease": lease});
    if let Some(reason) = claim.status.as_ref().and_then(AppStatus::reason) {
        answer["app_reason"] = reason.into();
    }
    answer
}

fn heartbeat(text: &str) -> Option<Sign> {
    let interval = humantime::parse_duration(text).ok()?;
    let allowed = INTERVAL_MIN..=INTERVAL_MAX;
    allowed
        .contains(&interval)
        .then_some(Sign::Heartbeat(interval))
}

fn process(number: i64) -> Option<Sign> {
    let number = i32::try_from(number).ok()?;
    let number = (1..=PID_MAX).contains(&number).then_some(number)?;
    Pid::from_raw(number).map(Sign::Process)
}

fn word(state: &str) -> Option<AppStatus> {
    match state {
        "up" => Some(AppStatus::Up),
        "down" => Some(AppStatus::down(REASON)),
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
        nearest(key, KEYS).map_or_else(|| ".".into(), |known| format!(": did you mean {known}?"));
    let keys = KEYS.join(", ");
    Problem::bad_request(format!("unknown key {key:?}{nearest} The keys are {keys}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<Claim, String> {
        let body = body.as_object().expect("an object");
        super::read(body).map_err(|problem| String::from_utf8_lossy(&problem.json()).into_owned())
    }

    #[test]
    fn each_kind_of_lease_is_read() {
        let pid = Pid::from_raw(42).expect("not zero");
        for (body, claim) in [
            (
                json!({"interval": "5s"}),
                Claim::shown_by(Sign::Heartbeat(Duration::from_secs(5))),
            ),
            (
                json!({"interval": "100ms"}),
                Claim::shown_by(Sign::Heartbeat(INTERVAL_MIN)),
            ),
            (
                json!({"interval": "24h"}),
                Claim::shown_by(Sign::Heartbeat(INTERVAL_MAX)),
            ),
            (json!({"pid": 42}), Claim::shown_by(Sign::Process(pid))),
            (
                json!({"connection": true}),
                Claim::shown_by(Sign::Connection),
            ),
            (json!({"state": "up"}), Claim::word(AppStatus::Up)),
            (
                json!({"state": "down"}),
                Claim::word(AppStatus::down(REASON)),
            ),
            (
                json!({"state": "down", "reason": "drained"}),
                Claim::word(AppStatus::down("drained")),
            ),
        ] {
            assert_eq!(read(&body), Ok(claim), "{body}");
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
