//! `prefbench completions`: a script that has the shell complete commands, flags and names.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Command};
use clap_complete::Shell;
use prefbench_agents::{ALGORITHMS, DEVICES, TIERS};
use prefbench_envs::TASKS;
use prefbench_oracles::TEACHERS;

/// Arguments of `prefbench completions`.
#[derive(Args)]
pub struct CompletionsArgs {
    /// Shell that the script is for
    shell: Shell,
}

/// Prints the script that completes `command`.
pub fn completions(args: &CompletionsArgs, command: Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut named(command), "prefbench", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// `command` with the registries' names as the values of the arguments that take one. Only the
/// script sees them: parsed by clap, an unknown name would not be answered with the nearest one.
fn named(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let names: Vec<(&str, &str)> = match arg.get_id().as_str() {
            "task" => TASKS.iter().map(|t| (t.id, t.family)).collect(),
            "algorithms" => ALGORITHMS.iter().map(|a| (a.id, a.summary)).collect(),
            "teacher" | "teachers" => TEACHERS.iter().map(|t| (t.id, t.summary)).collect(),
            "tier" => TIERS.iter().map(|(name, _)| (*name, "")).collect(),
            "device" => DEVICES.iter().map(|d| (d.name(), "")).collect(),
            _ => return arg,
        };
        let values = names
            .into_iter()
            .map(|(id, about)| PossibleValue::new(id).help(about));
        arg.value_parser(PossibleValuesParser::new(values))
    });
    command.mut_subcommands(named)
}
