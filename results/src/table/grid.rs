//! Words and figures in rows and columns: for terminals, as Markdown, and as CSV.

use std::fmt::Write as _;

use super::text::clean;
use comfy_table::{Cell, CellAlignment, LineStyle, Table as Drawn, presets};

/// A table of any content.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub(super) columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub name: String,
    /// Figures are aligned to the right.
    pub right: bool,
    pub cells: Vec<String>,
}

impl Grid {
    /// An empty table whose first columns hold `words`, the others `figures`.
    #[must_use]
    pub fn new(words: &[&str], figures: &[&str]) -> Self {
        let column = |name: &&str, right| Column {
            name: (*name).to_owned(),
            right,
            cells: Vec::new(),
        };
        let words = words.iter().map(|name| column(name, false));
        let figures = figures.iter().map(|name| column(name, true));
        Self {
            columns: words.chain(figures).collect(),
        }
    }

    /// Appends a row: a cell for every column. What is missing stays empty; control characters are shown as such.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells = cells.into_iter();
        for column in &mut self.columns {
            column.cells.push(clean(&cells.next().unwrap_or_default()));
        }
    }

    /// Aligned text for a terminal, as wide as its content.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut drawn = Drawn::new();
        let rule = LineStyle::none().fill('─').junction('─');
        drawn.load_style(presets::NOTHING.header_separator(rule).bottom_border(rule));
        drawn.set_header(self.columns.iter().map(|column| &column.name));
        for i in 0..self.rows() {
            drawn.add_row(self.columns.iter().map(|column| {
                let side = if column.right {
                    CellAlignment::Right
                } else {
                    CellAlignment::Left
                };
                Cell::new(&column.cells[i]).set_alignment(side)
            }));
        }
        let mut out = String::new();
        for line in drawn.lines() {
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }

    /// GitHub-flavoured Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let mut line = |cell: &dyn Fn(&Column) -> String| {
            let cells: Vec<String> = self.columns.iter().map(cell).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        };
        line(&|column| column.name.clone());
        line(&|column| if column.right { "--:" } else { ":--" }.into());
        for i in 0..self.rows() {
            line(&|column| column.cells[i].replace('|', "\\|"));
        }
        out
    }

    /// One line per row.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let mut line = |cell: &dyn Fn(&Column) -> String| {
            let cells: Vec<String> = self.columns.iter().map(|c| quoted(&cell(c))).collect();
            let _ = writeln!(out, "{}", cells.join(","));
        };
        line(&|column| column.name.clone());
        for i in 0..self.rows() {
            line(&|column| column.cells[i].clone());
        }
        out
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }
}

/// A CSV field, quoted where RFC 4180 asks for it.
pub(crate) fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.into()
    }
}
