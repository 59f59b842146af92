//! `hear_out`: no answer comes before its request is over.
//!
//! Many a refusal needs no more than a request's head. If it came at once, the connection would
//! end while the client still writes: one that sends its body after the head, as Python's
//! `http.client` does, would see a broken pipe and never read why. Whoever stops in the middle of a
//! body gives way when every place is taken.

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
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::reception::{Reception, gave_way};

/// Said by clients that send no body before they are told to go on (RFC 9110, 10.1.1).
const HELD_BACK: &[u8] = b"100-continue";

/// Nobody gives way sooner who has begun to send a body.
const GRACE: Duration = Duration::from_millis(200);

/// Answers a request once all of it came. What the router does not read of its body may take as
/// long as `patience`, and is kept nowhere. An answer that comes before its request is over says
/// that it is the connection's last.
pub(super) async fn hear_out(
    request: Request,
    mut router: Router,
    reception: Arc<Reception>,
    patience: Duration,
) -> Result<Response, Infallible> {
    if request.body().is_end_stream() {
        return router.call(request).await;
    }
    let (head, body) = request.into_parts();
    let mut body = SharedBody::new(body, is_held_back(&head.headers), reception);
    let request = Request::from_parts(head, Body::new(body.clone()));
    let mut answer = router.call(request).await?;
    if body.end() == Some(End::GaveWay) {
        answer = gave_way("had not asked to the end").into_response();
    }
    // Who goes on for longer is answered all the same.
    let _ = timeout(patience, body.discard()).await;
    if body.end() != Some(End::Whole) {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(answer)
}

fn is_held_back(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(HELD_BACK))
}

/// A request's body in two hands: the router's, and ours for what the router leaves.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Heard>>);

/// A body, and how much of it was heard.
struct Heard {
    body: Body,
    /// Nothing more comes.
    end: Option<End>,
    /// Nothing comes before somebody listens: that is what tells the client to go on.
    is_held_back: bool,
    /// Ends when the client must give way. Asked only while nothing more of the body is there, and
    /// gone with its end, as the ticket in it.
    way: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Broken,
    GaveWay,
    Whole,
}

impl SharedBody {
    fn new(body: Body, is_held_back: bool, reception: Arc<Reception>) -> Self {
        Self(Arc::new(Mutex::new(Heard {
            body,
            end: None,
            is_held_back,
            way: Some(Box::pin(way(reception))),
        })))
    }

    /// Listens to the rest, one frame at a time. A client that holds it back needs none of that:
    /// the answer tells it not to go on.
    async fn discard(&mut self) {
        if self.heard().is_held_back {
            return;
        }
        while let Some(Ok(_)) = self.frame().await {}
    }

    fn end(&self) -> Option<End> {
        self.heard().end
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the agent waiting, at first without having to give way.
async fn way(reception: Arc<Reception>) {
    let mut ticket = reception.enter();
    sleep(GRACE).await;
    ticket.called().await;
}

impl Heard {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_held_back = false;
        let Some(way) = &mut self.way else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            ready!(way.as_mut().poll(context));
            self.finish(End::GaveWay);
            return Poll::Ready(Some(Err(axum::Error::new("it gave way to another one"))));
        };
        match &frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.finish(End::Broken),
            None => self.finish(End::Whole),
        }
        Poll::Ready(frame)
    }

    fn finish(&mut self, end: End) {
        self.end = Some(end);
        self.way = None;
    }
}

impl hyper::body::Body for SharedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.heard().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        let heard = self.heard();
        heard.end.is_some() || heard.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.heard().body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::{extract::DefaultBodyLimit, http::Method, routing::post};
    use futures_util::stream::unfold;
    use tokio::{
        sync::{mpsc, oneshot},
        task::yield_now,
    };

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

    /// Whether the connection ends with this answer.
    fn is_last(answer: &Result<Response, Infallible>) -> bool {
        let headers = answer.as_ref().unwrap().headers();
        let connection = headers.get(header::CONNECTION);
        connection.is_some_and(|value| value == "close")
    }

    /// What is told of a request that may take for ever.
    async fn heard_out(request: Request) -> (u16, String) {
        told(hear_out(request, router(), Arc::default(), Duration::MAX).await).await
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
            let answering = hear_out(request, router(), Arc::default(), Duration::MAX);
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
        let request = asking("/nowhere", body);
        let answer = hear_out(request, router(), Arc::default(), Duration::ZERO).await;
        assert!(is_last(&answer));
        assert_eq!(told(answer).await.0, 404);
    }

    #[tokio::test]
    async fn whoever_stops_in_the_middle_of_a_body_gives_way() {
        let reception = Arc::<Reception>::default();
        for path in ["/length", "/nowhere"] {
            let (sender, body) = coming();
            let request = asking(path, body);
            let answering = hear_out(request, router(), reception.clone(), Duration::MAX);
            let answering = tokio::spawn(answering);
            sender.send(Bytes::from_static(b"ab")).await.unwrap();
            while !reception.make_room() {
                yield_now().await;
            }
            let answer = answering.await.unwrap();
            assert!(is_last(&answer), "{path}");
            // What needed none of it is answered as it was.
            let expected = if path == "/length" { 503 } else { 404 };
            assert_eq!(told(answer).await.0, expected, "{path}");
        }
    }

    #[tokio::test]
    async fn whoever_was_heard_out_does_not_give_way() {
        let reception = Arc::<Reception>::default();
        let (waiting, mut at_work) = mpsc::channel(1);
        let (work, done) = oneshot::channel::<()>();
        let done = Arc::new(Mutex::new(Some(done)));
        let router = Router::new().route(
            "/work",
            post(move |_: Bytes| async move {
                waiting.send(()).await.unwrap();
                let done = done.lock().unwrap().take();
                done.expect("asked once").await.unwrap();
            }),
        );
        let (sender, body) = coming();
        let request = asking("/work", body);
        let answering = hear_out(request, router, reception.clone(), Duration::MAX);
        let answering = tokio::spawn(answering);
        sender.send(Bytes::from_static(b"ab")).await.unwrap();
        drop(sender);
        at_work.recv().await.unwrap();
        assert!(!reception.make_room());
        work.send(()).unwrap();
        let answer = answering.await.unwrap();
        assert!(!is_last(&answer));
        assert_eq!(told(answer).await.0, 200);
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
