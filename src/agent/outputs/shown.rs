//! `Shown`: a member as templates find it.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use minijinja::{
    Error, ErrorKind, Value,
    value::{Enumerator, Object, Serde},
};
use serde_json::json;

use crate::{feed::Member, nearest::nearest};

/// A member with all that one can have: what a template may ask for. Some have it only at times.
static SAMPLE: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let sample = json!({
        "name": "n1",
        "id": "00000000deadbeef",
        "address": "127.0.0.1:7946",
        "state": "alive",
        "generation": 1,
        "incarnation": 0,
        "since": "2026-01-01T00:00:00.000Z",
        "reason": "maintenance",
        "app": "up",
        "app_reason": "warm",
        "restart_due": "2026-01-01T00:00:30.000Z",
        "by": "n2",
        "evidence": "probe-timeout",
        "deadline": "2026-01-01T00:00:05.000Z",
        "host": "127.0.0.1",
        "port": 8080,
        "target": "127.0.0.1:8080",
    });
    let mut fields = fields(sample);
    fields.insert("tags".into(), Value::from_object(AnyTag("1".into())));
    fields
});

/// What a template asks for and this member lacks is nothing; what none can have is an error.
#[derive(Debug)]
pub(super) struct Shown(BTreeMap<String, Value>);

impl Shown {
    /// The member as the API shows it, and where its application is.
    pub(super) fn new(member: &Member, port: u16) -> Self {
        let ip = member.view.card.address.ip();
        let mut shown = serde_json::to_value(member).expect("a member has string keys");
        shown["host"] = ip.to_string().into();
        shown["port"] = port.into();
        shown["target"] = std::net::SocketAddr::new(ip, port).to_string().into();
        Self(fields(shown))
    }

    /// One that has all that a member can have, and any tag, which says `word`, as do its states.
    pub(super) fn sample(word: &str) -> Self {
        let mut fields = SAMPLE.clone();
        for state in ["app", "evidence", "reason", "state"] {
            fields.insert(state.into(), word.into());
        }
        fields.insert("tags".into(), Value::from_object(AnyTag(word.into())));
        Self(fields)
    }
}

impl Object for Shown {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let held = self.0.get(key).cloned();
        held.or_else(|| (!SAMPLE.contains_key(key)).then(|| unknown(key).into()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

/// Tags for a trial: whichever is asked for is there, and says this.
#[derive(Debug)]
struct AnyTag(String);

impl Object for AnyTag {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(self.0.as_str().into())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["role"])
    }
}

fn fields(member: serde_json::Value) -> BTreeMap<String, Value> {
    let serde_json::Value::Object(fields) = member else {
        unreachable!("a member is an object");
    };
    let fields = fields.into_iter();
    fields
        .map(|(key, value)| (key, Value::from(Serde(value))))
        .collect()
}

fn unknown(key: &str) -> Error {
    let near = nearest(key, SAMPLE.keys().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let detail = format!("no member has `{key}`{near}");
    Error::new(ErrorKind::UndefinedError, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::fuzzing,
        feed::Filter,
        swim::{AppStatus, Evidence, Suspicion},
    };

    #[test]
    fn the_sample_has_all_that_a_member_can_have_and_nothing_else() {
        let shared = fuzzing::shared();
        let own = shared.feed().snapshot(&Filter::default()).members.remove(0);
        let mut member = (*own).clone();
        member.restart_due = Some(member.since);
        member.view.reason = Some("maintenance".into());
        member.view.app = Some(AppStatus::down("warm"));
        member.view.suspicion = Some(Suspicion {
            by: member.view.card.id,
            by_name: None,
            evidence: Evidence::ProbeTimeout,
            deadline: member.since,
        });
        let shown = Shown::new(&member, 8080);
        assert!(shown.0.keys().eq(SAMPLE.keys()), "{:?}", shown.0.keys());
    }
}
