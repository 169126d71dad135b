//! How often each task's scripted expert succeeds, and chance:
//! `cargo run --release -p prefbench-envs --example experts -- --episodes 200 button-press`.
//! An episode succeeds if the success condition holds after any of its steps. It exits with 1 where an
//! expert succeeds in less than 95 % of the episodes, or chance in 5 % or more ([`CHANCY`] excepted).

use prefbench_envs::{End, TASKS, Task, find};
use std::error::Error;
use std::process::ExitCode;

const EXPERT: f64 = 0.95;
const CHANCE: f64 = 0.05;
/// What the original's hand, too, does by chance, and where an episode may begin at the goal.
const CHANCY: [&str; 3] = ["reach", "drawer-close", "pointmaze-umaze"];

#[derive(Default)]
struct Tally {
    successes: u64,
    /// Seeds without success.
    failed: Vec<u64>,
    /// Steps up to the first success.
    waited: u64,
    total_return: f64,
    best: f32,
}

fn run(
    task: &Task,
    episodes: u64,
    mut act: impl FnMut(&[f32], &mut [f32]),
) -> Result<Tally, Box<dyn Error>> {
    let mut env = task.make()?;
    let mut obs = vec![0.0; task.spec.obs_dim()];
    let mut action = vec![0.0; task.spec.action_dim()];
    let mut tally = Tally::default();
    for seed in 0..episodes {
        env.reset(seed, &mut obs)?;
        let mut succeeded = false;
        for step in 1.. {
            act(&obs, &mut action);
            let outcome = env.step(&action, &mut obs)?;
            tally.total_return += f64::from(outcome.reward);
            tally.best = tally.best.max(outcome.reward);
            if outcome.success && !succeeded {
                succeeded = true;
                tally.waited += step;
            }
            if outcome.end != End::No {
                break;
            }
        }
        if !succeeded {
            tally.failed.push(seed);
        }
        tally.successes += u64::from(succeeded);
    }
    Ok(tally)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut episodes, mut tasks) = (200_u64, vec![]);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--episodes" {
            episodes = arguments
                .next()
                .ok_or("--episodes needs a number")?
                .parse()?;
        } else {
            tasks.push(*find(&argument)?);
        }
    }
    if tasks.is_empty() {
        tasks.extend(TASKS);
    }
    let mut rows = vec![];
    let mut sound = true;
    for task in tasks {
        let Some(expert) = task.expert else { continue };
        let done = run(&task, episodes, expert)?;
        if !done.failed.is_empty() {
            println!("{}: no success with seeds {:?}", task.id, done.failed);
        }
        let mut state = 1_u64;
        let chance = run(&task, episodes, |_, action| {
            for a in action {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *a = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            }
        })?;
        let share = |tally: &Tally| tally.successes as f64 / episodes as f64;
        let mean = |tally: &Tally| tally.total_return / episodes as f64;
        sound &= share(&done) >= EXPERT && (share(&chance) < CHANCE || CHANCY.contains(&task.id));
        rows.push(format!(
            "| {} | {:.1} | {} | {:.0} | {:.2} | {:.1} | {:.0} |",
            task.id,
            100.0 * share(&done),
            done.waited / done.successes.max(1),
            mean(&done),
            done.best,
            100.0 * share(&chance),
            mean(&chance),
        ));
    }
    println!(
        "| task | expert, success % | steps to success | return | best reward | chance, success % | return |"
    );
    println!("| :-- | --: | --: | --: | --: | --: | --: |");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
