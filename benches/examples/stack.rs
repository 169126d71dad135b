//! Prints updates per second, all seeds together, of SAC learners in one stack
//! (`--stack-seeds`): what `benches/peers/gpu.py` sets beside separate PyTorch agents.
//!
//! `cargo run --release --features cuda --example stack -- cuda 32 [SECONDS] [WIDTH] [BATCH]`

// Other workloads are other programs'.
#[allow(dead_code)]
#[path = "../benches/workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use prefbench_agents::{Device, Ticket};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| args.get(i).map_or(Some(default), |a| a.parse().ok());
    let numbers = [(1, 1), (2, 5), (3, 256), (4, 256)].map(|(i, default)| number(i, default));
    let (Some(device), [Some(seeds), Some(seconds), Some(width), Some(batch)]) =
        (args.first(), numbers)
    else {
        eprintln!("usage: stack DEVICE [SEEDS] [SECONDS] [WIDTH] [BATCH]");
        return ExitCode::FAILURE;
    };
    let device = match Device::find(device).and_then(|d| d.check().map(|()| d)) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let time = Duration::from_secs(seconds as u64);
    let start = Barrier::new(seeds);
    let tickets: Vec<Option<Ticket>> = match seeds {
        1 => vec![None],
        _ => Ticket::book(seeds).into_iter().map(Some).collect(),
    };
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let start = &start;
        let one = |ticket| {
            let mut update = workloads::sac_update(width, batch, device, ticket);
            for _ in 0..100 {
                update();
            }
            start.wait();
            let (began, mut updates) = (Instant::now(), 0);
            while began.elapsed() < time {
                update();
                updates += 1;
            }
            f64::from(updates) / began.elapsed().as_secs_f64()
        };
        let runs: Vec<_> = tickets
            .into_iter()
            .map(|ticket| scope.spawn(move || one(ticket)))
            .collect();
        runs.into_iter().filter_map(|run| run.join().ok()).collect()
    });
    println!("{:.3}", rates.iter().sum::<f64>());
    ExitCode::SUCCESS
}
