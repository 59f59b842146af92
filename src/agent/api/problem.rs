//! `Problem`: every error of the API, as RFC 9457 has it.

use axum::{
    extract::rejection::PathRejection,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;

/// An error and what the caller should know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

#[derive(Serialize)]
struct Record<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    /// What was asked cannot be understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The path's name is not text.
    pub(super) fn bad_name(rejection: &PathRejection) -> Self {
        Self::bad_request(format!("the member's name is not UTF-8: {rejection}"))
    }

    pub(super) fn no_member(name: &str) -> Self {
        let detail = format!("no member is called {name:?}");
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn no_method(method: &Method, path: &str) -> Self {
        let detail = format!("{path} does not know {method}; see the Allow header");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    pub(super) fn no_route(path: &str) -> Self {
        let detail =
            format!("there is no {path}; try /v1/members, /v1/watch, /v1/status or /metrics");
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The protocol has ended, and this process is about to.
    pub(super) fn ending() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "this agent is stopping")
    }

    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn json(&self) -> Bytes {
        let record = Record {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut json = serde_json::to_vec(&record).expect("a problem has string keys");
        json.push(b'\n');
        json.into()
    }
}

/// What is too much now is not in so many seconds.
const RETRY_AFTER_S: &str = "1";

/// The content type of every error.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static(PROBLEM_TYPE);
        let json = self.json();
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], json).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let wait = HeaderValue::from_static(RETRY_AFTER_S);
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
