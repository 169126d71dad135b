//! Prints one workload's units per second: what `benches/peers/compare.py` sets beside others.
//!
//! `cargo run --release --example rate -- sac-update 5 [threads]` works for about 5 seconds (after a
//! warm-up), each thread on its own copy and all at once, and prints the sum over threads.
//! `rate stack:cuda 5 32` does sac-update on a device for as many seeds as there are threads, which learn as one
//! stack (`--stack-seeds`): what `benches/peers/gpu.py` sets beside separate PyTorch agents.
//! `rate tasks` prints the tasks that `env-step:TASK` and `reset:TASK` may name.

#[path = "../benches/workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use prefbench_agents::{Device, Ticket};
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
    let threads = threads as usize;
    let (start, time) = (Barrier::new(threads), Duration::from_secs_f64(seconds));
    if let Some(device) = name.strip_prefix("stack:") {
        return match Device::find(device).and_then(|d| d.check().map(|()| d)) {
            Ok(device) => match stacked(device, threads, time, &start) {
                Some(rate) => {
                    println!("{rate:.3}");
                    ExitCode::SUCCESS
                }
                // The thread that crashed has said why.
                None => ExitCode::FAILURE,
            },
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let rates: Option<Vec<f64>> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| rate(name, time, &start)))
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

/// Updates per second of all seeds of a stack together; `None` if it crashed. They end after the same update, since a stack
/// that loses seeds goes on as a smaller one.
fn stacked(device: Device, seeds: usize, time: Duration, round: &Barrier) -> Option<f64> {
    const ROUND: u32 = 20;
    let tickets: Vec<Option<Ticket>> = match seeds {
        1 => vec![None],
        _ => Ticket::book(seeds).into_iter().map(Some).collect(),
    };
    let over = &AtomicBool::new(false);
    let one = |ticket| {
        let mut update = workloads::sac_update(256, 256, device, ticket);
        (0..5 * ROUND).for_each(|_| update());
        round.wait();
        let (began, mut updates) = (Instant::now(), 0);
        while !over.load(Ordering::Relaxed) {
            (0..ROUND).for_each(|_| update());
            updates += ROUND;
            if round.wait().is_leader() && began.elapsed() >= time {
                over.store(true, Ordering::Relaxed);
            }
            round.wait();
        }
        f64::from(updates) / began.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let spawn = |ticket| scope.spawn(move || one(ticket));
        let runs: Vec<_> = tickets.into_iter().map(spawn).collect();
        let rates = runs.into_iter().map(|run| run.join().ok());
        rates.sum()
    })
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
