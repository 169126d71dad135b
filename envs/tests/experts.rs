//! What has an expert can be done, and not by chance. `examples/experts.rs` asks more episodes.

use prefbench_envs::{End, TASKS, Task};

/// What the original's hand, too, does by chance, and where an episode may begin at the goal.
const CHANCY: [&str; 3] = ["reach", "drawer-close", "pointmaze-umaze"];

/// In how many episodes the success condition held after any step.
fn successes(task: &Task, episodes: u64, mut act: impl FnMut(&[f32], &mut [f32])) -> u64 {
    let mut env = task.make().expect("make");
    let mut obs = vec![0.0; task.spec.obs_dim()];
    let mut action = vec![0.0; task.spec.action_dim()];
    let mut count = 0;
    for seed in 1000..1000 + episodes {
        env.reset(seed, &mut obs).expect("reset");
        loop {
            act(&obs, &mut action);
            let step = env.step(&action, &mut obs).expect("step");
            count += u64::from(step.success);
            if step.success || step.end != End::No {
                break;
            }
        }
    }
    count
}

#[test]
fn experts_succeed_and_chance_does_not() {
    for task in TASKS {
        let Some(expert) = task.expert else { continue };
        let done = successes(task, 20, expert);
        assert!(
            done >= 19,
            "{}: the expert succeeds in {done} of 20",
            task.id
        );
        let mut state = 1_u64;
        let lucky = successes(task, 10, |_, action| {
            for a in action {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *a = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            }
        });
        let bar = if CHANCY.contains(&task.id) { 5 } else { 1 };
        assert!(
            lucky <= bar,
            "{}: chance succeeds in {lucky} of 10",
            task.id
        );
    }
}
