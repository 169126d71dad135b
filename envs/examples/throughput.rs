//! Control steps per second of every task on one core, resets included:
//! `cargo run --release -p prefbench-envs --example throughput`.
//! `tests/mujoco/throughput.py` is MuJoCo's side of the comparison.

use prefbench_envs::{End, EnvError, TASKS};
use std::time::{Duration, Instant};

const TIME_EACH: Duration = Duration::from_secs(2);

fn main() -> Result<(), EnvError> {
    for task in TASKS {
        let mut env = task.make()?;
        let mut obs = vec![0.0; task.spec.obs_dim()];
        let mut action = vec![0.0_f32; task.spec.action_dim()];
        let (mut steps, mut episodes, mut state) = (0_u64, 0, 1_u64);
        env.reset(episodes, &mut obs)?;
        let start = Instant::now();
        while start.elapsed() < TIME_EACH {
            for a in &mut action {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *a = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            }
            if env.step(&action, &mut obs)?.end != End::No {
                episodes += 1;
                env.reset(episodes, &mut obs)?;
            }
            steps += 1;
        }
        let rate = steps as f64 / start.elapsed().as_secs_f64();
        println!("{} {rate:.0} steps/s ({episodes} episodes)", task.id);
    }
    Ok(())
}
