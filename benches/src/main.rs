//! `prefbench`: run preference-based RL algorithms on simulated control tasks, and show what came
//! of it.

mod cell;
mod cli;
mod compare;
mod completions;
mod config;
mod dataset;
mod export;
mod label;
mod list;
mod merge;
mod offline;
mod online;
mod page;
mod play;
mod pool;
mod progress;
mod reference;
mod reproduce;
mod rollout;
mod run;
mod schema;
mod show;
mod status;
mod suite;
mod sweep;
mod teachers;
mod training;

use std::process::ExitCode;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::main() {
        Ok(code) => code,
        Err(error) if broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prefbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `prefbench table | head` is no failure.
fn broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
