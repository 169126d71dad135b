//! `prefbench suite`: named sweeps that come with prefbench, so that results can be set side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use prefbench_oracles::UnknownName;
use prefbench_results::table::Grid as Printed;

use crate::show;
use crate::sweep::{self, How};

/// A named, versioned sweep. Whatever changes its cells raises the version.
pub struct Suite {
    pub id: &'static str,
    pub version: u32,
    /// What it is for.
    pub text: &'static str,
    /// The sweep's file.
    grid: &'static str,
    /// Recipes of the datasets that it needs (`prefbench dataset pool TASK RECIPE`).
    datasets: &'static [&'static str],
}

/// All suites.
pub const SUITES: &[Suite] = &[
    Suite {
        id: "quick",
        version: 1,
        text: "minutes: SAC and PEBBLE on one task, against chance",
        grid: include_str!("../suites/quick.toml"),
        datasets: &[],
    },
    Suite {
        id: "locomotion-online",
        version: 1,
        text: "online algorithms on robots that run, with the oracle",
        grid: include_str!("../suites/locomotion-online.toml"),
        datasets: &[],
    },
    Suite {
        id: "manipulation-online",
        version: 1,
        text: "online algorithms on robots that handle things, with the oracle",
        grid: include_str!("../suites/manipulation-online.toml"),
        datasets: &[],
    },
    Suite {
        id: "teachers",
        version: 1,
        text: "PEBBLE taught by each of B-Pref's six teachers",
        grid: include_str!("../suites/teachers.toml"),
        datasets: &[],
    },
    Suite {
        id: "locomotion-offline",
        version: 2,
        text: "offline algorithms on robots that run, with the oracle",
        grid: include_str!("../suites/locomotion-offline.toml"),
        datasets: &["medium-replay", "medium-expert"],
    },
    Suite {
        id: "manipulation-offline",
        version: 2,
        text: "offline algorithms on robots that handle things, with the oracle",
        grid: include_str!("../suites/manipulation-offline.toml"),
        datasets: &["scripted-mixed"],
    },
];

/// Arguments of `prefbench suite`.
#[derive(Args)]
pub struct SuiteArgs {
    /// Which suite [default: they are listed]
    name: Option<String>,
    #[command(flatten)]
    how: How,
}

/// Runs, or resumes, a suite.
pub fn suite(args: &SuiteArgs) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        let mut printed = Printed::new(&["suite", "for"], &["version", "runs"]);
        for suite in SUITES {
            // Unknown as long as its datasets are not made.
            let cells = match suite.cells(&args.how) {
                Err(_) if !suite.datasets.is_empty() => "–".to_owned(),
                cells => cells?.len().to_string(),
            };
            let figures = [suite.version.to_string(), cells];
            printed.row(
                [suite.id.to_owned(), suite.text.to_owned()]
                    .into_iter()
                    .chain(figures),
            );
        }
        show::out(&printed.terminal())?;
        return Ok(ExitCode::SUCCESS);
    };
    let ids = || SUITES.iter().map(|suite| suite.id);
    let suite = SUITES.iter().find(|suite| suite.id == name);
    let suite = suite.ok_or_else(|| UnknownName::new("suite", name, ids()))?;
    let cells = suite.cells(&args.how)?;
    let tier = cells.first().map_or("", |cell| cell.tier.name());
    let name = format!("{}-v{}-{tier}", suite.id, suite.version);
    let out = args.how.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from("runs").join(&name));
    sweep::carry_out(&name, cells, &out, &args.how)
}

impl Suite {
    fn cells(&self, how: &How) -> Result<Vec<crate::config::RunConfig>> {
        let grid = sweep::read(self.grid, &how.overrides);
        let made = || match self.datasets {
            [] => format!("suite {}", self.id),
            recipes => format!(
                "suite {}; its datasets are made by `prefbench dataset pool TASK {}`",
                self.id,
                recipes.join(" ")
            ),
        };
        Ok(grid.with_context(made)?.cells)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sweep::Overrides;
    use prefbench_agents::TIERS;

    #[test]
    fn every_suite_resolves_at_every_tier() {
        for suite in SUITES.iter().filter(|suite| suite.datasets.is_empty()) {
            for (_, tier) in TIERS {
                let overrides = Overrides {
                    tier: Some(*tier),
                    ..Overrides::default()
                };
                let cells = sweep::read(suite.grid, &overrides).unwrap().cells;
                assert!(cells.len() > 1, "{}", suite.id);
                assert!(cells.iter().all(|cell| cell.tier == *tier));
            }
        }
    }

    /// Without datasets only the first one that is missing can be named.
    #[test]
    fn an_offline_suite_asks_for_its_datasets() {
        for suite in SUITES.iter().filter(|suite| !suite.datasets.is_empty()) {
            let refused = sweep::read(suite.grid, &Overrides::default()).unwrap_err();
            let message = format!("{refused:#}");
            let path = format!("datasets/short/{}", suite.datasets[0]);
            let named = path.split('/').all(|part| message.contains(part));
            assert!(named, "{}: {message}", suite.id);
            for recipe in suite.datasets {
                assert!(
                    suite.grid.contains(&format!("{{task}}/{recipe}\"")),
                    "{recipe}"
                );
                assert!(crate::dataset::RECIPES.iter().any(|r| r.id == *recipe));
            }
        }
    }
}
