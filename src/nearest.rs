//! What somebody may have meant who wrote a word that nobody knows.

/// Which of `known` looks most like `given`; `None` only of none.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let likeness = |name: &&str| strsim::jaro_winkler(given, name);
    let known = known.into_iter();
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
