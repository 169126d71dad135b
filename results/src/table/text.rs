//! A [`Table`] as text: for terminals, as Markdown, and as CSV.

use std::fmt::Write as _;

use super::grid::{Column, Grid, quoted};
use super::{Row, Table};

impl Table {
    /// The table as aligned text for a terminal, as wide as its content.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut out = self.grid().terminal();
        for note in &self.notes {
            let _ = writeln!(out, "{note}");
        }
        out
    }

    /// The table as GitHub-flavoured Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = self.grid().markdown();
        for note in &self.notes {
            // Items of a note's list begin with two blanks.
            let _ = write!(out, "\n{}\n", note.replace("\n  ", "\n- "));
        }
        out
    }

    /// One line per row with full precision; missing values are empty.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = format!(
            "{NAMES},n,seeds,mean,std,iqm,low,high,steps_min,steps_max,feedback_min,feedback_max,best\n"
        );
        for row in &self.rows {
            let seeds: Vec<String> = row.seeds.iter().map(u64::to_string).collect();
            let figures = [
                Some(row.mean),
                row.std,
                Some(row.iqm),
                row.interval.map(|i| i.low),
                row.interval.map(|i| i.high),
            ];
            let _ = write!(
                out,
                "{},{},{}",
                names(row),
                row.scores.len(),
                seeds.join(" ")
            );
            for figure in figures {
                let _ = write!(
                    out,
                    ",{}",
                    figure.map_or_else(String::new, |x| x.to_string())
                );
            }
            let _ = writeln!(
                out,
                ",{},{},{},{},{}",
                row.steps.0,
                row.steps.1,
                row.feedback.0,
                row.feedback.1,
                row.best.map_or_else(String::new, |x| x.to_string())
            );
        }
        out
    }

    /// One line per row and seed: the scores that the rows summarise, with full precision.
    #[must_use]
    pub fn seeds_csv(&self) -> String {
        let mut out = format!("{NAMES},seed,score\n");
        for row in &self.rows {
            for (seed, score) in row.seeds.iter().zip(&row.scores) {
                let _ = writeln!(out, "{},{seed},{score}", names(row));
            }
        }
        out
    }

    fn grid(&self) -> Grid {
        let column = |name: &str, right: bool, cell: &dyn Fn(&Row) -> String| Column {
            name: name.into(),
            right,
            cells: self.rows.iter().map(cell).collect(),
        };
        let interval = format!("{} % interval", 100.0 * self.level);
        let dash = || "–".to_owned();
        let mut columns = vec![
            column("task", false, &|row| row.task.clone()),
            column("algorithm", false, &|row| row.algorithm.clone()),
            column("teacher", false, &|row| {
                row.teacher.clone().unwrap_or_else(dash)
            }),
            column("tier", false, &|row| row.tier.clone()),
            column("variant", false, &|row| row.variant.clone()),
            column("metric", false, &|row| row.metric.name().into()),
            column("n", true, &|row| {
                format!(
                    "{}{}",
                    row.scores.len(),
                    if row.preliminary() { "†" } else { "" }
                )
            }),
            column("mean", true, &|row| number(row.mean, row)),
            column("best", true, &|row| {
                row.best.map_or_else(String::new, |best| number(best, row))
            }),
            column("IQM", true, &|row| number(row.iqm, row)),
            column(&interval, true, &|row| {
                row.interval.map_or_else(dash, |i| {
                    format!("[{}, {}]", number(i.low, row), number(i.high, row))
                })
            }),
            column("steps", true, &|row| range(row.steps)),
            column("feedback", true, &|row| range(row.feedback)),
        ];
        columns.retain(|column| {
            let optional = ["variant", "best"].contains(&&*column.name);
            !optional || column.cells.iter().any(|cell| !cell.is_empty())
        });
        Grid { columns }
    }
}

/// With as many decimals in all of a row.
fn number(value: f64, row: &Row) -> String {
    let decimals = row.metric.decimals(row.mean);
    let text = format!("{value:.decimals$}");
    // A minus sign before nothing but zeros says nothing.
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| c == '0' || c == '.') => digits.into(),
        _ => text,
    }
}

fn range((low, high): (u64, u64)) -> String {
    if low == high {
        thousands(low)
    } else {
        format!("{}–{}", thousands(low), thousands(high))
    }
}

/// Digits in groups of three, set apart by an underscore as in Rust: `1_000_000`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join("_")
}

/// Text from files, without what could move a terminal's cursor or turn a line around.
pub(crate) fn clean(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| {
            if c.is_control() || turns(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

const NAMES: &str = "task,algorithm,teacher,tier,variant,metric";

fn names(row: &Row) -> String {
    let teacher = row.teacher.as_deref().unwrap_or_default();
    let names = [
        &*row.task,
        &*row.algorithm,
        teacher,
        &*row.tier,
        &*row.variant,
        row.metric.name(),
    ];
    names.map(quoted).join(",")
}
