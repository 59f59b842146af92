//! What callers make this agent do: join, leave, forget a member.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{sync::broadcast, time::timeout};

use crate::{
    agent::{
        seeds::resolve as look_up,
        shared::{Command, Removal, Shared},
    },
    config::{RESTART_ETA, Seed, restart_eta},
    swim::Removed,
};

use super::{Problem, query};

/// Addresses in one request: a cluster is found by a few.
const ADDRESSES_MAX: usize = 256;
/// Names that are looked up at once for one request.
const LOOKUPS_MAX: usize = 64;
/// How long a join waits for answers before it says who is pending.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// More than the protocol takes to end at worst.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The reason others read when none was given.
const LEAVE_REASON: &str = "leave";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinRequest {
    addresses: Vec<String>,
}

#[derive(Serialize)]
struct JoinAnswer {
    joined: Vec<String>,
    pending: Vec<String>,
}

/// `POST /v1/join`. Answers as soon as every address did, 5 s after all names have addresses at the
/// latest. Those that did not answer are still tried, for ever. Our own address may be among them,
/// so that all agents can be told the same; it is neither joined nor pending.
pub(super) async fn join(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let JoinRequest { addresses } = query::json(request).await?;
    if addresses.is_empty() {
        return Err(Problem::bad_request("no address to join was given"));
    }
    if addresses.len() > ADDRESSES_MAX {
        let given = addresses.len();
        let detail = format!("{given} addresses to join: at most {ADDRESSES_MAX} at once");
        return Err(Problem::bad_request(detail));
    }
    let mut places = resolve(addresses.clone()).await?;
    leave_out_ourselves(&shared, &mut places);
    let everything: BTreeSet<_> = places.values().flatten().copied().collect();
    if everything.is_empty() {
        let detail = format!("{} is this agent itself", shared.facts.bind);
        return Err(Problem::bad_request(detail));
    }
    // Listening before asking: the answer may come at once.
    let answers = shared.joined.subscribe();
    let command = Command::Contact(everything.into_iter().collect());
    let sent = shared.commands.send(command).await;
    sent.map_err(|_| Problem::ending())?;
    let joined = answered(&places, answers).await;
    let (joined, pending) = addresses
        .into_iter()
        .filter(|typed| places.contains_key(typed))
        .partition(|typed| joined.contains(typed));
    Ok(Json(JoinAnswer { joined, pending }).into_response())
}

/// Nobody answers us at our own address.
fn leave_out_ourselves(shared: &Shared, places: &mut BTreeMap<String, BTreeSet<SocketAddr>>) {
    let own = shared.feed().member(shared.facts.id);
    let advertised = own.map(|own| own.view.card.address);
    places.retain(|_, found| {
        found.retain(|at| *at != shared.facts.bind && Some(*at) != advertised);
        !found.is_empty()
    });
}

/// Every address behind what was typed; all must have one.
async fn resolve(typed: Vec<String>) -> Result<BTreeMap<String, BTreeSet<SocketAddr>>, Problem> {
    let lookups = typed.into_iter().map(addresses_of);
    let found = stream::iter(lookups).buffered(LOOKUPS_MAX);
    found.try_collect().await
}

async fn addresses_of(typed: String) -> Result<(String, BTreeSet<SocketAddr>), Problem> {
    let seed = typed.parse::<Seed>();
    let seed = seed.map_err(|error| Problem::bad_request(error.to_string()))?;
    // Whoever may ask must not have the agent read what only the agent may read.
    if matches!(seed, Seed::File(_)) {
        let detail = format!(
            "{typed:?} is a file, and only the agent's configuration may name one: say which \
             addresses it lists"
        );
        return Err(Problem::bad_request(detail));
    }
    let found = look_up(&seed)
        .await
        .map_err(|error| Problem::bad_request(format!("cannot resolve {typed:?}: {error}")))?;
    Ok((typed, found))
}

/// Those of `places` that answered in time, at any of their addresses.
async fn answered(
    places: &BTreeMap<String, BTreeSet<SocketAddr>>,
    mut answers: broadcast::Receiver<SocketAddr>,
) -> BTreeSet<String> {
    let mut joined = BTreeSet::new();
    // Running out of time is an answer too: the rest is pending.
    let _ = timeout(JOIN_TIMEOUT, async {
        while joined.len() < places.len() {
            match answers.recv().await {
                Ok(address) => {
                    let hit = places.iter().filter(|(_, found)| found.contains(&address));
                    joined.extend(hit.map(|(typed, _)| typed.clone()));
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    })
    .await;
    joined
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaveRequest {
    reason: Option<String>,
    #[serde(default)]
    restarting: bool,
    eta: Option<String>,
}

impl LeaveRequest {
    /// When the next process of this member is due, if it announces one.
    fn restart_in(&self) -> Result<Option<Duration>, Problem> {
        match (self.restarting, self.eta.as_deref()) {
            (true, Some(text)) => restart_eta(text).map(Some).map_err(Problem::bad_request),
            (true, None) => Ok(Some(RESTART_ETA)),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(Problem::bad_request("eta is for restarting: true only")),
        }
    }
}

/// `POST /v1/leave`. Answers when this agent has left; the process ends right after.
pub(super) async fn leave(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let request: LeaveRequest = query::json(request).await?;
    let restart_in = request.restart_in()?;
    let reason = request.reason.unwrap_or_else(|| LEAVE_REASON.into());
    let answer = json!({"left": true, "reason": reason});
    let leave = Command::Leave { reason, restart_in };
    let sent = shared.commands.send(leave).await;
    sent.map_err(|_| Problem::ending())?;
    match timeout(LEAVE_TIMEOUT, shared.ended()).await {
        Ok(()) => Ok(Json(answer).into_response()),
        Err(_) => Ok((StatusCode::ACCEPTED, Json(json!({"left": false}))).into_response()),
    }
}

/// The answer of `DELETE /v1/members/{name}`.
#[derive(Serialize)]
struct RemovalAnswer {
    removed: String,
    /// Living members that have forgotten it, this one included.
    applied_by: usize,
    /// Living members.
    members: usize,
    /// Those that did not say so.
    missing: Vec<String>,
}

impl From<Removed> for RemovalAnswer {
    fn from(removed: Removed) -> Self {
        Self {
            removed: removed.name,
            applied_by: removed.applied_by,
            members: removed.applied_by + removed.missing.len(),
            missing: removed.missing,
        }
    }
}

/// `DELETE /v1/members/{name}`. Answers as soon as every living member has forgotten it, after 3 s
/// at the latest. Exchanges tell whoever has not.
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|rejection| Problem::bad_name(&rejection))?;
    let asked = name.clone();
    let removal = shared.ask(|reply| Command::Remove { name: asked, reply });
    match removal.await? {
        Removal::Done(removed) => Ok(Json(RemovalAnswer::from(removed)).into_response()),
        Removal::Unknown => Err(Problem::no_member(&name)),
        Removal::Refused(state) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!(
                "{name:?} is {}: only failed and departed members can be removed; \
                 to end a living one, make its own agent leave",
                state.as_str()
            ),
        )),
    }
}
