//! What somebody may have meant who wrote a word that nobody knows.

/// Which of `known` looks most like `given`, in capitals or not, with - or _; `None` only of none.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let given = plain(given);
    let likeness = |name: &&str| strsim::jaro_winkler(&given, &plain(name));
    let known = known.into_iter();
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
