//! The tables of a comparison, independent of their form.

use std::collections::BTreeSet;

use super::words::count;
use super::{Comparison, Estimate};
use crate::sheet::{Entry, Sheet};
use crate::stats::{Statistic, holm};

impl Comparison {
    /// Methods in columns, from best to worst, tasks in rows.
    pub(super) fn task_sheet(&self) -> Sheet {
        let mut head = vec!["task".to_owned(), "metric".into()];
        let ranked = || self.ranking.iter().copied();
        head.extend(ranked().map(|m| self.methods[m].name.clone()));
        head.push("n".into());
        let rows = self.tasks.iter().map(|task| {
            let mut row = vec![Entry::plain(&task.task), Entry::plain(task.metric.name())];
            row.extend(ranked().map(|method| self.cell(task, method)));
            let counts = ranked().map(|m| task.cells[m].as_ref().map_or(0, |c| c.runs.len()));
            row.push(Entry::plain(spelled(counts.collect())));
            row
        });
        Sheet {
            caption: self.task_caption(),
            words: 2,
            rows: rows.collect(),
            head,
        }
    }

    /// A row for each method on each task, for narrow places.
    pub(super) fn long_task_sheet(&self) -> Sheet {
        let rows = self.tasks.iter().flat_map(|task| {
            self.ranking.iter().map(move |&i| {
                let (cell, method) = (self.cell(task, i), &self.methods[i]);
                let n = task.cells[i].as_ref().map_or(0, |cell| cell.runs.len());
                let names = [&*task.task, task.metric.name(), &*method.name];
                let mut row = Vec::from(names.map(Entry::plain));
                row.extend([cell, Entry::plain(n.to_string())]);
                row
            })
        });
        let head = ["task", "metric", "method", self.statistic.name(), "n"];
        Sheet {
            caption: self.task_caption(),
            words: 3,
            head: head.map(Into::into).into(),
            rows: rows.collect(),
        }
    }

    fn task_caption(&self) -> String {
        format!(
            "{} over seeds by task, with {} % bootstrap interval, and number of runs n. Marked: the \
             best on the task, and those whose interval overlaps the best's.",
            self.statistic.name(),
            100.0 * self.level
        )
    }

    fn cell(&self, task: &super::TaskScores, method: usize) -> Entry {
        let Some(cell) = &task.cells[method] else {
            return Entry::plain("missing");
        };
        let decimals = task.metric.decimals(cell.estimate.value);
        let mut entry = Entry::of(Some(cell.estimate), decimals);
        entry.strong = cell.marked;
        if cell.preliminary() {
            entry.text.push('†');
        }
        entry
    }

    /// Methods in rows, from best to worst, statistics in columns.
    pub(super) fn aggregate_sheet(&self) -> Option<Sheet> {
        self.aggregates.first()?;
        let names = self
            .aggregates
            .iter()
            .map(|a| a.statistic.name().to_owned());
        let row = |&method: &usize| {
            let mut row = vec![Entry::plain(&self.methods[method].name)];
            row.extend(self.aggregates.iter().map(|aggregate| Entry {
                strong: self.is_best(aggregate, method),
                ..Entry::of(Some(aggregate.estimates[method]), 1)
            }));
            row
        };
        Some(Sheet {
            caption: format!(
                "Scores over {} (0–100), with {} % stratified bootstrap interval; of the optimality \
                 gap the least is the best. Marked: the best of each column, and those whose interval \
                 overlaps the best's.",
                count(self.scaled.len(), "task"),
                100.0 * self.level
            ),
            words: 1,
            head: ["method".to_owned()].into_iter().chain(names).collect(),
            rows: self.ranking.iter().map(row).collect(),
        })
    }

    /// As the marks in the table by task; of the gap the least is the best.
    fn is_best(&self, aggregate: &super::Aggregate, method: usize) -> bool {
        let sign = match aggregate.statistic {
            Statistic::OptimalityGap { .. } => -1.0,
            _ => 1.0,
        };
        // As large as it may be, and as small.
        let ends = |e: &Estimate| {
            let [a, b] = e.interval.map_or([e.value; 2], |i| [i.low, i.high]);
            [(sign * a).min(sign * b), (sign * a).max(sign * b)]
        };
        let by_value = |a: &&Estimate, b: &&Estimate| (sign * a.value).total_cmp(&(sign * b.value));
        let best = aggregate.estimates.iter().max_by(by_value);
        self.methods.len() > 1
            && best.is_some_and(|best| ends(&aggregate.estimates[method])[1] >= ends(best)[0])
    }

    /// Pairs of methods X and Y and the probability that X improves on Y: every pair once, the
    /// better ranked as X, or every other method over the baseline.
    pub(super) fn pairs(&self) -> Vec<(usize, usize, Estimate)> {
        let ranked = &self.ranking;
        let pairs: Vec<(usize, usize)> = match self.baseline {
            Some(baseline) => ranked.iter().map(|&x| (x, baseline)).collect(),
            None => (0..ranked.len())
                .flat_map(|i| ranked[i + 1..].iter().map(move |&y| (ranked[i], y)))
                .collect(),
        };
        let known = |(x, y): (usize, usize)| Some((x, y, self.improvements[x][y]?));
        pairs.into_iter().filter_map(known).collect()
    }

    /// The pairs whose first is surely ahead of the second: of those compared, by Holm's adjustment for
    /// their number.
    fn sure(&self) -> BTreeSet<(usize, usize)> {
        let pairs = self.pairs();
        let chance = |(x, y, _): &(usize, usize, Estimate)| self.chances[*x][*y].unwrap_or(1.0);
        let adjusted = holm(&pairs.iter().map(chance).collect::<Vec<f64>>());
        let sure = pairs.iter().zip(adjusted);
        let sure = sure.filter(|(_, p)| *p <= 1.0 - self.level + 1e-12);
        sure.map(|((x, y, e), _)| if e.value > 0.5 { (*x, *y) } else { (*y, *x) })
            .collect()
    }

    /// The method of the row over that of the column; of a baseline, its column alone.
    pub(super) fn improvement_sheet(&self) -> Option<Sheet> {
        if self.pairs().is_empty() {
            return None;
        }
        let over = match self.baseline {
            Some(baseline) => vec![baseline],
            None => self.ranking.clone(),
        };
        let sure = self.sure();
        let name = |&method: &usize| self.methods[method].name.clone();
        let head = over.iter().map(|y| format!("over {}", name(y)));
        let row = |x: &usize| {
            let cells = over.iter().map(|y| Entry {
                strong: sure.contains(&(*x, *y)),
                ..Entry::of(self.improvements[*x][*y], 2)
            });
            let first = Entry::plain(name(x));
            [first].into_iter().chain(cells).collect()
        };
        let rows = self.ranking.iter().filter(|x| Some(**x) != self.baseline);
        Some(Sheet {
            caption: format!(
                "Probability that a run of the row's method scores higher than one of the column's on \
                 the same task, over {}, with {} % stratified bootstrap interval. Marked: above 0.5, with \
                 p ≤ {:.2} in a permutation test, adjusted for the number of pairs.",
                count(self.common.len(), "task"),
                100.0 * self.level,
                1.0 - self.level
            ),
            words: 1,
            head: ["method".to_owned()].into_iter().chain(head).collect(),
            rows: rows.map(row).collect(),
        })
    }
}

/// One figure where all are the same, else one for each.
fn spelled(mut counts: Vec<usize>) -> String {
    if counts.iter().all(|n| *n == counts[0]) {
        counts.truncate(1);
    }
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    counts.join(", ")
}
