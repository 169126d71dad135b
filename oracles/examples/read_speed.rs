//! How fast a file of somebody else's is read, and how much memory that takes.
//!
//! ```text
//! cargo run --release -p prefbench-oracles --example read_speed -- <format> <path>   # or: prefbench <folder>
//! ```
//!
//! Prints the best of three reads, in file bytes a second, and the largest memory allocated at a
//! time over the bytes of the columns kept.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use counting::{Counting, peak};
use prefbench_oracles::Dataset;
use prefbench_oracles::import::{self, Read};

#[path = "../tests/counting/mod.rs"]
mod counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn size(path: &Path) -> std::io::Result<u64> {
    if path.is_file() {
        return Ok(path.metadata()?.len());
    }
    path.read_dir()?.map(|entry| size(&entry?.path())).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [format, path] = &args[..] else {
        return Err("usage: read_speed <format> <path>".into());
    };
    let read = match &**format {
        "prefbench" => Dataset::read,
        other => match import::find(other)?.read {
            Read::Dataset(read) => read,
            Read::Labels(_) => return Err(format!("{other} holds labels, not a dataset").into()),
        },
    };
    let path = Path::new(path);
    let bytes = size(path)? as f64;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let (dataset, peak) = peak(|| read(path));
        let (dataset, peak) = (dataset?, peak as f64);
        best = best.min(start.elapsed().as_secs_f64());
        let columns = dataset.trajectories.columns();
        let numbers = columns.observations.len() + columns.actions.len() + columns.rewards.len();
        println!(
            "{} episodes, {} transitions; peak memory {:.0} MB, {:.2} of the {:.0} MB kept",
            columns.episodes.len(),
            columns.rewards.len(),
            peak / 1e6,
            peak / (numbers * 4) as f64,
            (numbers * 4) as f64 / 1e6
        );
    }
    println!(
        "{:.0} MB in {best:.3} s: {:.0} MB/s",
        bytes / 1e6,
        bytes / 1e6 / best
    );
    Ok(())
}
