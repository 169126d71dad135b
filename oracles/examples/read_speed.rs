//! How fast a file of somebody else's is read, and how much memory that takes.
//!
//! ```text
//! cargo run --release -p prefbench-oracles --example read_speed -- <format> <path>
//! ```
//!
//! Prints the best of three reads, in file bytes a second, and the largest memory allocated at a
//! time over the bytes of the columns kept.

#![allow(unsafe_code)] // the trait of allocators is unsafe

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use prefbench_oracles::import::{self, Read};

struct Counting;
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn more(bytes: usize) {
    PEAK.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there at a time.
        more(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

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
    let Read::Dataset(read) = import::find(format)?.read else {
        return Err(format!("{format} holds labels, not a dataset").into());
    };
    let path = Path::new(path);
    let bytes = size(path)? as f64;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        PEAK.store(NOW.load(Relaxed), Relaxed);
        let before = NOW.load(Relaxed);
        let start = Instant::now();
        let dataset = read(path)?;
        best = best.min(start.elapsed().as_secs_f64());
        let peak = (PEAK.load(Relaxed) - before) as f64;
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
