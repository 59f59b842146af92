//! `GET /v1/members` and `GET /v1/members/{name}`.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{Uri, header},
    response::{IntoResponse, Response},
};

use crate::{agent::shared::Shared, swim::MemberId};

use super::{Problem, body::PiecesBody, query};

pub(super) async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    let filter = query::members(&uri)?;
    let snapshot = shared.feed().snapshot(&filter);
    let body = Body::new(PiecesBody(snapshot.listing(shared.clock.now())));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|rejection| Problem::bad_name(&rejection))?;
    let id = MemberId::new(&shared.facts.cluster, &name);
    let member = shared.feed().member(id);
    match member {
        Some(member) => Ok(Json(&*member).into_response()),
        None => Err(Problem::no_member(&name)),
    }
}
