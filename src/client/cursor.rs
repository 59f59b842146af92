//! `Cursor`: where in the stream we are.

use super::Record;

/// Where in the stream we are: nowhere until a snapshot said where it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor(Option<(String, u64)>);

impl Cursor {
    /// After change `seq` of this run of the agent.
    pub(super) const fn after(epoch: String, seq: u64) -> Self {
        Self(Some((epoch, seq)))
    }

    /// Moves past `record`.
    pub(super) fn follow(&mut self, record: &Record) {
        match (record, &mut self.0) {
            (Record::Snapshot(snapshot), place) => {
                *place = Some((snapshot.epoch.clone(), snapshot.seq));
            }
            (record, Some((_, seq))) => *seq = record.seq().unwrap_or(*seq),
            (_, None) => {}
        }
    }

    /// What to say to go on from here.
    pub(super) fn position(&self) -> Option<String> {
        let (epoch, seq) = self.0.as_ref()?;
        Some(format!("{epoch}:{seq}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = r#""at":"2026-01-05T10:00:00.000Z""#;

    /// Where one is after these records.
    fn place(lines: &[String]) -> Option<String> {
        let mut cursor = Cursor::default();
        for line in lines {
            cursor.follow(&line.parse().unwrap());
        }
        cursor.position()
    }

    fn snapshot(epoch: &str, seq: u64) -> String {
        format!(r#"{{"type":"snapshot","epoch":"{epoch}","seq":{seq},{AT},"members":[]}}"#)
    }

    fn numbered(kind: &str, seq: u64) -> String {
        format!(r#"{{"type":"{kind}","seq":{seq},{AT}}}"#)
    }

    #[test]
    fn it_goes_on_after_the_last_record_whatever_that_was() {
        assert_eq!(place(&[]), None);
        let mut lines = vec![snapshot("5f", 41)];
        for (line, seq) in [
            (numbered("isolated", 42), 42),
            (numbered("heartbeat", 43), 43),
            (numbered("invented", 44), 44),
            (r#"{"type":"remark","text":"hello"}"#.into(), 44),
            (snapshot("60", 1), 1),
        ] {
            lines.push(line);
            let position = place(&lines).unwrap();
            assert_eq!(position.split_once(':').unwrap().1, seq.to_string());
        }
        assert_eq!(place(&lines).unwrap(), "60:1");
    }

    #[test]
    fn a_gap_is_passed_only_with_its_snapshot() {
        let mut lines = vec![
            snapshot("5f", 42),
            r#"{"type":"gap","from":43,"to":910}"#.into(),
        ];
        assert_eq!(place(&lines).unwrap(), "5f:42");
        lines.push(snapshot("5f", 910));
        assert_eq!(place(&lines).unwrap(), "5f:910");
    }
}
