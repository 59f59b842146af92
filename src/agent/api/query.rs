//! What callers send: query strings and JSON bodies, read strictly and refused by name.

use std::time::Duration;

use axum::{
    extract::{FromRequest, Query, Request},
    http::{HeaderMap, StatusCode, Uri, header},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::feed::{Filter, Position, Taste};

use super::{Problem, REQUEST_BYTES_MAX};

/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a stream was asked for.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) taste: Taste,
    pub(super) resume: Option<Position>,
}

/// Reads `state=`, `tag=` and `name=`.
pub(super) fn members(uri: &Uri) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (key, value) in pairs(uri)? {
        match key.as_str() {
            "state" => filter.add_states(&value).map_err(unreadable)?,
            "tag" => filter.add_tag(&value).map_err(unreadable)?,
            "name" => filter.add_name(&value),
            _ => return Err(unknown(&key, "state, tag, name")),
        }
    }
    Ok(filter)
}

/// Reads `types=`, `tag=`, `name=`, `confidence=`, `settle=` and `resume=`.
pub(super) fn stream(uri: &Uri) -> Result<Wish, Problem> {
    let mut wish = Wish::default();
    let taste = &mut wish.taste;
    for (key, value) in pairs(uri)? {
        match key.as_str() {
            "types" => taste.filter.add_kinds(&value).map_err(unreadable)?,
            "tag" => taste.filter.add_tag(&value).map_err(unreadable)?,
            "name" => taste.filter.add_name(&value),
            "confidence" => taste.confidence = value.parse().map_err(unreadable)?,
            "settle" => taste.settle = Some(value.parse().map_err(unreadable)?),
            "resume" => wish.resume = Some(value.parse().map_err(unreadable)?),
            _ => {
                let known = "types, tag, name, confidence, settle, resume";
                return Err(unknown(&key, known));
            }
        }
    }
    Ok(wish)
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) = Query::try_from_uri(uri).map_err(unreadable)?;
    Ok(pairs)
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    Problem::bad_request(error.to_string())
}

fn unknown(key: &str, known: &str) -> Problem {
    Problem::bad_request(format!("query parameter {key:?} is not one of {known}"))
}

/// The JSON body of a request, whatever its content type says. An empty body is `{}`.
pub(super) async fn json<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    match body(request).await? {
        empty if empty.is_empty() => read(b"{}"),
        text => read(&text),
    }
}

/// The same where an empty body is more likely a mistake than a wish.
pub(super) async fn given_json<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    match body(request).await? {
        empty if empty.is_empty() => {
            Err(Problem::bad_request("the body is empty: send {} for none"))
        }
        text => read(&text),
    }
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    // Serde would take a list's items for the fields, in their order.
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::bad_request("the body is a list: send an object"));
    }
    serde_json::from_slice(text).map_err(|error| {
        Problem::bad_request(format!("the body is not what is asked for: {error}"))
    })
}

async fn body(request: Request) -> Result<Bytes, Problem> {
    if declared_bytes(request.headers()) > REQUEST_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let arriving = timeout(BODY_TIMEOUT, Bytes::from_request(request, &()));
    let arrived = arriving.await.map_err(|_| {
        let detail = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    })?;
    arrived.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::bad_request("the body ended before it was complete"),
    })
}

fn declared_bytes(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH);
    length
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}

fn too_large() -> Problem {
    let detail = format!("the body is larger than {REQUEST_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
