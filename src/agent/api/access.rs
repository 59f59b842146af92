//! Who may ask what: on the socket, whoever may only look; on TCP, where any process and any web
//! page on this host could be asking, whoever shows the token, or at least is no foreign page.
//!
//! A page cannot forge the `Host`, `Origin` and `Sec-Fetch-Site` headers. Checking the first keeps
//! pages out that use a name of their own for this address (DNS rebinding), checking the others
//! keeps out those that post to it blindly.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension,
    extract::Request,
    http::{HeaderMap, HeaderName, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::Problem;
use crate::config::{Token, is_loopback};

/// Where a connection came in on TCP. Each of its requests carries it.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) local: IpAddr,
    /// What must be shown there.
    pub(super) token: Option<Arc<Token>>,
}

/// Sent by browsers: which page is asking.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a request that would change something.
pub(super) async fn only_read(request: Request, next: Next) -> Result<Response, Problem> {
    match request.method() {
        &Method::GET | &Method::HEAD => Ok(next.run(request).await),
        method => {
            let detail = format!("this user may look and change nothing: {method} is not allowed");
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
    }
}

/// Refuses a request that was not meant for this door. Whoever is refused is told so once: one who
/// went on to ask, and read none of the answers, would have the agent wait to write them, and so
/// hold a place that it has no right to.
pub(super) async fn check(
    Extension(door): Extension<Door>,
    request: Request,
    next: Next,
) -> Response {
    match door.examine(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => ([(header::CONNECTION, "close")], problem).into_response(),
    }
}

impl Door {
    fn examine(&self, request: &Request) -> Result<(), Problem> {
        self.admit(request.headers())?;
        self.guard_keys(request.method(), request.uri().path())
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        refuse_pages(headers)?;
        match &self.token {
            // Who knows it means us, by whatever name.
            Some(token) => require(token, headers),
            None => self.require_host(headers),
        }
    }

    /// Any process on this host can ask here without a token. Who adds a key that it knows reads
    /// all that the cluster says from then on, which is more than what the agent tells.
    fn guard_keys(&self, method: &Method, path: &str) -> Result<(), Problem> {
        let is_change = !matches!(*method, Method::GET | Method::HEAD);
        match is_change && self.token.is_none() && path.starts_with("/v1/keys") {
            true => Err(forbidden(
                "keys are changed over the socket, or where a token is shown: see http-token-file"
                    .into(),
            )),
            false => Ok(()),
        }
    }

    /// HTTP/1.0 clients and programs may name none.
    fn require_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let local = self.local;
        match text(headers, header::HOST) {
            Some(host) if !is_local(host, local) => Err(forbidden(format!(
                "host {host:?} is not this agent: use localhost or {local}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Refuses pages of other origins. We have none ourselves.
fn refuse_pages(headers: &HeaderMap) -> Result<(), Problem> {
    let host = text(headers, header::HOST);
    if let Some(origin) = text(headers, header::ORIGIN) {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        if authority.is_none() || authority != host {
            return Err(forbidden(format!("origin {origin:?} is not this agent")));
        }
    }
    match text(headers, SEC_FETCH_SITE) {
        None | Some("none" | "same-origin") => Ok(()),
        Some(site) => Err(forbidden(format!(
            "sec-fetch-site is {site:?}: a foreign page"
        ))),
    }
}

fn require(token: &Token, headers: &HeaderMap) -> Result<(), Problem> {
    let shown = text(headers, header::AUTHORIZATION);
    let shown = shown.and_then(|shown| shown.split_once(' '));
    let is_bearer = |scheme: &str| scheme.eq_ignore_ascii_case("bearer");
    match shown {
        Some((scheme, shown)) if is_bearer(scheme) && token.is(shown.trim()) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "wants the header \"Authorization: Bearer TOKEN\", with the token of this agent's \
             http-token-file",
        )),
    }
}

fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// A header's text. What is no text equals nothing.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

fn is_local(authority: &str, local: IpAddr) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => is_loopback(ip) || ip == local,
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_host_are_local() {
        let local = "10.0.0.1".parse().unwrap();
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:80",
            "[::1]:80",
            "10.0.0.1",
        ] {
            assert!(is_local(host, local), "{host}");
        }
        for host in [
            "evil.example",
            "10.0.0.2",
            "",
            "localhost.evil.example",
            "null",
            "?",
        ] {
            assert!(!is_local(host, local), "{host}");
        }
    }

    /// The status that a request with these headers gets; `None` if it is let in.
    fn answer(token: Option<&str>, headers: &[(HeaderName, &str)]) -> Option<u16> {
        let door = Door {
            local: "127.0.0.1".parse().unwrap(),
            token: token.map(|token| Arc::new(Token::new(token))),
        };
        let pair = |(name, value): &(HeaderName, &str)| (name.clone(), value.parse().unwrap());
        let headers = headers.iter().map(pair).collect();
        door.admit(&headers)
            .err()
            .map(|problem| problem.status().as_u16())
    }

    #[test]
    fn keys_are_not_changed_without_a_token() {
        let door = |token: Option<&str>| Door {
            local: "127.0.0.1".parse().unwrap(),
            token: token.map(|token| Arc::new(Token::new(token))),
        };
        for (token, method, path, is_refused) in [
            (None, Method::GET, "/v1/keys", false),
            (None, Method::POST, "/v1/keys", true),
            (None, Method::PUT, "/v1/keys/primary", true),
            (None, Method::DELETE, "/v1/keys/3f2a91bc", true),
            (None, Method::POST, "/v1/join", false),
            (
                Some("correct-horse-battery"),
                Method::POST,
                "/v1/keys",
                false,
            ),
        ] {
            let guarded = door(token).guard_keys(&method, path);
            assert_eq!(guarded.is_err(), is_refused, "{method} {path}");
        }
    }

    #[test]
    fn pages_are_refused_and_programs_are_not() {
        let (host, origin) = (header::HOST, header::ORIGIN);
        let ours = (host.clone(), "localhost:7980");
        for (headers, status) in [
            (vec![], None),
            (vec![ours.clone()], None),
            (vec![(host, "evil.example")], Some(403)),
            (
                vec![ours.clone(), (origin.clone(), "http://localhost:7980")],
                None,
            ),
            // Another program's page on this very host.
            (
                vec![ours.clone(), (origin.clone(), "http://localhost:3000")],
                Some(403),
            ),
            (vec![ours.clone(), (origin, "null")], Some(403)),
            (vec![ours.clone(), (SEC_FETCH_SITE, "none")], None),
            (vec![ours.clone(), (SEC_FETCH_SITE, "same-origin")], None),
            (vec![ours.clone(), (SEC_FETCH_SITE, "same-site")], Some(403)),
            (vec![ours, (SEC_FETCH_SITE, "cross-site")], Some(403)),
        ] {
            assert_eq!(answer(None, &headers), status, "{headers:?}");
        }
    }

    #[test]
    fn who_shows_the_token_may_use_any_name_and_nobody_else_gets_in() {
        let far = (header::HOST, "n1.example:7980");
        let shown = |text| vec![far.clone(), (header::AUTHORIZATION, text)];
        let answer = |headers: &[_]| answer(Some("correct-horse-battery"), headers);
        assert_eq!(answer(&shown("Bearer correct-horse-battery")), None);
        assert_eq!(answer(&shown("bearer correct-horse-battery")), None);
        for text in [
            "Bearer correct-horse-batter",
            "Bearer",
            "Bearer ",
            "Basic correct-horse-battery",
            "correct-horse-battery",
        ] {
            assert_eq!(answer(&shown(text)), Some(401), "{text}");
        }
        assert_eq!(answer(&[(header::HOST, "localhost")]), Some(401));
        let mut page = shown("Bearer correct-horse-battery");
        page.push((SEC_FETCH_SITE, "cross-site"));
        assert_eq!(answer(&page), Some(403));
    }
}
