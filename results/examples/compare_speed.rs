//! How long a large store takes to open and to compare. Writes a made-up one into a folder, unless
//! it is there already, and times reading it, comparing it, and writing the page:
//! `cargo run --release -p prefbench-results --example compare_speed -- FOLDER [METHODS TASKS SEEDS]`

use std::path::PathBuf;
use std::time::Instant;

use prefbench_results::compare::{CompareOptions, Comparison};
use prefbench_results::{EpisodeResult, Eval, Store};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().ok_or("name a folder")?);
    let mut number = |default| args.next().map_or(Ok(default), |text| text.parse());
    let (methods, tasks, seeds) = (number(10)?, number(100)?, number(10)?);
    if !root.exists() {
        write(&root, methods, tasks, seeds)?;
    }
    let start = Instant::now();
    let (finished, unfinished) = Store::scan(&root)?;
    println!("{} runs read in {:.2?}", finished.len(), start.elapsed());
    let start = Instant::now();
    let comparison = Comparison::new(&finished, &unfinished, &CompareOptions::default())?;
    println!("compared in {:.2?}", start.elapsed());
    let start = Instant::now();
    let page = comparison.html()?;
    println!(
        "page of {} kB in {:.2?}",
        page.len() / 1000,
        start.elapsed()
    );
    std::fs::write(root.join("report.html"), page)?;
    Ok(())
}

/// 30 evaluations of 10 episodes each, half of the tasks with success, most methods with feedback.
fn write(
    root: &std::path::Path,
    methods: u64,
    tasks: u64,
    seeds: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::open(root)?;
    let runs =
        (0..methods * tasks * seeds).map(|i| (i / tasks / seeds, i / seeds % tasks, i % seeds));
    for (method, task, seed) in runs {
        let config = json!({
            "task": format!("task-{task:03}"), "task_version": 1, "algorithm": format!("method-{method}"),
            "teacher": (method > 0).then_some("oracle"), "tier": "short", "seed": seed,
            "device": "flex", "agent": { "lr": 1e-4 * (1 + method) as f64, "batch": 256 },
        });
        let name = format!("task-{task:03}-method-{method}-s{seed}");
        let mut run = store.run(&name, &config)?;
        for step in 0..30 {
            let noise = |i: u64| {
                ((i * 2_654_435_761 + 97 * seed + 31 * method + task) % 1000) as f64 / 1000.0
            };
            let level = (1.0 - 0.9_f64.powi(step as i32)) * (0.4 + 0.05 * method as f64);
            let episode = |i: u64| EpisodeResult {
                seed: i,
                return_: 1000.0 * (level + 0.2 * noise(17 * i + step)),
                length: 1000,
                success: task % 2 == 0 && noise(13 * i + step) < level,
            };
            run.append(&Eval {
                step: 1000 * step,
                episodes: (0..10).map(episode).collect(),
                feedback_asked: if method > 0 { 50 * step.min(20) } else { 0 },
                feedback_labelled: 0,
                metrics: [("loss".to_owned(), noise(step))].into(),
            })?;
        }
        run.finish(&json!({ "commit": "0000000000", "version": "0.1.0" }))?;
    }
    Ok(())
}
