//! `Client`: what an agent can be asked.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::Method;
use serde_json::{Value, json};

use super::{
    Answer, Error, Filter, Joined, Keyring, Left, Listing, Member, Raised, Removed, State, Status,
    Watch, connection::PATIENCE, filter::escaped,
};

/// A join waits for answers and, for each name, for a resolver.
const PATIENCE_JOIN: Duration = Duration::from_secs(60);

/// One agent, by its socket. Every request takes a connection of its own.
///
/// Each may fail with any [`Error`]; what a method says of errors is which ones are the agent's
/// no. An agent that does not answer is given up after 10 s, a join after 60 s.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The agent that listens at `socket`. Nothing happens yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        Self { socket }
    }

    /// Where the agent listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The stream of changes about the members that `filter` lets through. Nothing happens until
    /// it is read.
    pub fn watch(&self, filter: &Filter) -> Watch {
        Watch::new(self.clone(), filter.clone())
    }

    /// The agent itself.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn status(&self) -> Result<Answer<Status>, Error> {
        self.get("/v1/status").await
    }

    /// The members that `filter` lets through and that are in one of `states`; in any, if none is
    /// given.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn members(
        &self,
        filter: &Filter,
        states: &[State],
    ) -> Result<Answer<Listing>, Error> {
        let mut query = filter.query();
        for state in states {
            query.add("state", state.as_str());
        }
        self.get(&query.of("/v1/members")).await
    }

    /// One member.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404: there is none of this name.
    pub async fn member(&self, name: &str) -> Result<Answer<Member>, Error> {
        self.get(&path_of("/v1/members/", "member", name)?).await
    }

    /// Makes the agent contact the agents at these addresses, `HOST:PORT`, `HOST` or `srv:NAME`,
    /// and waits up to 5 s for their answers. It tries those that are pending for ever.
    ///
    /// # Errors
    /// [`Error::Refused`] with 400: something is no address, or cannot be resolved.
    pub async fn join(&self, addresses: &[String]) -> Result<Answer<Joined>, Error> {
        let body = json!({"addresses": addresses});
        let request = (Method::POST, "/v1/join");
        self.ask(request, Some(&body), PATIENCE_JOIN).await
    }

    /// Makes the agent say goodbye and end. At most 256 bytes of the reason are told.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn leave(&self, reason: Option<&str>) -> Result<Answer<Left>, Error> {
        let body = reason.map_or_else(|| json!({}), |reason| json!({"reason": reason}));
        self.leave_with(&body).await
    }

    /// The same, with the word that the next agent of this member is due in `eta`, from 1 s to an
    /// hour: consumers are told of one `restart` then, or of `failed` if it is not there.
    ///
    /// # Errors
    /// [`Error::Refused`] with 400: `eta` is out of range.
    pub async fn leave_to_restart(
        &self,
        reason: Option<&str>,
        eta: Duration,
    ) -> Result<Answer<Left>, Error> {
        let eta = humantime::format_duration(eta).to_string();
        let mut body = json!({"restarting": true, "eta": eta});
        if let Some(reason) = reason {
            body["reason"] = reason.into();
        }
        self.leave_with(&body).await
    }

    async fn leave_with(&self, body: &Value) -> Result<Answer<Left>, Error> {
        let request = (Method::POST, "/v1/leave");
        self.ask(request, Some(body), PATIENCE).await
    }

    /// Makes the whole cluster forget a failed or departed member, and waits up to 3 s until every
    /// living one has.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404: there is none of this name; with 409: it is alive or suspect.
    pub async fn remove(&self, name: &str) -> Result<Answer<Removed>, Error> {
        let path = path_of("/v1/members/", "member", name)?;
        self.ask((Method::DELETE, &path), None, PATIENCE).await
    }

    /// The agent's own tags.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn tags(&self) -> Result<Answer<BTreeMap<String, String>>, Error> {
        self.get("/v1/tags").await
    }

    /// Replaces all tags of the agent until it ends; gives them.
    ///
    /// # Errors
    /// [`Error::Refused`] with 400 or 413: these cannot be tags, or are too long.
    pub async fn set_tags(
        &self,
        tags: &BTreeMap<String, String>,
    ) -> Result<Answer<BTreeMap<String, String>>, Error> {
        let request = (Method::PUT, "/v1/tags");
        self.ask(request, Some(&json!(tags)), PATIENCE).await
    }

    /// Sets those tags of the agent that have a value, takes those away that have none, and keeps
    /// the others; gives all.
    ///
    /// # Errors
    /// As [`set_tags`](Self::set_tags).
    pub async fn change_tags(
        &self,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<Answer<BTreeMap<String, String>>, Error> {
        let request = (Method::PATCH, "/v1/tags");
        self.ask(request, Some(&json!(changes)), PATIENCE).await
    }

    /// Which keys the members have that did not leave.
    ///
    /// # Errors
    /// [`Error::Refused`] with 409: gossip is plain text.
    pub async fn keys(&self) -> Result<Answer<Keyring>, Error> {
        self.get("/v1/keys").await
    }

    /// Lets every member accept another key: `key`, as a line of a key file, or a fresh one.
    ///
    /// # Errors
    /// [`Error::Refused`] with 400: it is no key; with 409: there are too many, or gossip is plain
    /// text.
    pub async fn add_key(&self, key: Option<&str>) -> Result<Answer<Keyring>, Error> {
        let body = key.map_or_else(|| json!({}), |key| json!({"key": key}));
        let request = (Method::POST, "/v1/keys");
        self.ask(request, Some(&body), PATIENCE).await
    }

    /// Lets every member seal with this key, also where somebody does not accept it if `force`d.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404: the agent has no such key; with 409: somebody does not accept
    /// it.
    pub async fn use_key(&self, id: &str, force: bool) -> Result<Answer<Keyring>, Error> {
        let body = json!({"id": id, "force": force});
        let request = (Method::PUT, "/v1/keys/primary");
        self.ask(request, Some(&body), PATIENCE).await
    }

    /// Lets no member have this key any more.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404: nobody has it; with 409: somebody seals with it.
    pub async fn remove_key(&self, id: &str) -> Result<Answer<Keyring>, Error> {
        let path = path_of("/v1/keys/", "key", id)?;
        self.ask((Method::DELETE, &path), None, PATIENCE).await
    }

    /// Lets the agent, and nobody else, take the keys that are in its key file now.
    ///
    /// # Errors
    /// [`Error::Refused`] with 409: the file cannot be used; the agent keeps its keys.
    pub async fn reload_keys(&self) -> Result<Answer<Keyring>, Error> {
        let request = (Method::POST, "/v1/keys/reload");
        self.ask(request, None, PATIENCE).await
    }

    /// Raises an event that every member's consumers hear of.
    ///
    /// # Errors
    /// [`Error::Refused`] with 400 or 413: the name or the payload cannot be sent; with 429: too
    /// many wait to be sent, try again in a moment.
    pub async fn send_event(&self, name: &str, payload: &str) -> Result<Answer<Raised>, Error> {
        let body = json!({"name": name, "payload": payload});
        let request = (Method::POST, "/v1/events");
        self.ask(request, Some(&body), PATIENCE).await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Error> {
        self.ask((Method::GET, path), None, PATIENCE).await
    }
}

/// The path of one of many. Nothing is called nothing: that would be the path of all of them.
fn path_of(all: &str, what: &str, name: &str) -> Result<String, Error> {
    match name.is_empty() {
        true => Err(Error::Refused {
            status: 404,
            detail: format!("no {what} is called \"\""),
        }),
        false => Ok(format!("{all}{}", escaped(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_asked_for_what_has_no_name() {
        let client = Client::new("/nowhere.sock");
        let refused = [
            client.member("").await.map(drop),
            client.remove("").await.map(drop),
            client.remove_key("").await.map(drop),
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(
                matches!(error, Error::Refused { status: 404, .. }),
                "{error:?}"
            );
        }
    }
}
