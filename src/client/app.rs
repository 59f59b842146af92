//! Leases: how an application shows that it lives.

use std::time::{Duration, SystemTime};

use hyper::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    Answer, App, Client, Error, connection::PATIENCE, filter::time_text, lines::Lines, time,
};

const PATH: &str = "/v1/app";

/// What shows that the application lives. When it does no more, every member's consumers hear of
/// it. The newest lease replaces the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The same lease is taken again within this time, 100 ms to 24 h; a tenth of it is forgiven.
    Interval(Duration),
    /// The process with this number runs. Only for who asks at the agent's socket, out of the
    /// agent's own PID namespace: elsewhere the number is another process's, and refused.
    Process(u32),
}

/// The answer of `GET /v1/app`: how the agent's application is, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Application {
    /// What shows that it lives; nothing for a mere word.
    pub lease: Option<ShownLease>,
    /// Since when it has been as it is, if anything was said of it.
    #[serde(default, deserialize_with = "time::read_some")]
    pub since: Option<SystemTime>,
    app: Option<String>,
    app_reason: Option<String>,
}

/// A lease as the agent shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ShownLease {
    /// It is taken again and again.
    Interval {
        /// Within this time.
        #[serde(deserialize_with = "time::read_span")]
        interval: Duration,
        /// When the application is down, unless it is taken again.
        #[serde(deserialize_with = "time::read")]
        due: SystemTime,
    },
    /// A process shows it by running.
    Process {
        /// Its number.
        pid: u32,
    },
    /// An open connection shows it.
    Connection {
        /// Always so.
        connection: bool,
    },
    /// Something that a newer agent says.
    Unknown {},
}

impl Application {
    /// How it is, if anything was said of it.
    pub fn app(&self) -> Option<App> {
        App::of(self.app.clone(), self.app_reason.clone())
    }
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
    /// How the agent's application is, and which lease shows it.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn app(&self) -> Result<Answer<Application>, Error> {
        self.ask((Method::GET, PATH), None, PATIENCE).await
    }

    /// Takes a lease: the application is up from now on.
    ///
    /// # Errors
    /// [`Error::Refused`] with 400: the interval is out of range; with 422: there is no such
    /// process, or it cannot be told which one is meant.
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
