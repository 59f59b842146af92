//! `hear_out`: no answer comes before its request is over.
//!
//! Many a refusal needs no more than a request's head. If it came at once, the connection would
//! end while the client still writes: one that sends its body after the head, as Python's
//! `http.client` does, would see a broken pipe and never read why.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
    response::Response,
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::timeout;
use tower_service::Service;

/// Said by clients that send no body before they are told to go on (RFC 9110, 10.1.1).
const HELD_BACK: &[u8] = b"100-continue";

/// Answers a request once all of it came. What the router does not read of its body may take as
/// long as `patience`, and is kept nowhere.
pub(super) async fn hear_out(
    request: Request,
    mut router: Router,
    patience: Duration,
) -> Result<Response, Infallible> {
    if request.body().is_end_stream() {
        return router.call(request).await;
    }
    let (head, body) = request.into_parts();
    let body = SharedBody::new(body, is_held_back(&head.headers));
    let request = Request::from_parts(head, Body::new(body.clone()));
    let answer = router.call(request).await;
    // Who goes on for longer is answered all the same.
    let _ = timeout(patience, body.discard()).await;
    answer
}

fn is_held_back(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(HELD_BACK))
}

/// A request's body in two hands: the router's, and ours for what the router leaves.
#[derive(Clone, Debug)]
struct SharedBody(Arc<Mutex<Heard>>);

/// A body, and how much of it was heard.
#[derive(Debug)]
struct Heard {
    body: Body,
    /// Nothing more comes.
    is_over: bool,
    /// Nothing comes before somebody listens: that is what tells the client to go on.
    is_held_back: bool,
}

impl SharedBody {
    fn new(body: Body, is_held_back: bool) -> Self {
        Self(Arc::new(Mutex::new(Heard {
            body,
            is_over: false,
            is_held_back,
        })))
    }

    /// Listens to the rest, one frame at a time. A client that holds it back needs none of that:
    /// the answer tells it not to go on.
    async fn discard(mut self) {
        if self.heard().is_held_back {
            return;
        }
        while let Some(Ok(_)) = self.frame().await {}
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for SharedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut heard = self.heard();
        heard.is_held_back = false;
        if heard.is_over {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut heard.body).poll_frame(context));
        // One that broke off does not go on either.
        heard.is_over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let heard = self.heard();
        heard.is_over || heard.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.heard().body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        extract::DefaultBodyLimit,
        http::{HeaderValue, Method},
        routing::post,
    };
    use futures_util::stream::unfold;
    use tokio::sync::mpsc;

    use super::*;
    use crate::agent::api::body::TaskBody;

    const LIMIT: usize = 4;

    fn router() -> Router {
        let length = |body: Bytes| async move { body.len().to_string() };
        let announced = |request: Request| async move {
            let size = request.body().size_hint();
            size.exact().unwrap_or_default().to_string()
        };
        Router::new()
            .route("/length", post(length))
            .route("/announced", post(announced))
            .layer(DefaultBodyLimit::max(LIMIT))
    }

    fn asking(path: &str, body: impl Into<Body>) -> Request {
        let mut request = Request::new(body.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().unwrap();
        request
    }

    fn holding_back(mut request: Request) -> Request {
        let expected = HeaderValue::from_bytes(HELD_BACK).unwrap();
        request.headers_mut().insert(header::EXPECT, expected);
        request
    }

    /// A body of which comes what is sent.
    fn coming() -> (mpsc::Sender<Bytes>, Body) {
        let (sender, receiver) = mpsc::channel(1);
        (sender, Body::new(TaskBody(receiver)))
    }

    async fn told(answer: Result<Response, Infallible>) -> (u16, String) {
        let answer = answer.unwrap();
        let status = answer.status().as_u16();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(text.into()).unwrap())
    }

    /// What is told of a request that may take for ever.
    async fn heard_out(request: Request) -> (u16, String) {
        told(hear_out(request, router(), Duration::MAX).await).await
    }

    #[tokio::test]
    async fn bodies_sizes_and_limits_are_what_they_are_without() {
        for (path, body, length) in [
            ("/length", "", "0"),
            ("/length", "abcd", "4"),
            ("/announced", "abcde", "5"),
        ] {
            let told = heard_out(asking(path, body)).await;
            assert_eq!(told, (200, length.into()), "{path}: {body}");
        }
        assert_eq!(heard_out(asking("/length", "abcde")).await.0, 413);
        assert_eq!(heard_out(asking("/nowhere", "abcde")).await.0, 404);
    }

    #[tokio::test]
    async fn an_answer_waits_for_what_it_did_not_need() {
        for (path, is_held_back, status) in [
            ("/nowhere", false, 404),
            ("/length", false, 413),
            // It is told to go on, and does.
            ("/length", true, 413),
        ] {
            let (sender, body) = coming();
            let mut request = asking(path, body);
            if is_held_back {
                request = holding_back(request);
            }
            let answering = hear_out(request, router(), Duration::MAX);
            let answering = tokio::spawn(answering);
            for _ in 0..100 {
                sender.send(Bytes::from_static(b"abcde")).await.unwrap();
            }
            assert!(!answering.is_finished(), "{path}");
            drop(sender);
            assert_eq!(told(answering.await.unwrap()).await.0, status, "{path}");
        }
    }

    #[tokio::test]
    async fn one_who_goes_on_for_too_long_is_answered() {
        let (_sender, body) = coming();
        let answer = hear_out(asking("/nowhere", body), router(), Duration::ZERO).await;
        assert_eq!(told(answer).await.0, 404);
    }

    #[tokio::test]
    async fn what_is_held_back_until_somebody_listens_is_not_waited_for() {
        let (_sender, body) = coming();
        let request = holding_back(asking("/nowhere", body));
        assert_eq!(heard_out(request).await.0, 404);
    }

    #[tokio::test]
    async fn nobody_listens_to_a_body_that_is_over() {
        // Whoever asked this one for more would panic.
        let once = unfold(Some("abcd"), |text| async move {
            text.map(|text| (Ok::<_, Infallible>(text), None))
        });
        let request = asking("/length", Body::from_stream(once));
        assert_eq!(heard_out(request).await, (200, "4".into()));
    }
}
