//! Control steps per second of every task, resets included, on one core:
//! `cargo run --release -p prefbench-envs --example throughput`, or, as copies that step together,
//! on several: `... --example throughput -- --threads 2`. Ids of tasks select among them.
//! `benches/peers` sets the rates beside MuJoCo's and two threads beside one.

use prefbench_envs::{End, TASKS, Task, VecEnv, find};
use std::error::Error;
use std::time::{Duration, Instant};

/// Seconds, after a warm-up of a fifth, unless `--seconds` says otherwise.
const TIME_EACH: f64 = 2.0;
/// Enough for waiting on each other to matter little, few enough for a cache.
const COPIES_PER_THREAD: usize = 16;

fn randomise(state: &mut u64, actions: &mut [f32]) {
    for a in actions {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *a = (*state >> 40) as f32 / (1 << 23) as f32 - 1.0;
    }
}

/// Steps and episodes of one environment.
fn single(task: &Task, time: Duration) -> Result<(u64, u64), Box<dyn Error>> {
    let mut env = task.make()?;
    let mut obs = vec![0.0; task.spec.obs_dim()];
    let mut action = vec![0.0_f32; task.spec.action_dim()];
    let (mut steps, mut episodes, mut state) = (0, 0, 1);
    env.reset(episodes, &mut obs)?;
    let start = Instant::now();
    while start.elapsed() < time {
        randomise(&mut state, &mut action);
        if env.step(&action, &mut obs)?.end != End::No {
            episodes += 1;
            env.reset(episodes, &mut obs)?;
        }
        steps += 1;
    }
    Ok((steps, episodes))
}

/// Steps and episodes of all copies.
fn vectorised(envs: &mut VecEnv, time: Duration) -> Result<(u64, u64), Box<dyn Error>> {
    let (mut steps, mut episodes, mut state) = (0, 0, 1);
    let start = Instant::now();
    while start.elapsed() < time {
        randomise(&mut state, envs.actions_mut());
        envs.step()?;
        episodes += envs.end().iter().filter(|&&end| end != End::No).count() as u64;
        steps += envs.copies() as u64;
    }
    Ok((steps, episodes))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut threads, mut seconds, mut tasks) = (None, TIME_EACH, vec![]);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--threads" {
            let n = arguments.next().ok_or("--threads needs a number")?;
            threads = Some(n.parse::<usize>()?);
        } else if argument == "--seconds" {
            seconds = arguments
                .next()
                .ok_or("--seconds needs a number")?
                .parse()?;
        } else {
            tasks.push(*find(&argument)?);
        }
    }
    for task in if tasks.is_empty() { TASKS } else { &tasks } {
        let mut envs = threads
            .map(|n| VecEnv::new(task, n * COPIES_PER_THREAD, n, 0))
            .transpose()?;
        let mut run = |seconds| {
            let time = Duration::from_secs_f64(seconds);
            match &mut envs {
                Some(envs) => vectorised(envs, time),
                None => single(task, time),
            }
        };
        run(seconds / 5.0)?;
        let (steps, episodes) = run(seconds)?;
        let rate = steps as f64 / seconds;
        println!("{}, {episodes} episodes, steps/s: {rate:.0}", task.id);
    }
    Ok(())
}
