//! Ways in for fuzzers: requests that local programs make.

use std::{path::PathBuf, sync::Arc};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, Uri},
};
use tower_service::Service;

use super::{query, router};
use crate::{
    agent::{
        clock::Clock,
        shared::{Facts, Reloadable, Shared},
    },
    feed::{Epoch, Feed},
    swim::{Directory, Keys, MemberId, Node, Profile, Scope, Settings, Tags, Tuning},
};

/// What a query says.
pub(crate) fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(uri) = format!("/v1/watch?{text}").parse::<Uri>() {
        let problems = [query::members(&uri).err(), query::stream(&uri).err()];
        for problem in problems.into_iter().flatten() {
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        }
    }
}

/// A request: the first byte is its method, the rest of the first line its path, and then comes
/// its body. The protocol has ended, so that nothing is done.
pub(crate) fn request(data: &[u8]) {
    let [method, rest @ ..] = data else { return };
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let method = methods[usize::from(*method) % methods.len()].clone();
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let [path, body] = [(); 2].map(|()| parts.next().unwrap_or_default());
    let Ok(uri) = Uri::try_from(path) else {
        return;
    };
    // A process of this host would be watched, and a name looked up.
    let is_far = |word: &[u8]| body.windows(word.len()).any(|at| at == word);
    if uri.path() == "/v1/join" || is_far(b"pid") {
        return;
    }
    let request = Request::builder().method(method).uri(uri);
    let Ok(request) = request.body(Body::from(body.to_vec())) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let answered = router(shared()).call(request).await;
        let status = answered.expect("a router always answers").status();
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
    });
}

/// An agent whose protocol has ended.
pub(in crate::agent) fn shared() -> Arc<Shared> {
    shared_with(None, Keys::default())
}

/// One that had these keys, from this file.
pub(in crate::agent) fn shared_with(key_file: Option<PathBuf>, keys: Keys) -> Arc<Shared> {
    let clock = Clock::start();
    let bind = "127.0.0.1:7946".parse().expect("an address");
    let node = Node::new(Settings {
        cluster: "blue".into(),
        name: "n0".into(),
        address: bind,
        generation: 1,
        tags: Tags::default(),
        tuning: Tuning::new(Profile::Lan),
        seed: 1,
        directory: Directory::new(),
        scope: Scope::Everyone,
        keys: Keys::default(),
    });
    let own = node.members().next().expect("a node knows itself");
    let facts = Facts {
        id: MemberId::new("blue", "n0"),
        name: "n0".into(),
        cluster: "blue".into(),
        bind,
        key_file,
        restart_eta: None,
        seeks_others: false,
        socket: "/nowhere".into(),
        http: None,
    };
    let feed = Feed::new(Epoch(1), clock.now(), &own);
    let began = Reloadable {
        keys,
        profile: Profile::Lan,
    };
    let (shared, commands) = Shared::new(clock, facts, began, feed);
    drop(commands);
    shared
}
