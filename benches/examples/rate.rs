//! Prints one workload's units per second: what `benches/peers/compare.py` sets beside others.
//!
//! `cargo run --release --example rate -- sac-update 5 [threads]` works for about 5 seconds (after a
//! warm-up), each thread on its own copy and all at once, and prints the sum over threads.
//! `rate tasks` prints the tasks that `env-step:TASK` and `reset:TASK` may name.

#[path = "../benches/workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use prefbench_envs::TASKS;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: f64| args.get(i).map_or(Some(default), |a| a.parse().ok());
    let (Some(name), Some(seconds), Some(threads)) = (args.first(), number(1, 5.0), number(2, 1.0))
    else {
        return usage();
    };
    if name == "tasks" {
        TASKS.iter().for_each(|task| println!("{}", task.id));
        return ExitCode::SUCCESS;
    }
    let start = Barrier::new(threads as usize);
    let rates: Option<Vec<f64>> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads as usize)
            .map(|_| scope.spawn(|| rate(name, Duration::from_secs_f64(seconds), &start)))
            .collect();
        let rates = runs.into_iter().map(|run| run.join().ok().flatten());
        rates.collect()
    });
    let Some(rates) = rates else {
        return usage();
    };
    println!("{:.3}", rates.iter().sum::<f64>());
    ExitCode::SUCCESS
}

/// `None` if there is no such workload.
fn rate(name: &str, time: Duration, start: &Barrier) -> Option<f64> {
    let mut work = workloads::build(name)?;
    let warm_up = Instant::now();
    while warm_up.elapsed() < time / 5 {
        work();
    }
    start.wait();
    let (began, mut units) = (Instant::now(), 0);
    while began.elapsed() < time {
        work();
        units += 1;
    }
    Some(f64::from(units) / began.elapsed().as_secs_f64())
}

fn usage() -> ExitCode {
    eprintln!("usage: rate WORKLOAD [SECONDS] [THREADS]; workloads:");
    for (name, unit) in workloads::WORKLOADS {
        eprintln!("  {name:<14} {unit}");
    }
    let tasks: Vec<_> = TASKS.iter().map(|task| task.id).collect();
    eprintln!(
        "env-step:TASK and reset:TASK take one of {}",
        tasks.join(", ")
    );
    ExitCode::FAILURE
}
