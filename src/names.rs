//! Names in a sentence.

/// Names that a sentence tells at most.
const SOME: usize = 10;

/// The first of them, and how many more there are.
pub(crate) fn some_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(SOME);
    let text = names[..names.len() - more].join(", ");
    match more {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
