//! Changes of the agent's own application, so many a second.

use std::{
    io::{BufReader, Read, Write},
    time::Duration,
};

use crate::support::{Agent, Body, Stopwatch, pause, read_head};

/// How many changes, and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) per_second: u32,
    pub(crate) changes: u32,
}

/// Makes them; gives when each was asked for.
pub(crate) fn make(agent: &Agent, pace: Pace) -> Vec<Stopwatch> {
    let mut connection = BufReader::new(agent.connect());
    let begun = Stopwatch::start();
    let each = (0..pace.changes).map(|number| {
        let due = Duration::from_secs(1) / pace.per_second * number;
        pause(due.saturating_sub(begun.elapsed()));
        let body = format!(r#"{{"state":"down","reason":"{number}"}}"#);
        let request = format!(
            "PUT /v1/app HTTP/1.1\r\nHost: headcount\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let sent = Stopwatch::start();
        let writer = connection.get_mut();
        writer.write_all(request.as_bytes()).expect("written");
        let (status, headers) = read_head(&mut connection).expect("an answer");
        assert_eq!(status, 200);
        let mut body = String::new();
        let mut framed = Body::new(&mut connection, &headers);
        framed.read_to_string(&mut body).expect("a body");
        sent
    });
    each.collect()
}
