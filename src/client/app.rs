//! Leases: how an application shows that it lives.

use std::time::Duration;

use hyper::Method;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{Client, Error, connection::PATIENCE, filter::time_text, lines::Lines};

const PATH: &str = "/v1/app";

/// What shows that the application lives. When it does no more, every member's consumers hear of
/// it. The newest lease replaces the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The same lease is taken again within this time, 100 ms to 24 h; a tenth of it is forgiven.
    Interval(Duration),
    /// The process with this number runs.
    Process(u32),
}

/// A lease that lasts as long as this does: dropping it says that the application is down.
#[derive(Debug)]
pub struct HeldLease(Lines);

/// Why a [`HeldLease`] counts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// The agent ended. The next one knows nothing of it: take it again.
    AgentGone,
    /// Another lease took its place, or it was released.
    Replaced,
}

impl Client {
    /// Takes a lease: the application is up from now on.
    ///
    /// # Errors
    /// [`Error::Refused`] with 400: the interval is out of range; with 422: there is no such
    /// process.
    pub async fn lease(&self, lease: Lease) -> Result<(), Error> {
        self.put_app(&match lease {
            Lease::Interval(time) => json!({"interval": time_text(time)}),
            Lease::Process(pid) => json!({"pid": pid}),
        })
        .await
    }

    /// Takes a lease that lasts until it is dropped, or the process ends.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn hold_lease(&self) -> Result<HeldLease, Error> {
        let body = json!({"connection": true});
        let mut lines = self.stream((Method::PUT, PATH), Some(&body)).await?;
        // The first line says that the lease holds.
        match lines.next().await {
            Some(_) => Ok(HeldLease(lines)),
            None => Err(Error::Ended),
        }
    }

    /// Says that the application is up, without any lease.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn say_up(&self) -> Result<(), Error> {
        self.put_app(&json!({"state": "up"})).await
    }

    /// Says that the application is down. At most 128 bytes of the reason are told.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn say_down(&self, reason: &str) -> Result<(), Error> {
        self.put_app(&json!({"state": "down", "reason": reason}))
            .await
    }

    /// Releases the lease: there is no application to speak of any more, and none died.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn release_lease(&self) -> Result<(), Error> {
        let request = (Method::DELETE, PATH);
        self.ask::<IgnoredAny>(request, None, PATIENCE).await?;
        Ok(())
    }

    async fn put_app(&self, body: &Value) -> Result<(), Error> {
        let request = (Method::PUT, PATH);
        self.ask::<IgnoredAny>(request, Some(body), PATIENCE)
            .await?;
        Ok(())
    }
}

impl HeldLease {
    /// Waits until it counts no more.
    pub async fn end(&mut self) -> LeaseEnd {
        // The agent is silent until it says that another lease holds.
        match self.0.next().await {
            Some(_) => LeaseEnd::Replaced,
            None => LeaseEnd::AgentGone,
        }
    }
}
