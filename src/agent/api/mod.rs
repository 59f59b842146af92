//! The local HTTP API: the same routes on the Unix socket and, when asked for, on TCP.
//!
//! `serve` accepts and bounds connections, `reception` is where they wait before each request,
//! `head` reads what they ask, `turn` has hyper answer it, `hear_out` hears it to the end, `access`
//! says who may ask what, `caller` who asks, the rest is one file for each kind of answer. Every
//! error is `application/problem+json`.

mod access;
mod app;
mod body;
mod caller;
mod commands;
mod events;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod head;
mod health;
mod hear_out;
mod keys;
mod members;
mod metrics;
mod patience;
mod problem;
mod query;
mod reception;
mod serve;
mod status;
mod tags;
mod turn;
mod watch;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post, put},
};

use super::shared::Shared;

use problem::Problem;
pub(super) use serve::{Doors, serve};

/// Largest request body, in bytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Every route, for any kind of connection.
fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::show))
        .route("/v1/app", get(app::show).put(app::put).delete(app::delete))
        .route("/v1/events", post(events::raise))
        .route("/v1/join", post(commands::join))
        .route("/v1/keys", get(keys::list).post(keys::add))
        .route("/v1/keys/primary", put(keys::promote))
        .route("/v1/keys/reload", post(keys::reload))
        .route("/v1/keys/{id}", delete(keys::remove))
        .route("/v1/leave", post(commands::leave))
        .route("/v1/members", get(members::list))
        .route(
            "/v1/members/{name}",
            get(members::show).delete(commands::remove),
        )
        .route("/v1/status", get(status::show))
        .route(
            "/v1/tags",
            get(tags::show).put(tags::replace).patch(tags::merge),
        )
        .route("/v1/watch", get(watch::follow))
        .fallback(|uri: axum::http::Uri| async move { Problem::no_route(uri.path()) })
        .method_not_allowed_fallback(
            |method: axum::http::Method, uri: axum::http::Uri| async move {
                Problem::no_method(&method, uri.path())
            },
        )
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(shared)
}

#[cfg(test)]
mod tests;
