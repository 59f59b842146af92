//! `/v1/keys`: who has which keys, and replacing them. Keys come in, and only ids go out.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    agent::{
        app::Ended,
        keys::{KeyRefusal, KeyRequest, Keyring},
        shared::{Command, Shared},
    },
    config::{generate_key, parse_key},
    swim::KeyId,
};

use super::{Problem, query};

#[derive(Serialize)]
struct Record {
    /// The key that was added, used or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<String>,
    primary: Option<String>,
    keys: Vec<KeyRecord>,
    members: Vec<MemberRecord>,
    file: Option<String>,
    stored: bool,
}

#[derive(Serialize)]
struct KeyRecord {
    id: String,
    accepted_by: usize,
    primary_of: usize,
}

#[derive(Serialize)]
struct MemberRecord {
    name: String,
    keys: Vec<String>,
    stored: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddRequest {
    key: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UseRequest {
    id: String,
    #[serde(default)]
    force: bool,
}

impl From<KeyRefusal> for Problem {
    fn from(refusal: KeyRefusal) -> Self {
        let status = match refusal {
            KeyRefusal::Unknown(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.to_string())
    }
}

/// `GET /v1/keys`: which keys the members have that did not leave.
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    ask(&shared, KeyRequest::Show, None).await
}

/// `POST /v1/keys`: lets everybody accept another key, a fresh one unless it is given.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let AddRequest { key } = query::json(request).await?;
    let text = match key {
        Some(text) => text,
        None => generate_key().map_err(|error| {
            let detail = format!("cannot make a key: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        })?,
    };
    let key = parse_key(&text).ok_or_else(|| {
        Problem::bad_request("a key is 64 hexadecimal digits, or 44 characters of base64")
    })?;
    let id = key.id();
    ask(&shared, KeyRequest::Add(key), Some(id)).await
}

/// `PUT /v1/keys/primary`: lets everybody seal with this key.
pub(super) async fn promote(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let UseRequest { id, force } = query::json(request).await?;
    let id = parse(&id)?;
    let is_forced = force;
    ask(&shared, KeyRequest::Use { id, is_forced }, Some(id)).await
}

/// `DELETE /v1/keys/{id}`: lets nobody have this key any more.
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|rejection| Problem::bad_request(rejection.to_string()))?;
    let id = parse(&id)?;
    ask(&shared, KeyRequest::Remove(id), Some(id)).await
}

/// `POST /v1/keys/reload`: takes what is in this agent's key file now, if somebody changed it.
pub(super) async fn reload(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    // What was read is taken, even if the client does not wait for it.
    let reloading = tokio::spawn(async move { take_file(&shared).await });
    // It fails only while the agent ends.
    reloading.await.unwrap_or_else(|_| Err(Ended.into()))
}

async fn take_file(shared: &Arc<Shared>) -> Result<Response, Problem> {
    let reread = shared.reread_keys().await;
    let reread = reread.map_err(|invalid| {
        let detail = format!("the key file {invalid}: {}", invalid.hint);
        Problem::new(StatusCode::CONFLICT, detail)
    })?;
    let request = reread.map_or(KeyRequest::Show, KeyRequest::Replace);
    ask(shared, request, None).await
}

fn parse(id: &str) -> Result<KeyId, Problem> {
    id.parse()
        .map_err(|error: crate::swim::InvalidKeyId| Problem::bad_request(error.to_string()))
}

/// Answers with who has which keys after it, and only when our key file has them, too, or cannot be
/// written.
async fn ask(
    shared: &Arc<Shared>,
    request: KeyRequest,
    changed: Option<KeyId>,
) -> Result<Response, Problem> {
    let is_change = !matches!(request, KeyRequest::Show);
    let keyring = shared
        .ask(|reply| Command::Keys { request, reply })
        .await??;
    if is_change {
        shared.keep_keys().await;
    }
    Ok(Json(record(shared, &keyring, changed)).into_response())
}

fn record(shared: &Shared, keyring: &Keyring, changed: Option<KeyId>) -> Record {
    let file = shared.key_file.as_ref();
    let Keyring { ours, rings } = keyring;
    let mut known = ours.clone();
    for id in rings.iter().flat_map(|ring| &ring.keys) {
        if !known.contains(id) {
            known.push(*id);
        }
    }
    let count = |id: &KeyId| {
        let primary = |keys: &[KeyId]| keys.first() == Some(id);
        KeyRecord {
            id: id.to_string(),
            accepted_by: rings.iter().filter(|ring| ring.keys.contains(id)).count(),
            primary_of: rings.iter().filter(|ring| primary(&ring.keys)).count(),
        }
    };
    let text = |id: &KeyId| id.to_string();
    Record {
        changed: changed.as_ref().map(text),
        primary: ours.first().map(text),
        keys: known.iter().map(count).collect(),
        members: rings
            .iter()
            .map(|ring| MemberRecord {
                name: ring.member.clone(),
                keys: ring.keys.iter().map(text).collect(),
                stored: ring.is_stored,
            })
            .collect(),
        file: file.map(|file| file.path().display().to_string()),
        stored: file.is_some_and(|file| !file.is_behind()),
    }
}
