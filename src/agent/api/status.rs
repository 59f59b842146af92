//! `GET /v1/status`: this agent.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    agent::shared::Shared,
    swim::{AppStatus, Counts, Key, Tags},
};

use super::{Problem, health::Health};

#[derive(Serialize)]
struct Record<'a> {
    name: &'a str,
    id: String,
    generation: u32,
    incarnation: u32,
    address: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_as: Option<SocketAddr>,
    cluster: &'a str,
    version: &'static str,
    health: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    health_reasons: Vec<&'static str>,
    profile: &'static str,
    uptime_s: u64,
    counts: CountsRecord,
    restarting: usize,
    epoch: String,
    seq: u64,
    pid: u32,
    bind: SocketAddr,
    gossip: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    socket: String,
    http: Option<SocketAddr>,
    subscribers: usize,
    tags: &'a Tags,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct CountsRecord {
    alive: usize,
    suspect: usize,
    failed: usize,
    left: usize,
}

impl From<Counts> for CountsRecord {
    fn from(counts: Counts) -> Self {
        Self {
            alive: counts.alive,
            suspect: counts.suspect,
            failed: counts.failed,
            left: counts.left,
        }
    }
}

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let facts = &shared.facts;
    let key = shared.keys.borrow().primary().map(Key::id);
    let health = Health::of(&shared);
    let (own, epoch, seq, counts, restarting) = {
        let feed = shared.feed();
        let own = feed.member(facts.id).ok_or_else(Problem::ending)?;
        (
            own,
            feed.epoch(),
            feed.seq(),
            feed.counts(),
            feed.restarting(),
        )
    };
    let (card, app) = (&own.view.card, own.view.app.as_ref());
    let record = Record {
        name: &facts.name,
        id: facts.id.to_string(),
        generation: card.generation,
        incarnation: own.view.incarnation,
        address: card.address,
        seen_as: shared.vitals().node.seen_elsewhere,
        cluster: &facts.cluster,
        version: env!("CARGO_PKG_VERSION"),
        health: health.word,
        health_reasons: health.reasons,
        profile: shared.profile.borrow().as_str(),
        uptime_s: shared.clock.uptime().as_secs(),
        counts: counts.into(),
        restarting,
        epoch: epoch.to_string(),
        seq,
        pid: std::process::id(),
        bind: facts.bind,
        gossip: match key {
            Some(_) => "sealed",
            None => "plaintext",
        },
        key: key.map(|key| key.to_string()),
        socket: facts.socket.display().to_string(),
        http: facts.http,
        subscribers: shared.subscribers(),
        tags: &card.tags,
        app: app.map(AppStatus::as_str),
        app_reason: app.and_then(AppStatus::reason),
    };
    Ok(Json(record).into_response())
}
