//! `headcount::client`: the library that programs in Rust talk to an agent with.

use std::{fs, future::Future, process::id, time::Duration};

use headcount::client::{
    Answer, App, Application, Client, Error, Filter, HeldLease, Lease, LeaseEnd, Record,
    ShownLease, State, Told, What,
};

use crate::support::{Agent, Lab, PATIENCE, Relay, until};

fn run<T>(program: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(program)
}

fn client(agent: &Agent) -> Client {
    Client::new(agent.socket())
}

/// The agent's word when it refuses.
#[track_caller]
fn refusal<T: std::fmt::Debug>(answer: Result<T, Error>) -> (u16, String) {
    match answer {
        Err(Error::Refused { status, detail }) => (status, detail),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn every_request_does_what_it_says() {
    let lab = Lab::new();
    let first = lab.agent("n1").args(["--tag", "role=web"]).start();
    let mut second = lab.agent("n2").start();
    let asked = client(&first);
    run(async {
        let status = asked.status().await.expect("an answer");
        assert_eq!(status.name, "n1");
        assert_eq!(status.address, first.address());
        assert!(status.json().contains(&status.epoch));

        let addresses = [second.address().to_string()];
        let joined = asked.join(&addresses).await.expect("an answer");
        assert_eq!(
            (&*joined.joined, &*joined.pending),
            (&addresses[..], &[][..])
        );

        let web = Filter::default().tag("role", "web");
        let listing = asked.members(&web, &[State::Alive]).await.expect("a list");
        assert_eq!(listing.members.len(), 1);
        assert_eq!(listing.members[0].name, "n1");
        let dead = asked.members(&web, &[State::Failed, State::Left]).await;
        assert_eq!(dead.expect("a list").members, []);

        let (status, why) = refusal(asked.member("n 3").await);
        assert_eq!((status, why.contains("n 3")), (404, true), "{why}");
        assert_eq!(refusal(asked.remove("n2").await).0, 409);
        let left = client(&second).leave(Some("lunch")).await;
        assert!(left.expect("an answer").left);
    });
    assert_eq!(second.exit_code(), 0);
    until("it is told", || (first.count("left") == 1).then_some(()));
    run(async {
        let left = asked.member("n2").await.expect("a member");
        assert_eq!(left.reason.as_deref(), Some("lunch"));
        asked.remove("n2").await.expect("done");
        assert_eq!(refusal(asked.member("n2").await).0, 404);
    });
}

#[test]
fn leases_are_taken_held_and_replaced() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let asked = client(&agent);
    run(async {
        let app = async || asked.status().await.expect("an answer").app();
        assert_eq!(app().await, None);
        let mut held: HeldLease = asked.hold_lease().await.expect("a lease");
        assert_eq!(app().await, Some(App::Up));
        asked.lease(Lease::Process(id())).await.expect("a lease");
        assert_eq!(held.end().await, LeaseEnd::Replaced);
        asked.say_down("drained").await.expect("said");
        assert_eq!(app().await, Some(App::Down("drained".into())));
        asked.say_up().await.expect("said");
        assert_eq!(app().await, Some(App::Up));
        asked.release_lease().await.expect("released");
        assert_eq!(app().await, None);
        assert_eq!(asked.app().await.expect("an answer").lease, None);
        let interval = Duration::from_secs(3600);
        asked
            .lease(Lease::Interval(interval))
            .await
            .expect("a lease");
        let first = asked.app().await.expect("an answer");
        asked
            .lease(Lease::Interval(interval))
            .await
            .expect("a lease");
        let second = asked.app().await.expect("an answer");
        assert_eq!((second.app(), second.since), (Some(App::Up), first.since));
        let due = |answer: &Answer<Application>| match answer.lease {
            Some(ShownLease::Interval {
                interval: shown,
                due,
            }) if shown == interval => due,
            ref other => panic!("{other:?}"),
        };
        assert!(due(&second) >= due(&first), "{}", second.json());
        let never = asked.lease(Lease::Interval(Duration::ZERO)).await;
        assert!(refusal(never).1.contains("100ms to 24h"));
        let mut held = asked.hold_lease().await.expect("a lease");
        asked.leave(None).await.expect("an answer");
        assert_eq!(held.end().await, LeaseEnd::AgentGone);
    });
}

#[test]
fn a_view_waits_for_its_agent_and_outlives_it() {
    let lab = Lab::new();
    let launch = lab.agent("n1");
    let asked = Client::new(launch.socket());
    run(async {
        let mut view = asked.watch(&Filter::default()).into_view();
        view.changed().await.expect("news");
        assert!(matches!(view.trouble(), Some(Error::NoAgent { .. })));
        assert!(!view.members().is_known());

        let agent = launch.start();
        let alone = view.until(|members| members.alive().count() == 1).await;
        let alone = alone.expect("members");
        assert!(view.trouble().is_none());
        let other = lab.agent("n2").join(agent.address()).start();
        let both = view.until(|members| members.alive().count() == 2).await;
        assert_eq!(
            both.expect("members").get("n2").expect("n2").address,
            other.address()
        );
        assert_eq!(alone.iter().count(), 1, "what was given does not change");

        let agent = agent.kill();
        while view.trouble().is_none() {
            view.changed().await.expect("news");
        }
        assert_eq!(view.members().alive().count(), 2, "as it was");
        let _agent = agent.join(other.address()).start();
        let again = |member: &headcount::client::Member| member.generation == 2;
        let back = view
            .until(|members| members.get("n1").is_some_and(again))
            .await;
        back.expect("members");
    });
}

#[test]
fn what_trying_again_does_not_change_ends_a_watch_and_a_view() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    run(async {
        let asked = client(&agent);
        let mut watch = asked.watch(&Filter::default()).types(["sneezed"]).patient();
        let (status, why) = refusal(watch.next().await);
        assert_eq!((status, why.contains("sneezed")), (400, true), "{why}");
        let ages = Duration::from_secs(10_000_000);
        let mut view = asked.watch(&Filter::default()).settle(ages).into_view();
        let (status, why) = refusal(view.until(|_| true).await);
        assert_eq!((status, why.contains("settle")), (400, true), "{why}");
        let silly = lab.dir().join("silly");
        fs::write(&silly, "").expect("a file");
        let no_socket = Client::new(&silly).status().await.expect_err("no socket");
        assert!(no_socket.to_string().contains("silly"), "{no_socket}");
    });
}

#[test]
fn a_watch_goes_on_where_it_was_cut() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let socket = lab.dir().join("relay");
    let relay = Relay::start(&socket, &agent.socket());
    run(async {
        let mut watch = Client::new(&socket).watch(&Filter::default());
        let begun = watch.next().await.expect("a record");
        assert!(
            matches!(begun, Told::Record(Record::Snapshot(_), _)),
            "{begun:?}"
        );
        relay.cut();
        let lost = watch.next().await.expect("news");
        assert!(matches!(lost, Told::Lost(Error::Ended)), "{lost:?}");
        let _other = lab.agent("n2").join(agent.address()).start();
        until("both", || (agent.count("alive") == 2).then_some(()));
        relay.mend();
        let back = watch.next().await.expect("news");
        assert!(matches!(back, Told::Back), "{back:?}");
        let Told::Record(Record::Change(join), line) = watch.next().await.expect("a record") else {
            panic!("no change");
        };
        assert_eq!((join.seq, &join.what), (1, &What::Join { previous: None }));
        assert_eq!(join.member.expect("a member").name, "n2");
        assert!(line.contains(r#""seq":1"#), "{line}");
    });
}

#[test]
fn a_watch_that_is_only_glanced_at_opens_again() {
    let lab = Lab::new();
    let launch = lab.agent("n1");
    run(async {
        let mut watch = Client::new(launch.socket())
            .watch(&Filter::default())
            .patient();
        let lost = watch.next().await.expect("news");
        assert!(
            matches!(lost, Told::Lost(Error::NoAgent { .. })),
            "{lost:?}"
        );
        let _agent = launch.start();
        // Shorter than any pause between two tries.
        let glance = Duration::from_millis(20);
        let glances = PATIENCE.as_millis() / glance.as_millis();
        for _ in 0..glances {
            if let Ok(told) = tokio::time::timeout(glance, watch.next()).await {
                let told = told.expect("a record");
                return assert!(
                    matches!(told, Told::Record(Record::Snapshot(_), _)),
                    "{told:?}"
                );
            }
        }
        panic!("not opened in {glances} glances");
    });
}

#[test]
fn a_table_has_the_digest_that_the_agent_tells() {
    let lab = Lab::new();
    let agent = lab.agent("n1").args(["--tag", "role=web"]).start();
    run(async {
        let mut view = client(&agent).watch(&Filter::default()).into_view();
        let _other = lab.agent("n2").join(agent.address()).start();
        client(&agent).say_down("drained").await.expect("said");
        let changed = |members: &headcount::client::Members| {
            let own = members.get("n1").expect("the agent itself");
            members.alive().count() == 2 && matches!(own.app, Some(App::Down(_)))
        };
        let followed = view.until(changed).await.expect("members");
        let mut watch = client(&agent).watch(&Filter::default());
        let begun = watch.next().await.expect("a record");
        let Told::Record(Record::Snapshot(snapshot), _) = begun else {
            panic!("no snapshot: {begun:?}");
        };
        assert_eq!(snapshot.digest, Some(followed.digest()));
    });
}
