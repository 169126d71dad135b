//! The command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    cell, compare, completions, dataset, export, label, list, merge, page, play, reference,
    reproduce, rollout, run, schema, show, status, suite, sweep, teachers,
};

#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train: one run per algorithm and seed, side by side on the cores; resumes by itself
    Run(run::RunArgs),
    /// Run a grid of tasks, algorithms, teachers, seeds and settings; the same command resumes
    #[command(long_about = sweep::HELP)]
    Sweep(sweep::SweepArgs),
    /// Run one of the named sweeps that come with prefbench
    Suite(suite::SuiteArgs),
    /// Show how the runs of a folder stand
    Status(status::StatusArgs),
    /// Copy the runs of several folders into one
    Merge(merge::MergeArgs),
    /// Show tasks, algorithms, teachers, samplers and devices
    List(list::ListArgs),
    /// Print the table of a folder of finished runs
    Table(show::TableArgs),
    /// Compare methods over tasks and seeds: tables, figures, and a report to read
    Compare(compare::CompareArgs),
    /// Set published tables beside ours, and put their claims to the test
    Reproduce(reproduce::ReproduceArgs),
    /// Write the page of committed results: sweeps compared, papers reproduced
    Page(page::PageArgs),
    /// Draw the learning curves of a folder of finished runs
    Plot(show::PlotArgs),
    /// Make a folder's runs of random and sac the scores that returns are normalised by
    Reference(reference::ReferenceArgs),
    /// Play an episode and write a film (GIF) and a page with a 3-D view (HTML)
    Play(play::PlayArgs),
    /// Play episodes and write every step as CSV
    Rollout(rollout::RolloutArgs),
    /// Make, check, describe, import and export preference datasets
    Dataset(dataset::DatasetArgs),
    /// Have a teacher answer queries about a dataset's segments, and store the answers in it
    Label(label::LabelArgs),
    /// Compare teachers on a dataset: errors, skips, ties, agreement with the oracle by margin
    Teachers(teachers::TeachersArgs),
    /// Run one cell of a planned sweep, as schedulers do
    Cell(cell::CellArgs),
    /// Write runs in the formats of other tools
    Export(export::ExportArgs),
    /// Print the JSON Schema of config files, by which editors complete and check them
    Schema,
    /// Print a script by which your shell completes commands, flags and names
    Completions(completions::CompletionsArgs),
}

/// The command line. A number below 0 is a value like others, so that its flag says what is wrong with it.
fn command() -> clap::Command {
    fn negative_numbers(command: clap::Command) -> clap::Command {
        let command = command.mut_args(|arg| match arg.get_action().takes_values() {
            true => arg.allow_negative_numbers(true),
            false => arg,
        });
        command.mut_subcommands(negative_numbers)
    }
    negative_numbers(Cli::command())
}

/// What was typed.
fn parse() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|e| e.exit())
}

/// Parses the arguments and does what they say.
pub fn main() -> Result<ExitCode> {
    match parse().command {
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Suite(args) => suite::suite(&args),
        Command::Status(args) => status::status(&args),
        Command::Merge(args) => merge::merge(&args),
        Command::List(args) => list::list(&args),
        Command::Table(args) => show::table(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Reproduce(args) => reproduce::reproduce(&args),
        Command::Page(args) => page::page(&args),
        Command::Plot(args) => show::plot(&args),
        Command::Reference(args) => reference::reference(&args),
        Command::Play(args) => play::play(&args),
        Command::Rollout(args) => rollout::rollout(&args),
        Command::Dataset(args) => dataset::dataset(&args),
        Command::Label(args) => label::label(&args),
        Command::Teachers(args) => teachers::teachers(&args),
        Command::Cell(args) => cell::cell(&args),
        Command::Export(args) => export::export(&args),
        Command::Schema => schema::schema(),
        Command::Completions(args) => completions::completions(&args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
