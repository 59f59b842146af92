//! `GET`, `PUT` and `PATCH /v1/tags`: this agent's own tags, which hold as long as its process
//! runs.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use crate::{
    agent::shared::{Command, Retagging, Shared},
    swim::InvalidCard,
};

use super::{Problem, query};

impl From<InvalidCard> for Problem {
    fn from(error: InvalidCard) -> Self {
        let status = match error {
            InvalidCard::TagsTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// `GET /v1/tags`: those that this agent has now, as an object.
pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let own = shared.feed().member(shared.facts.id);
    let own = own.ok_or_else(Problem::ending)?;
    Ok(Json(&own.view.card.tags).into_response())
}

/// `PUT /v1/tags`: these, and no others.
pub(super) async fn replace(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let body: Map<String, Value> = query::given_json(request).await?;
    let pairs = body.into_iter().map(|(key, value)| match value {
        Value::String(value) => Ok((key, value)),
        value => Err(refused(&key, &value, "a string")),
    });
    let tags = pairs.collect::<Result<_, _>>()?;
    change(&shared, Retagging::Replace(tags)).await
}

/// `PATCH /v1/tags`: these beside those that there are, `null` takes one away (RFC 7396).
pub(super) async fn merge(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let body: Map<String, Value> = query::given_json(request).await?;
    let pairs = body.into_iter().map(|(key, value)| match value {
        Value::String(value) => Ok((key, Some(value))),
        Value::Null => Ok((key, None)),
        value => Err(refused(&key, &value, "a string or null")),
    });
    let changes = pairs.collect::<Result<BTreeMap<_, _>, _>>()?;
    change(&shared, Retagging::Merge(changes)).await
}

/// Answers with all tags, once this agent's own consumers know them.
async fn change(shared: &Shared, change: Retagging) -> Result<Response, Problem> {
    let tags = shared
        .ask(|reply| Command::Tags { change, reply })
        .await??;
    Ok(Json(&tags).into_response())
}

fn refused(key: &str, value: &Value, allowed: &str) -> Problem {
    Problem::bad_request(format!("tag {key:?} is {value}, which is not {allowed}"))
}
