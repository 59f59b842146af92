//! What a node makes of its own probes and clocks: Lifeguard's parts, self-doubt and damping.

use std::{net::SocketAddr, time::Duration};

use super::*;
use crate::swim::{
    Timestamp,
    doubt::Doubt,
    identity::Identity,
    roster::{Record, Standing},
    wire::{Nack, Update},
};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Stage {
    fn deadline(&self) -> Timestamp {
        let suspicion = self.me.member(SUBJECT).unwrap().suspicion;
        suspicion.unwrap().deadline
    }

    fn peer(at: usize) -> SocketAddr {
        crate::swim::node::tests::address(at)
    }

    fn identity(&self, at: usize) -> Identity {
        let members = self.me.engine.members();
        let mut there = members
            .filter(|held| self.me.gate.borrow().address_of(*held.id()) == Some(Self::peer(at)));
        *there.next().unwrap().id()
    }

    /// What the protocol has of the subject, whatever consumers were told.
    fn believes_alive(&self) -> bool {
        let life = self.subject_life();
        let mut members = self.me.engine.members();
        let alive = members.find(|held| held.id().life == life);
        alive.is_some_and(|held| held.state() == foca::State::Alive)
    }

    /// Until the next probe begins: whom it asks, and its number.
    fn next_probe(&mut self) -> (SocketAddr, foca::ProbeNumber) {
        loop {
            let messages = self.fire().messages;
            let ping = messages.iter().find_map(|(to, message)| match message {
                Message::Ping(number @ 1..) => Some((*to, *number)),
                _ => None,
            });
            if let Some(ping) = ping {
                return ping;
            }
        }
    }

    /// Until helpers are asked: who they are.
    fn next_helpers(&mut self) -> Vec<SocketAddr> {
        loop {
            let messages = self.fire().messages.into_iter();
            let asked = messages.filter(|(_, message)| matches!(message, Message::PingReq { .. }));
            let asked: Vec<_> = asked.map(|(to, _)| to).collect();
            if !asked.is_empty() {
                return asked;
            }
        }
    }
}

/// Lifeguard §IV-B among seven members: 2.9 s to 17.4 s, K = 3. We are none of the accusers.
#[test]
fn a_hearer_runs_the_clock_and_passes_on_as_many_confirmations_as_count() {
    // who accuses | time in ms | passed on
    let table = "
        p1 | 17400 | -
        p2 | 10150 | suspect 2.1/5 by p2
        p2 | 10150 | -
        p3 | 5909  | suspect 2.1/5 by p3
        p4 | 2900  | suspect 2.1/5 by p4
        p5 | 2900  | -
    ";
    let mut stage = Stage::holding("suspect 2.1/5");
    let began = stage.now;
    for row in rows(table) {
        let outcome = stage.hear(&format!("suspect 2.1/5 by {}", row[0]));
        let time = (stage.deadline() - began).as_millis();
        assert_eq!([time.to_string(), outcome.passed_on()], row[1..], "{row:?}");
        assert_eq!(outcome.told(), "-");
    }
    let deadline = stage.deadline();
    let before = Timestamp::from_micros(deadline.as_micros() - 1);
    stage.run(before);
    assert_eq!(stage.shown(), "suspect 2.1/5");
    stage.run(deadline);
    assert_eq!(stage.shown(), "failed 2.1/5");
}

/// Lifeguard §IV-A: the score is 0 to S = 8, and stretches interval and time-out by score + 1.
#[test]
fn every_probe_speaks_for_or_against_ourselves() {
    // what becomes of a probe | score then
    let table = "
        answered | 0
        silent   | 3
        nacked   | 3
        answered | 2
        refuted  | 3
        answered | 2
        silent   | 5
    ";
    let mut stage = Stage::new();
    let (mut target, mut number) = stage.next_probe();
    // A probe keeps the score that it began with.
    let (mut began, mut before) = (stage.now, 0);
    for row in rows(table) {
        let stretched = |base: u64, score: u8| millis(base) * (u32::from(score) + 1);
        match row[0] {
            "answered" => drop(stage.say(target, Message::Ack(number))),
            "refuted" => {
                let incarnation = stage.me.gate.borrow().incarnation;
                let accusation = format!("suspect 3.0/{incarnation}");
                stage.gossip(&[claim(stage::ME, &accusation)]);
                assert_eq!(stage.me.health.score().to_string(), row[1], "{row:?}");
                continue;
            }
            fate => {
                let helpers = stage.next_helpers();
                assert_eq!(stage.now - began, stretched(500, before), "{row:?}");
                let target = stage.member_at(target).id();
                for helper in helpers.into_iter().filter(|_| fate == "nacked") {
                    stage.say_nack(helper, Nack { target, number });
                }
            }
        }
        (target, number) = stage.next_probe();
        assert_eq!(stage.now - began, stretched(1000, before), "{row:?}");
        (began, before) = (stage.now, stage.me.health.score());
        assert_eq!(before.to_string(), row[1], "{row:?}");
    }
}

/// Lifeguard §IV-A: at 80 % of the 500 ms that the asker has left, unless the target answered.
#[test]
fn a_helper_says_in_time_that_it_has_no_answer() {
    for (answers, expected) in [(false, Some(millis(400))), (true, None)] {
        let mut stage = Stage::new();
        let (target, probe_number) = (stage.identity(2), 7);
        let asked = Message::PingReq {
            target,
            probe_number,
        };
        stage.say(Stage::peer(1), asked);
        let began = stage.now;
        if answers {
            let origin = stage.identity(1);
            let answer = Message::IndirectAck {
                target: origin,
                probe_number,
            };
            stage.say(Stage::peer(2), answer);
        }
        let mut nacked = None;
        while stage.now < began + millis(900) {
            if stage.fire().nacks == [Stage::peer(1)] {
                nacked = Some(stage.now - began);
            }
        }
        assert_eq!(nacked, expected, "answers: {answers}");
    }
}

/// Lifeguard §IV-C: a ping to a suspect carries the accusation, and the suspect answers it at once.
#[test]
fn a_charge_in_a_ping_is_refuted_at_once_and_once() {
    // buddy system | what it says of us | told | shown then
    let table = "
        off | suspect 3.0/0 | -      | 3.0/0
        on  | alive 3.0/0   | -      | 3.0/0
        on  | suspect 3.0/0 | update | 3.0/1
        on  | suspect 3.0/0 | -      | 3.0/1
        on  | suspect 3.0/1 | update | 3.0/2
        on  | suspect 2.0/9 | -      | 3.0/2
    ";
    let mut stage = Stage::new();
    let me = stage.me.gate.borrow().me;
    let patience = stage.me.patience();
    for row in rows(table) {
        let (life, incarnation) = moment(row[1].split_once(' ').unwrap().1);
        let standing = match claim(stage::ME, row[1]) {
            Update::Suspect { accusation, .. } => {
                Standing::Suspect(Doubt::new(accusation, stage.now, &patience))
            }
            _ => Standing::Alive,
        };
        {
            let mut gate = stage.member_at(Stage::peer(1)).gate.borrow_mut();
            gate.buddy = row[0] == "on";
            let record = Record {
                incarnation,
                standing,
                ..Record::alive(life)
            };
            gate.tell(me.handle, record);
        }
        let outcome = stage.say(Stage::peer(1), Message::Ping(1));
        let (life, incarnation) = outcome.shown.unwrap();
        let shown = format!("{life:?}/{incarnation}");
        assert_eq!([outcome.told(), shown], row[2..], "{row:?}");
    }
}

#[test]
fn after_a_stall_suspicions_have_stood_still_and_nobody_is_accused() {
    let mut stage = Stage::holding("suspect 2.0/0");
    let (target, number) = stage.next_probe();
    stage.say(target, Message::Ack(number));
    let deadline = stage.deadline();
    let late = millis(3000);
    stage.now = stage.me.deadline().unwrap() + late;
    let outcome = stage.fire();
    // What was due is the end of its probe, which was answered: that speaks for it.
    assert_eq!(outcome.told(), "degraded, recovered");
    assert_eq!(stage.deadline(), deadline + late);
    // Not longer than the next probe takes, which nobody answers.
    let until = stage.now + millis(900);
    let told = stage.run(until);
    assert_eq!(told, []);
    assert_eq!(stage.shown(), "suspect 2.0/0");
}

/// Eight probe intervals, then twice as many: consumers are told of a return that lasted, and the
/// protocol knows of it at once.
#[test]
fn each_further_return_of_a_member_is_told_after_it_lasted_longer() {
    // lost by | back by | seconds until it is told | told
    let table = "
        suspect 2.0/0 | word 2.0/1 | 0  | refuted
        suspect 2.0/1 | word 2.0/2 | 8  | refuted
        suspect 2.0/2 | word 2.0/3 | 16 | refuted
        failed 2.0/3  | word 2.1/0 | 32 | join after failed
        failed 2.1/0  | word 2.2/0 | 64 | join after failed
    ";
    let mut stage = Stage::holding("alive 2.0/0");
    for row in rows(table) {
        let (_, at) = row[0].split_once(' ').unwrap();
        for accuser in ["p1", "p2"] {
            stage.hear(&format!("suspect {at} by {accuser}"));
        }
        stage.hear(row[0]);
        let outcome = stage.hear(row[1]);
        let until = stage.now + Duration::from_secs(row[2].parse().unwrap());
        assert!(stage.believes_alive(), "{row:?}");
        if until == stage.now {
            assert_eq!(outcome.told(), row[3], "{row:?}");
            continue;
        }
        assert_eq!(outcome.told(), "-", "{row:?}");
        let early = stage.run(Timestamp::from_micros(until.as_micros() - 1));
        assert_eq!(early, [], "{row:?}");
        let told = list(stage.run(until).iter().map(change_word));
        assert_eq!(told, row[3], "{row:?}");
    }
}
