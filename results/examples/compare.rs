//! Compares the runs in a folder, prints the tables, and writes all forms into another:
//! `cargo run --release -p prefbench-results --example compare -- RUNS OUT`

use std::path::PathBuf;

use prefbench_results::Store;
use prefbench_results::compare::{CompareOptions, Comparison};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let [runs, out] = &folders[..] else {
        return Err("name the folder of runs and the folder to write".into());
    };
    let (finished, unfinished) = Store::scan(runs)?;
    let options = CompareOptions {
        unequal_seeds: true,
        count_failed: true,
        ..CompareOptions::default()
    };
    let comparison = Comparison::new(&finished, &unfinished, &options)?;
    print!("{}", comparison.terminal());
    comparison.write(out)?;
    Ok(())
}
