//! `Table`: columns that line up.

use std::iter::zip;

use anstyle::Style;

/// Between two columns.
const GAP: &str = "  ";

/// One field of a row.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A field that is coloured by `style`.
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// The style ends with the text, so that no padding is underlined or inverted.
    fn padded(&self, width: usize) -> String {
        let padding = width.saturating_sub(self.width());
        let style = self.style;
        format!("{style}{}{style:#}{:padding$}", self.text, "")
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// The widths that the rows printed so far had, so that a row can be printed before the next one
/// is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns(Vec<usize>);

impl Columns {
    /// Makes every column wide enough for `row`.
    pub(super) fn widen(&mut self, row: &[Cell]) {
        self.0.resize(self.0.len().max(row.len()), 0);
        for (width, cell) in zip(&mut self.0, row) {
            *width = cell.width().max(*width);
        }
    }

    /// One line without trailing space.
    pub(super) fn line(&self, row: &[Cell]) -> String {
        let last = row.iter().rposition(|cell| !cell.text.is_empty());
        let used = &row[..last.map_or(0, |last| last + 1)];
        let widths = self.0.iter().copied().chain(std::iter::repeat(0));
        let mut cells: Vec<_> = zip(used, widths)
            .map(|(c, width)| c.padded(width))
            .collect();
        if let (Some(end), Some(cell)) = (cells.last_mut(), used.last()) {
            *end = cell.padded(0);
        }
        cells.join(GAP)
    }
}

/// All rows as lines, each column as wide as its widest field.
pub(super) fn lines(rows: &[Vec<Cell>]) -> Vec<String> {
    let mut columns = Columns::default();
    for row in rows {
        columns.widen(row);
    }
    rows.iter().map(|row| columns.line(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let rows = [
            vec!["NAME".into(), "STATE".into(), "NOTE".into()],
            vec!["n1".into(), "alive".into(), "".into()],
            vec!["n-é".into(), "suspect".into(), "by n1".into()],
        ];
        assert_eq!(
            lines(&rows),
            ["NAME  STATE    NOTE", "n1    alive", "n-é   suspect  by n1"]
        );
    }

    #[test]
    fn padding_is_not_coloured() {
        let red = Style::new().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let rows = [
            vec![Cell::styled("x", red), "y".into()],
            vec!["long".into(), "z".into()],
        ];
        assert_eq!(lines(&rows)[0], "\u{1b}[31mx\u{1b}[0m     y");
    }
}
