//! `Member`: what an agent knows of one member.

use std::{collections::BTreeMap, fmt, net::SocketAddr, str::FromStr, time::SystemTime};

use serde::Deserialize;

use super::time;

/// One member, as the agent that was asked sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Fields")]
#[non_exhaustive]
pub struct Member {
    /// Its name, unique in the cluster.
    pub name: String,
    /// What the cluster's and its own name give, 16 hexadecimal digits; the same wherever it runs.
    pub id: String,
    /// Where its gossip is.
    pub address: SocketAddr,
    /// Whether it is there.
    pub state: State,
    /// How often its agent was started.
    pub generation: u64,
    /// Grows with each proof that it lives, within one generation.
    pub incarnation: u64,
    /// What it says of itself.
    pub tags: BTreeMap<String, String>,
    /// When this agent saw its state or generation change last.
    pub since: SystemTime,
    /// Why it left, if it did and said so.
    pub reason: Option<String>,
    /// How its application is, if it ever said anything of one.
    pub app: Option<App>,
    /// Who accuses it of what, while it is suspect.
    pub suspicion: Option<Suspicion>,
    /// When it is failed unless it is back, if it announced a restart. It counts as alive until
    /// then.
    pub restart_due: Option<SystemTime>,
}

/// Whether a member is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// It proved itself lately.
    Alive,
    /// It is accused and may still refute.
    Suspect,
    /// The suspicion ran out.
    Failed,
    /// It said goodbye.
    Left,
    /// Something that a newer agent says.
    #[serde(other)]
    Unknown,
}

/// An application's word, or what its lease showed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum App {
    /// It is up.
    Up,
    /// It is down, for this reason.
    Down(String),
    /// Something that a newer agent says.
    Unknown(String),
}

/// An accusation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspicion {
    /// The accuser's name, or its id where the name is not known.
    pub by: String,
    /// What the accuser saw, such as `probe-timeout`.
    pub evidence: String,
    /// When the member is failed at the latest, unless it answers.
    pub deadline: SystemTime,
}

/// A word that is no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of alive, suspect, failed, left")]
pub struct UnknownState(String);

impl Member {
    /// Whether it is alive: not suspect, failed or gone.
    pub fn is_alive(&self) -> bool {
        self.state == State::Alive
    }
}

impl State {
    /// The word for it, as the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
            Self::Left => "left",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        let states = [Self::Alive, Self::Suspect, Self::Failed, Self::Left];
        let found = states.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| UnknownState(word.into()))
    }
}

/// A member as it is written: what belongs together lies side by side there.
#[derive(Deserialize)]
struct Fields {
    name: String,
    id: String,
    address: SocketAddr,
    state: State,
    generation: u64,
    incarnation: u64,
    tags: BTreeMap<String, String>,
    #[serde(deserialize_with = "time::read")]
    since: SystemTime,
    reason: Option<String>,
    app: Option<String>,
    app_reason: Option<String>,
    by: Option<String>,
    evidence: Option<String>,
    #[serde(default, deserialize_with = "time::read_some")]
    deadline: Option<SystemTime>,
    #[serde(default, deserialize_with = "time::read_some")]
    restart_due: Option<SystemTime>,
}

impl From<Fields> for Member {
    fn from(fields: Fields) -> Self {
        let suspicion = (fields.by, fields.evidence, fields.deadline);
        Self {
            name: fields.name,
            id: fields.id,
            address: fields.address,
            state: fields.state,
            generation: fields.generation,
            incarnation: fields.incarnation,
            tags: fields.tags,
            since: fields.since,
            reason: fields.reason,
            app: App::of(fields.app, fields.app_reason),
            restart_due: fields.restart_due,
            suspicion: match suspicion {
                (Some(by), Some(evidence), Some(deadline)) => Some(Suspicion {
                    by,
                    evidence,
                    deadline,
                }),
                _ => None,
            },
        }
    }
}

impl App {
    /// What the fields `app` and `app_reason` say.
    pub(super) fn of(word: Option<String>, reason: Option<String>) -> Option<Self> {
        Some(match word?.as_str() {
            "up" => Self::Up,
            "down" => Self::Down(reason.unwrap_or_default()),
            other => Self::Unknown(other.into()),
        })
    }

    /// The word for it, as the API has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Up => "up",
            Self::Down(_) => "down",
            Self::Unknown(word) => word,
        }
    }

    /// Why it is down.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Down(reason) => Some(reason),
            Self::Up | Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"name":"n2","id":"1f","address":"127.0.0.1:7946","state":"alive",
        "generation":1,"incarnation":0,"tags":{"role":"web"},"since":"2026-01-05T10:00:00.250Z"}"#;

    fn with(field: &str) -> Member {
        let text = PLAIN.replace(r#""generation""#, &format!("{field},\"generation\""));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_belongs_together_is_read_together() {
        let plain: Member = serde_json::from_str(PLAIN).unwrap();
        assert_eq!((plain.app.as_ref(), plain.suspicion.as_ref()), (None, None));
        assert_eq!(
            plain.since,
            SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_767_607_200_250)
        );
        let down = with(r#""app":"down","app_reason":"drained""#);
        assert_eq!(down.app, Some(App::Down("drained".into())));
        let suspect = r#""by":"n1","evidence":"refused","deadline":"2026-01-05T10:00:03Z""#;
        let suspicion = with(suspect).suspicion.unwrap();
        assert_eq!((&*suspicion.by, &*suspicion.evidence), ("n1", "refused"));
    }

    #[test]
    fn a_newer_agents_words_do_no_harm() {
        let newer = PLAIN.replace("alive", "asleep");
        let newer: Member = serde_json::from_str(&newer).unwrap();
        assert_eq!(newer.state, State::Unknown);
        assert!(!newer.is_alive());
        let newer = with(r#""app":"busy","colour":["blue"]"#);
        assert_eq!(newer.app, Some(App::Unknown("busy".into())));
    }

    #[test]
    fn states_are_written_as_they_are_read() {
        for word in ["alive", "suspect", "failed", "left"] {
            assert_eq!(word.parse::<State>().unwrap().as_str(), word);
        }
        let error = "dead".parse::<State>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""dead" is not one of alive, suspect, failed, left"#
        );
    }
}
