//! What somebody may have meant who wrote a word that nobody knows.

/// Words that are less alike have nothing to do with each other. A misspelt one comes to 0.8,
/// where it is short to 0.67, words of which some letters are the same to 0.6.
const LIKENESS_MIN: f64 = 0.65;

/// Which of `known` looks most like `given`, in capitals or not, with - or _; `None` when none of
/// them looks like it.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let given = plain(given);
    let likeness = |name: &str| strsim::jaro_winkler(&given, &plain(name));
    let known = known.into_iter().map(|name| (likeness(name), name));
    let alike = known.filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    let nearest = alike.max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_nothing_is_near_nothing() {
        let known = ["announced_restarts", "crash", "partition"];
        for (given, near) in [
            ("crahs", Some("crash")),
            ("PARTITIONS", Some("partition")),
            ("announced-restart", Some("announced_restarts")),
            ("nosuch", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), near, "{given}");
        }
        assert_eq!(nearest("n2", ["n1"]), Some("n1"), "the shortest of names");
    }
}
