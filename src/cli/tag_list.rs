//! A member's tags in one line, short enough for a column or whole: they may be 16 KiB.

use std::collections::BTreeMap;

use super::output::shown;

/// Signs of one key and of one value in a column.
const WORD_MAX: usize = 24;
/// Signs of all tags in a column, without what is said of the rest.
const LIST_MAX: usize = 60;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Extent {
    /// The beginnings of the first ones, and how many there are besides.
    #[default]
    Column,
    Whole,
}

impl Extent {
    /// As `--no-trunc` asks for it.
    pub(super) const fn of(no_trunc: bool) -> Self {
        match no_trunc {
            true => Self::Whole,
            false => Self::Column,
        }
    }
}

/// Tags as they are given to `--tag`.
pub(super) fn tags(tags: &BTreeMap<String, String>, extent: Extent) -> String {
    match extent {
        Extent::Column => column(tags),
        Extent::Whole => {
            let pairs = tags.iter().map(|(key, value)| format!("{key}={value}"));
            shown(&pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

fn column(tags: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (before, (key, value)) in tags.iter().enumerate() {
        let pair = format!("{}={}", short(key), short(value));
        let width = text.chars().count() + 1 + pair.chars().count();
        if before > 0 && width > LIST_MAX {
            return format!("{text} +{} more", tags.len() - before);
        }
        if before > 0 {
            text.push(' ');
        }
        text += &pair;
    }
    text
}

fn short(word: &str) -> String {
    let word = shown(word);
    match word.char_indices().nth(WORD_MAX) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(list: &[(&str, &str)], extent: Extent) -> String {
        let own = |(key, value): &(&str, &str)| ((*key).into(), (*value).into());
        tags(&list.iter().map(own).collect(), extent)
    }

    #[test]
    fn what_does_not_fit_is_cut_and_counted() {
        let long = "é".repeat(16 * 1024);
        let cut = format!("{}…", "é".repeat(WORD_MAX));
        for (list, column) in [
            (&[][..], String::new()),
            (&[("role", "web"), ("zone", "a")], "role=web zone=a".into()),
            (&[("role", &long)], format!("role={cut}")),
            (&[(&long, &long)], format!("{cut}={cut}")),
            (
                &[("a", &long), ("b", &long), ("c", "1"), ("d", "2")],
                format!("a={cut} b={cut} c=1 +1 more"),
            ),
            (&[("a", &long), (&long, "")], format!("a={cut} {cut}=")),
            (&[("a", "\u{1b}[2J")], r"a=\u{1b}[2J".into()),
        ] {
            assert_eq!(text(list, Extent::Column), column);
        }
        assert_eq!(
            text(&[("role", &long)], Extent::Whole),
            format!("role={long}")
        );
    }
}
