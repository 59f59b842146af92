//! `POST /v1/events`: an application raises an event for everybody.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    agent::shared::{Command, Raising, Shared},
    swim::{InvalidEvent, check_event},
};

use super::{Problem, query};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventRequest {
    name: String,
    #[serde(default)]
    payload: String,
}

impl From<InvalidEvent> for Problem {
    fn from(error: InvalidEvent) -> Self {
        let status = match error {
            InvalidEvent::Name(_) => StatusCode::BAD_REQUEST,
            InvalidEvent::PayloadTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Self::new(status, error.to_string())
    }
}

/// Answers as soon as this agent's own consumers have it and the first packets are on their way:
/// 202, with what the event is known by in every stream.
pub(super) async fn raise(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let EventRequest { name, payload } = query::json(request).await?;
    check_event(&name, &payload)?;
    let raising = shared.ask(|reply| Command::Event {
        name,
        payload,
        reply,
    });
    match raising.await? {
        Raising::Done { generation, number } => {
            let from = &shared.facts.name;
            let answer = json!({"from": from, "generation": generation, "number": number});
            Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
        }
        Raising::Full => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many events wait to be sent",
        )),
    }
}
