//! Who may ask what on TCP, where any process and any web page on this host could be asking.
//!
//! A page cannot forge the `Host` and `Origin` headers, so checking them keeps pages out that
//! use a name of their own for this address, or that post to it blindly.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::Response,
};

use super::Problem;
use crate::config::is_loopback;

/// Refuses a request that was not meant for `local`, the address the connection came in at.
pub(super) async fn check(
    State(local): State<IpAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    for (name, value) in named(request.headers()) {
        if !is_local(&value, local) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("{name} {value:?} is not this agent: use localhost or {local}"),
            ));
        }
    }
    Ok(next.run(request).await)
}

/// The hosts that the request names. HTTP/1.0 clients and programs may name none.
fn named(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).map(|host| ("host", host.into()));
    let origin = text(header::ORIGIN).map(|origin| {
        let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
        ("origin", authority.into())
    });
    host.into_iter().chain(origin).collect()
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
}
