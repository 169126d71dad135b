//! A [`Comparison`] as text: for terminals, as Markdown, LaTeX and CSV.

use std::fmt::Write as _;

use super::{Comparison, Estimate, words};
use crate::sheet::{Sheet, markdown};
use crate::table::quoted;

impl Comparison {
    /// In the order in which they are read.
    pub(super) fn sheets(&self, narrow: bool) -> Vec<(&'static str, Sheet)> {
        let tasks = match narrow {
            true => self.long_task_sheet(),
            false => self.task_sheet(),
        };
        let aggregates = self.aggregate_sheet().map(|sheet| ("aggregates", sheet));
        let improvement = self.improvement_sheet().map(|sheet| ("improvement", sheet));
        let sheets = aggregates.into_iter().chain(improvement);
        sheets.chain([("tasks", tasks)]).collect()
    }

    /// For a terminal: the verdict, the tables, the notes.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut out = format!("{}\n{}\n", words::subject(self), self.verdict);
        // Three methods with their intervals fill some 100 columns.
        for (_, sheet) in self.sheets(self.methods.len() > 3) {
            let _ = write!(out, "\n{}", sheet.terminal());
        }
        for note in &self.notes {
            let _ = write!(out, "\n{note}");
        }
        out + "\n"
    }

    /// GitHub-flavoured Markdown: the verdict, the tables, the notes.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = self.tables();
        for note in &self.notes {
            // Items of a note's list begin with two blanks.
            let lines: Vec<String> = note.lines().map(markdown).collect();
            let _ = write!(out, "\n{}\n", lines.join("\n").replace("\n  ", "\n- "));
        }
        out
    }

    /// The same without the notes.
    pub(crate) fn tables(&self) -> String {
        let mut out = format!(
            "{}\n\n**{}**\n",
            markdown(&words::subject(self)),
            markdown(&self.verdict)
        );
        for (_, sheet) in self.sheets(false) {
            let _ = write!(out, "\n{}", sheet.markdown());
        }
        out
    }

    /// The tables for a paper; they need `\usepackage{booktabs}`. The notes are comments.
    #[must_use]
    pub fn latex(&self) -> String {
        let mut out = String::from("% Needs \\usepackage{booktabs}.\n");
        let subject = words::subject(self);
        for line in [&subject, &self.verdict]
            .into_iter()
            .chain(&self.notes)
            .flat_map(|n| n.lines())
        {
            let _ = writeln!(out, "% {line}");
        }
        for (label, sheet) in self.sheets(false) {
            let _ = write!(out, "\n{}", sheet.latex(label));
        }
        out
    }

    /// One line per run, with full precision; what is not known is empty.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::from(
            "task,tier,algorithm,teacher,variant,metric,seed,score,failed,steps,feedback,key,commit,version,device\n",
        );
        for task in &self.tasks {
            for (cell, method) in task.cells.iter().zip(&self.methods) {
                let names = [
                    &*task.task,
                    &*self.tier,
                    &*method.algorithm,
                    method.teacher.as_deref().unwrap_or_default(),
                    &*method.variant,
                    task.metric.name(),
                ]
                .map(quoted)
                .join(",");
                for run in cell.iter().flat_map(|cell| &cell.runs) {
                    let made_by = run.made_by.each_ref();
                    let made_by = made_by.map(|by| quoted(by.as_deref().unwrap_or_default()));
                    let _ = writeln!(
                        out,
                        "{names},{},{},{},{},{},{},{}",
                        run.seed,
                        run.score,
                        run.failed,
                        run.steps,
                        run.feedback,
                        run.key,
                        made_by.join(",")
                    );
                }
            }
        }
        out
    }

    /// One line per method and statistic over tasks, and per ordered pair for probabilities of
    /// improvement and their two-sided p-values, with full precision.
    #[must_use]
    pub fn aggregates_csv(&self) -> String {
        let mut out = String::from("statistic,method,over,tasks,value,low,high,p\n");
        let mut line = |statistic: &str, x: usize, y: Option<usize>, tasks: usize, e: &Estimate| {
            let over = y.map_or("", |y| &self.methods[y].name);
            let p = y.and_then(|y| self.chances[x][y]);
            let method = quoted(&self.methods[x].name);
            let interval = e
                .interval
                .map_or(",".to_owned(), |i| format!("{},{}", i.low, i.high));
            let _ = writeln!(
                out,
                "{statistic},{method},{},{tasks},{},{interval},{}",
                quoted(over),
                e.value,
                p.map_or_else(String::new, |p| p.to_string())
            );
        };
        for aggregate in &self.aggregates {
            for (method, estimate) in aggregate.estimates.iter().enumerate() {
                line(
                    aggregate.statistic.name(),
                    method,
                    None,
                    self.scaled.len(),
                    estimate,
                );
            }
        }
        for (x, row) in self.improvements.iter().enumerate() {
            for (y, estimate) in row.iter().enumerate() {
                if let Some(estimate) = estimate {
                    line(
                        "probability of improvement",
                        x,
                        Some(y),
                        self.common.len(),
                        estimate,
                    );
                }
            }
        }
        out
    }
}
