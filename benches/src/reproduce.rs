//! `prefbench reproduce`: published tables beside ours, and their claims put to the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use prefbench_agents::Tier;
use prefbench_results::paper::Paper;
use prefbench_results::reproduce::{Options, Reproduction};
use prefbench_results::table::Grid;
use prefbench_results::{FinishedRun, Unfinished, Why};

use crate::{compare, show};

/// Arguments of `prefbench reproduce`.
#[derive(Args)]
pub struct ReproduceArgs {
    /// A published table (cpl-dense), all tables of a paper (cpl), `all`, or a TOML file of such a table
    /// [default: list those that come along]
    table: Option<String>,
    /// Folders of runs, or of such folders; repeatable
    #[arg(long, default_value = "results/runs")]
    runs: Vec<PathBuf>,
    /// The tier of our runs
    #[arg(long, default_value = "short", value_parser = Tier::find)]
    tier: Tier,
    /// Folder for the pages, tables and figures
    #[arg(long, default_value = "reproduced")]
    out: PathBuf,
}

/// Writes and prints what our runs say of published tables.
pub fn reproduce(args: &ReproduceArgs) -> Result<ExitCode> {
    let Some(name) = &args.table else {
        show::out(&list()?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let papers = papers(name)?;
    let (finished, unfinished) = runs(&args.runs)?;
    for run in unfinished
        .iter()
        .filter(|run| !matches!(run.why, Why::Failed(_)))
    {
        eprintln!("prefbench: not counted: {}: {}", run.dir.display(), run.why);
    }
    let options = Options::of_tier(args.tier.name());
    let several = papers.len() > 1;
    for paper in papers {
        let reproduction = Reproduction::new(paper, &finished, &unfinished, &options);
        let files = reproduction.write(&args.out)?;
        if several {
            let (title, said) = (&reproduction.paper.title, reproduction.summary());
            show::out(&format!("{title}\n  {said}\n"))?;
        } else {
            show::out(&reproduction.terminal())?;
        }
        let page = files.first().map_or(&*args.out, PathBuf::as_path);
        show::out(&format!("{}\n", page.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The tables that come along: what they are called, and what they show.
fn list() -> Result<String> {
    let mut grid = Grid::new(
        &["table", "what it shows"],
        &["cells", "read in the paper", "claims"],
    );
    for id in Paper::ids() {
        let paper = Paper::find(id)?;
        let cells = paper.tasks.iter().flat_map(|task| task.cells.keys());
        let read = cells.clone().filter(|name| {
            let method = paper.methods.iter().find(|m| m.name == **name);
            method.is_some_and(|method| paper.verified(method))
        });
        let counts = [cells.clone().count(), read.count(), paper.claims.len()];
        let counts = counts.map(|n| n.to_string());
        grid.row(
            [id.to_owned(), paper.title.clone()]
                .into_iter()
                .chain(counts),
        );
    }
    Ok(grid.terminal())
}

/// The tables of this name, or whose names go on after it with a dash.
fn papers(name: &str) -> Result<Vec<Paper>> {
    let prefix = format!("{name}-");
    let of_name = |id: &&str| name == "all" || *id == name || id.starts_with(&prefix);
    let ids = Vec::from_iter(Paper::ids().filter(of_name));
    let papers = match &ids[..] {
        [] => vec![Paper::find(name)?],
        ids => ids
            .iter()
            .map(|id| Paper::find(id))
            .collect::<Result<_, _>>()?,
    };
    Ok(papers)
}

/// The runs of these folders and of the folders in them.
fn runs(folders: &[PathBuf]) -> Result<(Vec<FinishedRun>, Vec<Unfinished>)> {
    let mut all = Vec::new();
    for folder in folders {
        all.push(folder.clone());
        all.extend(inside(folder)?);
    }
    let (finished, unfinished) = compare::all(&all)?;
    if finished.is_empty() {
        let folders: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
        bail!(
            "no finished runs in {}; name the folders that hold them (--runs)",
            folders.join(", ")
        );
    }
    Ok((finished, unfinished))
}

fn inside(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the runs in {}", folder.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.join("config.json").exists() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use prefbench_agents::algorithm;
    use prefbench_envs as envs;
    use prefbench_oracles::TEACHERS;

    use super::*;
    use crate::dataset::RECIPES;

    /// A slip in a name would leave a cell empty for ever.
    #[test]
    fn published_tables_name_what_prefbench_has() -> Result<()> {
        for id in Paper::ids() {
            let paper = Paper::find(id)?;
            for method in &paper.methods {
                if let Some(algorithm) = &method.algorithm {
                    algorithm::find(algorithm).with_context(|| format!("{id}: {}", method.name))?;
                }
                if let Some(teacher) = &method.teacher {
                    assert!(TEACHERS.iter().any(|t| t.id == teacher), "{id}: {teacher}");
                }
            }
            for task in &paper.tasks {
                if let Some(ours) = &task.task {
                    envs::find(ours).with_context(|| format!("{id}: {}", task.name))?;
                }
                if let Some(dataset) = &task.dataset {
                    assert!(RECIPES.iter().any(|r| r.id == dataset), "{id}: {dataset}");
                }
            }
        }
        Ok(())
    }
}
