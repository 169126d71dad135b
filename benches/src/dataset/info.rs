//! `prefbench dataset info`: what is in a dataset.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use prefbench_oracles::{Dataset, Ending, Label};
use prefbench_results::table::Grid;

/// Arguments of `prefbench dataset info`.
#[derive(Args)]
pub struct InfoArgs {
    /// The dataset's folder
    pub dataset: PathBuf,
}

/// Prints the summary of a dataset.
pub fn info(args: &InfoArgs) -> Result<ExitCode> {
    print(&super::read(&args.dataset)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what it is, its episodes by policy, and its answers by teacher.
pub fn print(dataset: &Dataset) -> Result<()> {
    let (about, t) = (&dataset.about, &dataset.trajectories);
    let mut out = std::io::stdout().lock();
    if !about.name.is_empty() {
        write!(out, "{}: ", about.name)?;
    }
    match (&about.task, about.task_version) {
        (Some(task), Some(version)) => write!(out, "{task}, v{version}")?,
        _ => write!(out, "no task of prefbench")?,
    }
    writeln!(
        out,
        ": observation {}, action {}, {}",
        t.obs_dim(),
        t.act_dim(),
        if about.true_rewards {
            "true rewards"
        } else {
            "no rewards"
        }
    )?;
    writeln!(out, "source: {}", about.source)?;
    writeln!(out, "\n{}", episodes(dataset).terminal().trim_end())?;
    if dataset.answers.is_empty() {
        writeln!(out, "no answers yet: `prefbench label` adds a teacher's")?;
    } else {
        writeln!(out, "\n{}", answers(dataset).terminal().trim_end())?;
    }
    Ok(())
}

fn episodes(dataset: &Dataset) -> Grid {
    let t = &dataset.trajectories;
    let mut grid = Grid::new(
        &["policy"],
        &[
            "episodes",
            "steps",
            "return",
            "lowest",
            "highest",
            "success %",
            "ends",
        ],
    );
    let mut policies: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (e, origin) in dataset.origins.iter().enumerate() {
        policies.entry(&origin.policy).or_default().push(e);
    }
    for (policy, episodes) in policies {
        let n = episodes.len();
        let returns: Vec<f64> = episodes.iter().map(|&e| t.episode_return(e)).collect();
        let success: Vec<bool> = episodes
            .iter()
            .filter_map(|&e| dataset.origins[e].success)
            .collect();
        let ended = |ending| {
            episodes
                .iter()
                .filter(|&&e| t.episodes()[e].ending == Some(ending))
                .count()
        };
        let figure = |x: f64| {
            if dataset.about.true_rewards {
                format!("{x:.1}")
            } else {
                "–".to_owned()
            }
        };
        grid.row([
            policy.to_owned(),
            n.to_string(),
            episodes
                .iter()
                .map(|&e| t.episodes()[e].len)
                .sum::<usize>()
                .to_string(),
            figure(returns.iter().sum::<f64>() / n as f64),
            figure(returns.iter().copied().fold(f64::INFINITY, f64::min)),
            figure(returns.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            match success.len() {
                0 => "–".to_owned(),
                m => format!(
                    "{:.0}",
                    100.0 * success.iter().filter(|&&s| s).count() as f64 / m as f64
                ),
            },
            [
                (Ending::Terminated, "terminated"),
                (Ending::Truncated, "truncated"),
                (Ending::Cut, "cut"),
            ]
            .into_iter()
            .filter(|(ending, _)| ended(*ending) > 0)
            .map(|(ending, word)| format!("{} {word}", ended(ending)))
            .collect::<Vec<_>>()
            .join(", "),
        ]);
    }
    grid
}

fn answers(dataset: &Dataset) -> Grid {
    let mut grid = Grid::new(
        &["teacher"],
        &[
            "asked", "rows", "left", "right", "equal", "skipped", "segment",
        ],
    );
    let mut teachers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, answer) in dataset.answers.iter().enumerate() {
        teachers.entry(&answer.teacher).or_default().push(row);
    }
    for (teacher, rows) in teachers {
        let count = |label| {
            rows.iter()
                .filter(|&&r| dataset.answers[r].label == label)
                .count()
        };
        let lengths = rows.iter().flat_map(|&r| {
            let pair = dataset.answers[r].pair;
            [pair.left.len, pair.right.len]
        });
        let (low, high) = lengths.fold((u32::MAX, 0), |(low, high), len| {
            (low.min(len), high.max(len))
        });
        grid.row([
            teacher.to_owned(),
            dataset.queries_of(teacher).to_string(),
            rows.len().to_string(),
            count(Some(Label::Left)).to_string(),
            count(Some(Label::Right)).to_string(),
            count(Some(Label::Equal)).to_string(),
            count(None).to_string(),
            if low == high {
                low.to_string()
            } else {
                format!("{low}–{high}")
            },
        ]);
    }
    grid
}
