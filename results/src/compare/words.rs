//! What is said about a comparison in sentences.

use std::collections::{BTreeMap, BTreeSet};

use super::scores::{MADE_BY, seeds};
use super::{Cell, CompareOptions, Comparison, Method};
use crate::reproduce::chance;
use crate::table::text::thousands;

/// Names in a row.
pub(super) fn listed(methods: &[Method]) -> String {
    let names: Vec<&str> = methods.iter().map(|m| &*m.name).collect();
    names.join(", ")
}

/// `3 runs`, `1 run`.
pub(super) fn count(n: usize, what: &str) -> String {
    let many = if n == 1 { "" } else { "s" };
    format!("{} {what}{many}", thousands(n as u64))
}

/// What was compared.
pub(super) fn subject(c: &Comparison) -> String {
    let runs: usize = c.cells().map(|cell| cell.runs.len()).sum();
    let (seeds, same) = seeds(&c.tasks);
    let word = if seeds.contains([',', '–']) {
        "seeds"
    } else {
        "seed"
    };
    let everywhere = if same { "" } else { " (not all everywhere)" };
    let commits: BTreeSet<&str> = c
        .cells()
        .flat_map(|cell| &cell.runs)
        .filter_map(|run| run.made_by[0].as_deref())
        .collect();
    let commits = match commits.len() {
        0 => String::new(),
        1 => format!(", commit {}", Vec::from_iter(commits).join("")),
        n => format!(", {n} commits"),
    };
    let left_out = match c.left_out.len() {
        0 => String::new(),
        n => format!(" Not counted: {}, named below.", count(n, "folder")),
    };
    format!(
        "{} on {}, tier {}, {word} {seeds}{everywhere}: {}{commits}.{left_out}",
        count(c.methods.len(), "method"),
        count(c.tasks.len(), "task"),
        c.tier,
        count(runs, "run"),
    )
}

/// Which method is ahead, and whether surely so of the next.
pub(super) fn verdict(c: &Comparison) -> String {
    let [first, next, ..] = c.ranking[..] else {
        return format!("{} alone: nothing to set it against.", listed(&c.methods));
    };
    let (best, second) = (&c.methods[first].name, &c.methods[next].name);
    let Some(over) = c.improvements[first][next] else {
        return "No task has runs of every method, so none is ahead over tasks.".into();
    };
    let mut it = "it";
    let head = match c.aggregates.first() {
        Some(iqm) => {
            let highest = iqm.estimates[first];
            let equal = |i: &&usize| iqm.estimates[**i].value == highest.value;
            let names = c.ranking.iter().filter(equal).map(|&i| &*c.methods[i].name);
            let (names, have) = match Vec::from_iter(names)[..] {
                [] | [_] => (best.clone(), "has"),
                [ref others @ .., last] => {
                    it = best;
                    (format!("{} and {last}", others.join(", ")), "share")
                }
            };
            format!(
                "{names} {have} the highest IQM over {}, {}.",
                count(c.scaled.len(), "task"),
                highest.text(1)
            )
        }
        None => format!(
            "{best} is most often ahead of the others over {} (their scores are on no common \
             scale, so there is no IQM over tasks).",
            count(c.common.len(), "task")
        ),
    };
    let p = c.chances[first][next].unwrap_or(1.0);
    let so_far = format!("chance alone sets two so far apart with {}", chance(p));
    let sure = match p <= 1.0 - c.level + 1e-12 {
        _ if over.interval.is_none() => "there are too few seeds to settle anything".into(),
        true if over.value > 0.5 => so_far,
        true => format!("{so_far}, to the other side"),
        false => format!("{so_far}, so these runs do not tell them apart"),
    };
    let preliminary = match (
        c.cells().any(Cell::preliminary),
        c.cells().all(Cell::preliminary),
    ) {
        (false, _) => "",
        (true, false) => " Some of it is preliminary (†): there are fewer than 3 seeds.",
        (true, true) => " All of it is preliminary: there are fewer than 3 seeds.",
    };
    format!(
        "{head} A run of {it} scores higher than one of {second}, the next, with probability {}: \
         {sure}.{preliminary}",
        over.text(2)
    )
}

/// What belongs under the tables.
pub(super) fn notes(
    c: &Comparison,
    scales: &[String],
    warnings: &[String],
    options: &CompareOptions,
) -> Vec<String> {
    let mut notes = vec![
        "Score of a run: mean over the episodes of its last evaluation, under the true reward."
            .into(),
        "IQM: interquartile mean, without the floor(n/4) lowest and highest; the mean for n < 4."
            .into(),
        format!(
            "Intervals: stratified bootstrap percentile intervals, runs resampled within each task; {} \
             resamples, {} for profiles and probabilities of improvement, {} for curves.",
            thousands(options.bootstrap.resamples as u64),
            thousands(options.bands.resamples as u64),
            thousands(options.curves.resamples as u64)
        ),
        "p: two-sided permutation test of the probability of improvement, runs changing sides within each \
         task (Wilcoxon's test, stratified). Of three runs a side on one task it is 0.1 at least, whatever \
         they score; bootstrap intervals of so few are too narrow to go by."
            .into(),
    ];
    if !scales.is_empty() {
        notes.push(format!(
            "Normalised: 0 is the return of a random policy, 100 that of an expert: {}.",
            scales.join("; ")
        ));
    }
    notes.extend(missing(c));
    if c.cells().any(Cell::preliminary) {
        notes.push("† Preliminary: fewer than 3 seeds.".into());
    }
    let failed: usize = c
        .cells()
        .map(|cell| cell.runs.iter().filter(|run| run.failed).count())
        .sum();
    if failed > 0 {
        let are = if failed == 1 {
            "run failed and counts"
        } else {
            "runs failed and count"
        };
        notes.push(format!("{failed} {are} as the worst score."));
    }
    notes.extend(warnings.iter().cloned());
    notes.extend(unequal_runs(c));
    notes.extend(unequal_steps(c));
    notes.extend(made_by(c));
    if !c.left_out.is_empty() {
        let listed: Vec<String> = c
            .left_out
            .iter()
            .map(|(folder, why)| format!("  {folder}: {why}"))
            .collect();
        let n = count(listed.len(), "folder");
        notes.push(format!("Not counted, {n}:\n{}", listed.join("\n")));
    }
    notes
}

/// Which tasks the figures over tasks lack, and why.
fn missing(c: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    for (i, method) in c.methods.iter().enumerate() {
        let lacks = c.tasks.iter().filter(|task| task.cells[i].is_none());
        let lacks: Vec<&str> = lacks.map(|task| &*task.task).collect();
        if !lacks.is_empty() {
            notes.push(format!(
                "{} is missing on {}: {}.",
                method.name,
                count(lacks.len(), "task"),
                lacks.join(", ")
            ));
        }
    }
    let all = c.tasks.len();
    if c.common.len() < all {
        notes.push(format!(
            "Probabilities of improvement are over the {} of {all} tasks that every method has.",
            c.common.len()
        ));
    }
    let unscaled = c.common.iter().filter(|task| !c.scaled.contains(task));
    let unscaled: Vec<&str> = unscaled.map(|&task| &*c.tasks[task].task).collect();
    if !unscaled.is_empty() {
        notes.push(format!(
            "Aggregates are without these, whose returns are on no scale of 0 to 100: {}.",
            unscaled.join(", ")
        ));
    }
    if c.scaled.len() < all {
        notes.push(format!(
            "Aggregates are over {} of {all} tasks.",
            c.scaled.len()
        ));
    }
    notes
}

/// Tasks with more runs than others, which count for more where runs of all tasks are pooled.
fn unequal_runs(c: &Comparison) -> Option<String> {
    let runs = |task: &super::TaskScores| {
        let cells = task.cells.iter().flatten();
        cells.map(|cell| cell.runs.len()).max().unwrap_or(0)
    };
    let scaled: Vec<_> = c.scaled.iter().map(|&task| &c.tasks[task]).collect();
    let counts: BTreeSet<usize> = scaled.iter().map(|task| runs(task)).collect();
    let each = scaled
        .iter()
        .map(|task| format!("{} ({})", task.task, runs(task)));
    (counts.len() > 1).then(|| {
        format!(
            "Tasks differ in their number of runs, and count in IQM and optimality gap by it: {}.",
            each.collect::<Vec<_>>().join(", ")
        )
    })
}

/// Tasks on which some runs were longer than others.
fn unequal_steps(c: &Comparison) -> Option<String> {
    let mut unequal = Vec::new();
    for task in &c.tasks {
        let runs = task.cells.iter().flatten().flat_map(|cell| &cell.runs);
        let steps = runs.filter(|run| !run.failed).map(|run| run.steps);
        let steps: BTreeSet<u64> = steps.collect();
        if let (Some(&least), Some(&most)) = (steps.first(), steps.last())
            && least < most
        {
            let [least, most] = [least, most].map(thousands);
            unequal.push(format!("{} ({least}–{most})", task.task));
        }
    }
    let tasks = unequal.join(", ");
    (!unequal.is_empty()).then(|| format!("Runs differ in their steps on {tasks}."))
}

/// A note for each of commit, version and device that is not the same for all runs.
fn made_by(c: &Comparison) -> Vec<String> {
    let note = |(i, what): (usize, &str)| {
        let mut counts = BTreeMap::<&str, usize>::new();
        // Of a failed run none is known.
        for run in c
            .cells()
            .flat_map(|cell| &cell.runs)
            .filter(|run| !run.failed)
        {
            *counts
                .entry(run.made_by[i].as_deref().unwrap_or("unknown"))
                .or_default() += 1;
        }
        let each = counts.iter();
        let each: Vec<String> = each
            .map(|(name, &n)| format!("{name} ({})", count(n, "run")))
            .collect();
        (counts.len() > 1).then(|| format!("Runs differ in their {what}: {}.", each.join(", ")))
    };
    let each = MADE_BY.into_iter().enumerate();
    each.filter_map(note).collect()
}

/// The statistics in plain words.
pub(super) const GLOSSARY: [(&str, &str); 9] = [
    (
        "Score",
        "One number for a run: how well its last policy does, averaged over evaluation episodes. Per \
         cent of successful episodes where the task has success, otherwise the return, if possible on \
         a scale from a random policy (0) to an expert (100).",
    ),
    (
        "IQM",
        "Interquartile mean: the mean of the middle half of the scores, without the lowest and the \
         highest quarter. Hard to move by a single lucky or broken run, and surer than the median.",
    ),
    (
        "Median",
        "The middle one of the tasks' mean scores: half of the tasks do better, half worse. Of one task, the \
         middle one of its runs.",
    ),
    (
        "Mean",
        "The mean of the tasks' mean scores. A few tasks can dominate it.",
    ),
    (
        "Optimality gap",
        "By how much scores fall short of 100 on average; what is above 100 counts as 100. The less, \
         the better.",
    ),
    (
        "Bootstrap interval",
        "How far a figure might move if the experiment were run again with other seeds: it is \
         computed again and again from runs drawn anew, with replacement, from those of each task, \
         and the interval holds the middle 95 % (or as said). A single run has none. With few seeds \
         intervals are too narrow.",
    ),
    (
        "Probability of improvement",
        "Take a task, one run of X on it and one of Y: how often does X score higher? Averaged over \
         tasks, ties counting one half. 0.5 is no difference; it says how often X is ahead, not by \
         how much.",
    ),
    (
        "Performance profile",
        "For each score τ the share of runs that reach more. It shows the whole distribution that \
         IQM and mean condense into one number.",
    ),
    (
        "Sample efficiency",
        "The IQM over tasks as training proceeds, by the share of the steps done, or by the number of \
         preference queries asked of the teacher.",
    ),
];

impl Comparison {
    /// All cells with runs.
    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.tasks
            .iter()
            .flat_map(|task| task.cells.iter().flatten())
    }
}
