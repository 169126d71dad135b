//! A sweep as a Slurm job array: a task of the array per cell.
//!
//! Slurm may start a task twice, silently, when its controller dies; and again, by design, after a
//! node failed or a time limit was reached. A cell bears that: it is claimed by one process at a time, goes
//! on from its last checkpoint, and is left alone when it has ended.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::How;
use super::record::Record;
use crate::cell::STOPPED;
use crate::show;

/// Seconds before a time limit at which a cell is asked to save itself.
const NOTICE: u32 = 120;
/// Slurm's default MaxArraySize is 1001; an array's numbers must be smaller.
const LARGEST_ARRAY: usize = 1000;

#[derive(Args)]
pub struct SlurmArgs {
    /// Submit the cells to Slurm, as a job array, instead of running them here
    #[arg(long, conflicts_with_all = ["plan", "gpus", "stack_seeds"])]
    pub slurm: bool,
    /// With --slurm: options for sbatch, e.g. --sbatch="--partition=cpu --time=2:00:00"
    #[arg(
        long,
        value_name = "OPTIONS",
        allow_hyphen_values = true,
        default_value = "",
        requires = "slurm"
    )]
    sbatch: String,
}

/// Writes the job script into the folder and submits it for the cells `waiting`.
pub fn submit(record: &Record, waiting: &[usize], out: &Path, how: &How) -> Result<ExitCode> {
    if waiting.is_empty() {
        let all = record.cells.len();
        show::out(&format!(
            "All {all} cells have ended; nothing was submitted.\n"
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let out = fs::canonicalize(out).with_context(|| format!("cannot find {}", out.display()))?;
    let logs = out.join("slurm");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let script = logs.join("cell.sh");
    fs::write(&script, text(&out, how)?)
        .with_context(|| format!("cannot write {}", script.display()))?;
    let queued = queued(&record.name, &script);
    // Numbers beyond the largest array are reached by an offset, the script's argument.
    let mut blocks: Vec<(usize, Vec<usize>)> = Vec::new();
    for &index in waiting.iter().filter(|index| !queued.contains(index)) {
        let offset = index / LARGEST_ARRAY * LARGEST_ARRAY;
        match blocks.last_mut() {
            Some((last, indices)) if *last == offset => indices.push(index - offset),
            _ => blocks.push((offset, vec![index - offset])),
        }
    }
    if blocks.is_empty() {
        show::out(
            "All cells that have not ended are with Slurm already; nothing was submitted.\n",
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let submitted: usize = blocks.iter().map(|(_, indices)| indices.len()).sum();
    // Arrays run side by side, each with its part of what is allowed.
    let most = match how.pace.jobs.map(NonZeroUsize::get) {
        None => String::new(),
        Some(jobs) if jobs < blocks.len() => bail!(
            "--jobs is {jobs}, but must be at least {}, the number of arrays that {} cells take",
            blocks.len(),
            submitted
        ),
        Some(jobs) => format!("%{}", jobs / blocks.len()),
    };
    let Some(options) = shlex::split(&how.slurm.sbatch) else {
        bail!(
            "--sbatch {:?} has a quote without its end",
            how.slurm.sbatch
        );
    };
    for (offset, indices) in blocks {
        let mut sbatch = Command::new("sbatch");
        sbatch.arg(format!("--job-name={}", job(&record.name, offset)));
        sbatch.arg(format!("--array={}{most}", spell(&indices)));
        sbatch.arg(format!("--output={}", logs.join("%A_%a.log").display()));
        sbatch.args(&options);
        let answer = sbatch.arg(&script).arg(offset.to_string()).output();
        let answer =
            answer.context("cannot run sbatch; is this a machine that submits to Slurm?")?;
        if !answer.status.success() {
            bail!(
                "sbatch refused: {}",
                String::from_utf8_lossy(&answer.stderr).trim()
            );
        }
        show::out(&String::from_utf8_lossy(&answer.stdout))?;
    }
    let with_slurm = match queued.len() {
        0 => String::new(),
        n => format!(" ({n} more were with Slurm already)"),
    };
    show::out(&format!(
        "{submitted} of {} cells submitted{with_slurm}; `prefbench status {}` shows how they stand, the same command submits what is left\n",
        record.cells.len(),
        out.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The name of the array whose numbers begin at `offset`.
fn job(sweep: &str, offset: usize) -> String {
    match offset {
        0 => format!("prefbench-{sweep}"),
        _ => format!("prefbench-{sweep}+{offset}"),
    }
}

/// The cells that wait or run in arrays of this script; none where Slurm does not say.
fn queued(sweep: &str, script: &Path) -> BTreeSet<usize> {
    let mut squeue = Command::new("squeue");
    // An array's task a line: its number, the job's name, what it runs.
    squeue.args(["--me", "--array", "--noheader", "--format=%K|%j|%o"]);
    let said = squeue.output().map(|output| output.stdout);
    let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
    let cell = |line: &str| {
        let (number, rest) = line.trim().split_once('|')?;
        let (name, command) = rest.split_once('|')?;
        let offset = match name.strip_prefix(&job(sweep, 0))? {
            "" => 0,
            more => more.strip_prefix('+')?.parse().ok()?,
        };
        let ours = command.contains(&*script.to_string_lossy());
        Some(offset + number.parse::<usize>().ok()?).filter(|_| ours)
    };
    said.lines().filter_map(cell).collect()
}

fn text(out: &Path, how: &How) -> Result<String> {
    let exe = std::env::current_exe().context("cannot find this program's file")?;
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let retry = if how.pace.retry_failed {
        " --retry-failed"
    } else {
        ""
    };
    Ok(format!(
        r#"#!/bin/bash
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --cpus-per-task=1
#SBATCH --signal=B:TERM@{NOTICE}
# One cell of a sweep; its number is the array's plus the argument. Written by `prefbench sweep --slurm`.
{exe} cell {out} $((SLURM_ARRAY_TASK_ID + ${{1:-0}})){retry} &
cell=$!
# Near the time limit, when preempted and when drained, the cell saves itself.
trap 'kill -TERM $cell' TERM
wait $cell; code=$?
# A signal ends the first wait, not the cell.
while kill -0 $cell 2>/dev/null; do wait $cell; code=$?; done
# Saved but not at its end: back into the queue.
[ $code = {STOPPED} ] && scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
exit $code
"#,
        exe = quoted(&exe),
        out = quoted(out),
    ))
}

/// Increasing numbers in sbatch's form: `0-3,7`.
fn spell(indices: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = indices;
    while let Some(&first) = rest.first() {
        let run = (first..).zip(rest).take_while(|&(a, &b)| a == b).count();
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{first}");
        if run > 1 {
            let _ = write!(text, "-{}", first + run - 1);
        }
        rest = &rest[run..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_sbatch_takes_them() {
        assert_eq!(spell(&[0, 1, 2, 3, 7, 9, 10]), "0-3,7,9-10");
        assert_eq!(spell(&[5]), "5");
    }
}
