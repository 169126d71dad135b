//! `prefbench list`: the registries, as the help and the docs tables show them.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use prefbench_agents::{ALGORITHMS, DEVICES};
use prefbench_envs::TASKS;
use prefbench_oracles::{SAMPLERS, TEACHERS, export, import};

use crate::dataset::RECIPES;

/// Arguments of `prefbench list`.
#[derive(Args)]
pub struct ListArgs {
    /// Only this registry [default: all]
    #[arg(value_enum)]
    what: Option<What>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    Tasks,
    Algorithms,
    Teachers,
    Samplers,
    /// What `dataset import` reads and `dataset export` writes
    Formats,
    /// What `dataset pool` makes
    Recipes,
    Devices,
}

/// Prints the registries.
pub fn list(args: &ListArgs) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let wanted = |what| args.what.is_none_or(|w| w == what);
    if wanted(What::Tasks) {
        writeln!(out, "Tasks")?;
        for t in TASKS {
            writeln!(
                out,
                "  {:<14} {}, v{}: observation {}, action {}, {} steps of {} ms\n{:17}reward: {}\n{:17}success: {}",
                t.id,
                t.family,
                t.version,
                t.spec.obs_dim(),
                t.spec.action_dim(),
                t.spec.horizon,
                // Of an f32: what is beyond a microsecond is its rounding.
                (t.spec.control_period * 1e6).round() / 1e3,
                "",
                t.reward,
                "",
                t.success,
            )?;
        }
    }
    let mut section = |what, title: &str, rows: Vec<(&str, String)>| -> Result<()> {
        if wanted(what) {
            writeln!(out, "{title}")?;
            let width = rows.iter().map(|(id, _)| id.len()).fold(14, usize::max);
            for (id, summary) in rows {
                writeln!(out, "  {id:<width$} {summary}")?;
            }
        }
        Ok(())
    };
    section(
        What::Algorithms,
        "Algorithms",
        ALGORITHMS
            .iter()
            .map(|a| (a.id, a.summary.to_owned()))
            .collect(),
    )?;
    section(
        What::Teachers,
        "Teachers",
        TEACHERS
            .iter()
            .map(|t| (t.id, t.summary.to_owned()))
            .collect(),
    )?;
    section(
        What::Samplers,
        "Query samplers",
        SAMPLERS
            .iter()
            .map(|s| (s.id, s.summary.to_owned()))
            .collect(),
    )?;
    section(
        What::Formats,
        "Formats",
        import::FORMATS
            .iter()
            .map(|f| (f.id, format!("import {}", f.summary)))
            .chain(
                export::FORMATS
                    .iter()
                    .map(|f| (f.id, format!("export {}", f.summary))),
            )
            .collect(),
    )?;
    section(
        What::Recipes,
        "Recipes of datasets",
        RECIPES.iter().map(|r| (r.id, r.text.to_owned())).collect(),
    )?;
    section(
        What::Devices,
        "Devices",
        DEVICES
            .iter()
            .map(|d| {
                let usable = d
                    .check()
                    .map_or_else(|e| format!("not usable: {e}"), |()| "usable".into());
                (d.name(), usable)
            })
            .collect(),
    )?;
    Ok(ExitCode::SUCCESS)
}
