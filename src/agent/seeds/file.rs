//! `file:PATH`: a seed on each line, `#` begins a comment.

use std::{io, path::Path};

use tokio::{fs::File, io::AsyncReadExt};

use crate::config::Seed;

/// A larger one is no list of seeds.
const BYTES_MAX: u64 = 64 * 1024;

/// The text of the file.
///
/// # Errors
/// When it cannot be read, is larger than 64 KiB or no text.
pub(super) async fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path).await?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).await?;
    match text.len() as u64 > BYTES_MAX {
        true => Err(io::Error::other("it is larger than 64 KiB")),
        false => Ok(text),
    }
}

/// The seeds of a text, and what is wrong with the lines that name none: the number and why.
pub(super) fn parse(text: &str) -> (Vec<Seed>, Vec<(usize, String)>) {
    let (mut seeds, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let place = line.split('#').next().unwrap_or_default().trim();
        match place.parse() {
            _ if place.is_empty() => {}
            Ok(Seed::File(_)) => wrong.push((number, "names another file".into())),
            Ok(seed) => seeds.push(seed),
            Err(error) => wrong.push((number, error.to_string())),
        }
    }
    (seeds, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_seeds_but_for_comments_and_what_names_no_place() {
        let text =
            "# the first two\n10.0.0.1\n\n seed.example:80 # far away\n:80\nfile:/x\r\n[::1]\r\n";
        let (seeds, wrong) = parse(text);
        let seeds: Vec<_> = seeds.iter().map(Seed::to_string).collect();
        assert_eq!(seeds, ["10.0.0.1:7946", "seed.example:80", "[::1]:7946"]);
        let numbers: Vec<_> = wrong.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [5, 6], "{wrong:?}");
        assert_eq!(parse(""), (vec![], vec![]));
    }

    #[tokio::test]
    async fn what_is_no_list_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seeds");
        read(&path).await.unwrap_err();
        std::fs::write(&path, b"\xff").unwrap();
        read(&path).await.unwrap_err();
        std::fs::write(&path, "#".repeat(70_000)).unwrap();
        let error = read(&path).await.unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 64 KiB");
        std::fs::write(&path, "n1\n").unwrap();
        assert_eq!(read(&path).await.unwrap(), "n1\n");
    }
}
